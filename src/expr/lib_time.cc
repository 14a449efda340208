// Parts of timestamps and durations, and their text in other layouts.
#include "expr/functions.h"
#include "expr/time_text.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

enum class Part { year, month, day_of_month, date, day_of_week, day_of_year, hours, minutes, seconds };

int64_t part_of(const Calendar& calendar, Part part) {
  switch (part) {
    case Part::year:
      return calendar.year;
    case Part::month:
      return calendar.month - 1;
    case Part::day_of_month:
      return calendar.day - 1;
    case Part::date:
      return calendar.day;
    case Part::day_of_week:
      return calendar.day_of_week;
    case Part::day_of_year:
      return calendar.day_of_year - 1;
    case Part::hours:
      return calendar.hour;
    case Part::minutes:
      return calendar.minute;
    case Part::seconds:
      return calendar.second;
  }
  return 0;
}

// A duration's hours, minutes and seconds are the whole of it in that unit.
Value duration_part(Frame& frame, const Value& duration, Part part) {
  const int64_t seconds = duration.duration_ns() / kNanosPerSecond;
  switch (part) {
    case Part::hours:
      return Value::integer(seconds / 3600);
    case Part::minutes:
      return Value::integer(seconds / 60);
    case Part::seconds:
      return Value::integer(seconds);
    default:
      return frame.no_overload("a duration has no calendar: {}", duration);
  }
}

Value no_zone(Frame& frame, const Value& zone) {
  return frame.fail(ErrorKind::invalid_argument, "no time zone {}", zone);
}

template <Part part>
Value get(Frame& frame, Args args) {
  if (args[0].is(Kind::duration) && args.size() == 1) return duration_part(frame, args[0], part);
  if (!args[0].is(Kind::timestamp)) return frame.no_overload("{} is no timestamp", args[0]);
  std::string_view zone;
  if (args.size() == 2) {
    if (!args[1].is(Kind::string)) return frame.no_overload("{} is no name of a time zone", args[1]);
    zone = args[1].text();
    if (zone.empty()) return no_zone(frame, args[1]);
  }
  Calendar calendar_of_it;
  if (!calendar(args[0].seconds(), zone, calendar_of_it)) return no_zone(frame, args[1]);
  return Value::integer(part_of(calendar_of_it, part));
}

Value milliseconds(Frame& frame, Args args) {
  if (args[0].is(Kind::duration) && args.size() == 1) {
    return Value::integer(args[0].duration_ns() % kNanosPerSecond / 1'000'000);
  }
  if (!args[0].is(Kind::timestamp)) return frame.no_overload("{} is no timestamp", args[0]);
  Calendar unused;
  if (args.size() == 2) {
    if (!args[1].is(Kind::string)) return frame.no_overload("{} is no name of a time zone", args[1]);
    if (args[1].text().empty() || !calendar(0, args[1].text(), unused)) return no_zone(frame, args[1]);
  }
  return Value::integer(args[0].nanos() / 1'000'000);
}

bool texts(Args args, size_t first) {
  for (size_t i = first; i < args.size(); ++i) {
    if (!args[i].is(Kind::string)) return false;
  }
  return true;
}

Value parse(Frame& frame, Args args) {
  if (!texts(args, 0)) return frame.no_overload("parseTime() wants strings, not {} and {}", args[0], args[1]);
  const std::string_view zone = args.size() == 3 ? args[2].text() : std::string_view();
  const auto time = parse_time(args[0].text(), args[1].text(), zone);
  if (!time) return frame.fail(ErrorKind::invalid_argument, "{} is no time in the layout {}", args[0], args[1]);
  return Value::timestamp(time->seconds, time->nanos);
}

constexpr Function kFunctions[] = {
    {"getFullYear", true, 1, 2, Kind::integer, Growth::fixed, get<Part::year>},
    {"getMonth", true, 1, 2, Kind::integer, Growth::fixed, get<Part::month>},
    {"getDayOfMonth", true, 1, 2, Kind::integer, Growth::fixed, get<Part::day_of_month>},
    {"getDate", true, 1, 2, Kind::integer, Growth::fixed, get<Part::date>},
    {"getDayOfWeek", true, 1, 2, Kind::integer, Growth::fixed, get<Part::day_of_week>},
    {"getDayOfYear", true, 1, 2, Kind::integer, Growth::fixed, get<Part::day_of_year>},
    {"getHours", true, 1, 2, Kind::integer, Growth::fixed, get<Part::hours>},
    {"getMinutes", true, 1, 2, Kind::integer, Growth::fixed, get<Part::minutes>},
    {"getSeconds", true, 1, 2, Kind::integer, Growth::fixed, get<Part::seconds>},
    {"getMilliseconds", true, 1, 2, Kind::integer, Growth::fixed, milliseconds},
    {"parseTime", false, 2, 3, Kind::timestamp, Growth::walk, parse},
};

}  // namespace

Value format_timestamp(Frame& frame, std::span<const Value> args) {
  if (!texts(args, 1)) return frame.no_overload("format() of a timestamp wants a layout, not {}", args[1]);
  const std::string_view zone = args.size() == 3 ? args[2].text() : std::string_view();
  std::string text;
  if (!format_time(args[0].seconds(), args[0].nanos(), args[1].text(), zone, text)) return no_zone(frame, args[2]);
  return frame.made_string(text);
}

std::span<const Function> time_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
