#include "expr/time_text.h"

#include <absl/time/time.h>
#include <fmt/core.h>

#include <array>
#include <filesystem>

namespace millrace::expr {
namespace {

int64_t days_from_civil(int64_t year, int month, int day) {
  return absl::CivilDay(year, month, day) - absl::CivilDay(1970, 1, 1);
}

int days_in_month(int64_t year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

// Reads fixed-width fields from the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest(text) {}

  bool digits(size_t count, int& into) {
    if (rest.size() < count) return false;
    into = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest[i] < '0' || rest[i] > '9') return false;
      into = into * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    return true;
  }
  bool sign(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }

  std::string_view rest;
};

bool read_fraction(Reader& reader, uint32_t& nanos) {
  nanos = 0;
  if (!reader.sign('.')) return true;
  size_t count = 0;
  while (count < reader.rest.size() && reader.rest[count] >= '0' && reader.rest[count] <= '9') ++count;
  if (count == 0) return false;  // digits behind the ninth are below a nanosecond
  for (size_t i = 0; i < 9; ++i) nanos = nanos * 10 + (i < count ? static_cast<uint32_t>(reader.rest[i] - '0') : 0);
  reader.rest.remove_prefix(count);
  return true;
}

// "+02:00", "-02:00" or, as in time zones, "02:00".
bool read_offset(Reader& reader, bool sign_needed, int& seconds) {
  const bool minus = reader.sign('-');
  if (!minus && !reader.sign('+') && sign_needed) return false;
  int hours = 0;
  int minutes = 0;
  if (!reader.digits(2, hours) || !reader.sign(':') || !reader.digits(2, minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  seconds = (hours * 60 + minutes) * 60;
  if (minus) seconds = -seconds;
  return true;
}

bool in_range(int64_t seconds) {
  return seconds >= kMinSeconds && seconds <= kMaxSeconds;
}

bool find_zone(std::string_view name, absl::TimeZone& zone) {
  if (name.empty() || name == "UTC" || name == "Z") {
    zone = absl::UTCTimeZone();
    return true;
  }
  Reader reader(name);
  int offset = 0;
  if (read_offset(reader, false, offset) && reader.rest.empty()) {
    zone = absl::FixedTimeZone(offset);
    return true;
  }
  // The library remembers each name it was ever asked for, opens absolute paths, and invents zones of its own. So only
  // names that the tz database has may reach it: they can come from a record.
  if (name.size() > 64 || name.front() == '/' || name.find("..") != std::string_view::npos ||
      name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") !=
          std::string_view::npos) {
    return false;
  }
  std::error_code error;
  if (!std::filesystem::is_regular_file("/usr/share/zoneinfo/" + std::string(name), error)) return false;
  return absl::LoadTimeZone(std::string(name), &zone);
}

}  // namespace

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Reader reader(text);
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  uint32_t nanos = 0;
  int offset = 0;
  const bool date = reader.digits(4, year) && reader.sign('-') && reader.digits(2, month) && reader.sign('-') &&
                    reader.digits(2, day) && reader.sign('T');
  if (!date || !reader.digits(2, hour) || !reader.sign(':') || !reader.digits(2, minute) || !reader.sign(':') ||
      !reader.digits(2, second) || !read_fraction(reader, nanos)) {
    return {};
  }
  if (!reader.sign('Z') && !read_offset(reader, true, offset)) return {};
  if (!reader.rest.empty() || year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
      hour > 23 || minute > 59 || second > 59) {
    return {};
  }
  const int64_t seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  if (!in_range(seconds)) return {};
  return Timestamp{seconds, nanos};
}

std::string timestamp_text(int64_t seconds, uint32_t nanos) {
  const absl::CivilSecond t = absl::ToCivilSecond(absl::FromUnixSeconds(seconds), absl::UTCTimeZone());
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.year(), t.month(), t.day(), t.hour(),
                                 t.minute(), t.second());
  if (nanos % 1'000'000 == 0) {
    if (nanos != 0) text += fmt::format(".{:03}", nanos / 1'000'000);
  } else if (nanos % 1'000 == 0) {
    text += fmt::format(".{:06}", nanos / 1'000);
  } else {
    text += fmt::format(".{:09}", nanos);
  }
  return text + "Z";
}

std::optional<int64_t> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t nanos;
  };
  static constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                                  {"us", 1'000},
                                                  {"\xC2\xB5s", 1'000},
                                                  {"\xCE\xBCs", 1'000},
                                                  {"ms", 1'000'000},
                                                  {"s", kNanosPerSecond},
                                                  {"m", 60 * kNanosPerSecond},
                                                  {"h", 3600 * kNanosPerSecond}}};
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return {};
  __int128 total = 0;
  while (!text.empty()) {
    __int128 whole = 0;
    __int128 fraction = 0;
    __int128 scale = 1;
    size_t at = 0;
    size_t seen = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++seen) {
      whole = whole * 10 + (text[at] - '0');
      if (whole > INT64_MAX) return {};
    }
    if (at < text.size() && text[at] == '.') {
      for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++seen) {
        if (scale > 1'000'000'000'000'000) continue;  // further digits are below a nanosecond
        fraction = fraction * 10 + (text[at] - '0');
        scale *= 10;
      }
    }
    if (seen == 0) return {};
    text.remove_prefix(at);
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (!text.starts_with(candidate.name)) continue;
      unit = &candidate;
      break;
    }
    if (unit == nullptr) return {};
    text.remove_prefix(unit->name.size());
    total += whole * unit->nanos + fraction * unit->nanos / scale;
    if (total > INT64_MAX + __int128{minus ? 1 : 0}) return {};
  }
  return static_cast<int64_t>(minus ? -total : total);
}

std::string duration_text(int64_t nanos) {
  const uint64_t magnitude = nanos < 0 ? 0 - static_cast<uint64_t>(nanos) : static_cast<uint64_t>(nanos);
  std::string text = (nanos < 0 ? "-" : "") + std::to_string(magnitude / kNanosPerSecond);
  if (const uint64_t rest = magnitude % kNanosPerSecond; rest != 0) {
    std::string fraction = fmt::format("{:09}", rest);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += "." + fraction;
  }
  return text + "s";
}

bool calendar(int64_t seconds, std::string_view zone_name, Calendar& into) {
  absl::TimeZone zone;
  if (!find_zone(zone_name, zone)) return false;
  const absl::TimeZone::CivilInfo info = zone.At(absl::FromUnixSeconds(seconds));
  into.year = info.cs.year();
  into.month = info.cs.month();
  into.day = info.cs.day();
  into.hour = info.cs.hour();
  into.minute = info.cs.minute();
  into.second = info.cs.second();
  into.day_of_week = (static_cast<int>(absl::GetWeekday(info.cs)) + 1) % 7;
  into.day_of_year = absl::GetYearDay(absl::CivilDay(info.cs));
  into.offset_seconds = info.offset;
  return true;
}

bool format_time(int64_t seconds, uint32_t nanos, std::string_view layout, std::string_view zone_name,
                 std::string& into) {
  absl::TimeZone zone;
  if (!find_zone(zone_name, zone)) return false;
  const absl::Time time = absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanos);
  into = absl::FormatTime(absl::string_view(layout.data(), layout.size()), time, zone);
  return true;
}

std::optional<Timestamp> parse_time(std::string_view text, std::string_view layout, std::string_view zone_name) {
  absl::TimeZone zone;
  if (!find_zone(zone_name, zone)) return {};
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::string_view(layout.data(), layout.size()), absl::string_view(text.data(), text.size()),
                       zone, &time, &error)) {
    return {};
  }
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return {};
  const int64_t seconds = absl::ToUnixSeconds(time);
  if (!in_range(seconds)) return {};
  const int64_t nanos = absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds));
  return Timestamp{seconds, static_cast<uint32_t>(nanos)};
}

}  // namespace millrace::expr
