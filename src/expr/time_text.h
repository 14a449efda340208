// Time as the language has it: RFC 3339 timestamps between the years 1 and 9999, durations in nanoseconds, calendar
// fields in a time zone. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "expr/value.h"

namespace millrace::expr {

inline constexpr int64_t kMinSeconds = -62135596800;  // 0001-01-01T00:00:00Z
inline constexpr int64_t kMaxSeconds = 253402300799;  // 9999-12-31T23:59:59Z
inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

struct Timestamp {
  int64_t seconds = 0;
  uint32_t nanos = 0;
};

std::optional<Timestamp> parse_timestamp(std::string_view text);
std::string timestamp_text(int64_t seconds, uint32_t nanos);

// "1h30m", "-1.5s", "0". No days, no infinity.
std::optional<int64_t> parse_duration(std::string_view text);
// Decimal seconds: "5400s", "0.001s".
std::string duration_text(int64_t nanos);

struct Calendar {
  int64_t year = 1970;
  int month = 1;  // from 1
  int day = 1;    // from 1
  int hour = 0;
  int minute = 0;
  int second = 0;
  int day_of_week = 0;  // Sunday is 0
  int day_of_year = 1;  // from 1
  int offset_seconds = 0;
};

// Fields in a zone: a name of the tz database, "UTC", or an offset "+02:00", "-02:00", "02:00". Empty: UTC.
bool calendar(int64_t seconds, std::string_view zone, Calendar& into);

// As strftime with %Y %m %d %H %M %S and the others that absl::FormatTime knows.
bool format_time(int64_t seconds, uint32_t nanos, std::string_view layout, std::string_view zone, std::string& into);
std::optional<Timestamp> parse_time(std::string_view text, std::string_view layout, std::string_view zone);

}  // namespace millrace::expr
