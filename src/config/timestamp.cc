#include "config/timestamp.h"

#include <algorithm>
#include <chrono>

namespace millrace::config {

namespace {

// Takes `count` digits from the front; -1 when they are not there.
int take_digits(std::string_view& text, size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

// ".123456" -> 123.
std::optional<int> take_fraction_ms(std::string_view& text) {
  if (!take(text, '.')) return 0;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return std::nullopt;
  int ms = 0;
  for (size_t i = 0; i < 3; ++i) ms = ms * 10 + (i < digits ? text[i] - '0' : 0);
  text.remove_prefix(digits);
  return ms;
}

// "Z", "+02:00"; minutes east of UTC.
std::optional<int> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  const int sign = text.starts_with('-') ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const int hours = take_digits(text, 2);
  const bool colon = take(text, ':');
  const int minutes = take_digits(text, 2);
  if (!colon || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return sign * (hours * 60 + minutes);
}

}  // namespace

std::optional<int64_t> parse_timestamp_ms(std::string_view text) {
  const int year = take_digits(text, 4);
  bool well = take(text, '-');
  const int month = take_digits(text, 2);
  well = take(text, '-') && well;
  const int day = take_digits(text, 2);
  if (!well || year < 0 || month < 1 || day < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  if (text.empty()) return days * 86'400'000;
  well = take(text, 'T') || take(text, 't') || take(text, ' ');
  const int hour = take_digits(text, 2);
  well = take(text, ':') && well;
  const int minute = take_digits(text, 2);
  well = take(text, ':') && well;
  const int second = take_digits(text, 2);
  const auto fraction_ms = take_fraction_ms(text);
  const auto offset = take_offset(text);
  if (!well || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return std::nullopt;
  if (!fraction_ms || !offset || !text.empty()) return std::nullopt;
  return ((days * 24 + hour) * 60 + minute - *offset) * 60'000 + second * 1000 + *fraction_ms;
}

}  // namespace millrace::config
