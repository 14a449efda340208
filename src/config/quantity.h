// Scalars that have a unit or a range: read, or told what is wrong with them and how they are spelt. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::config {

template <typename T>
struct Quantity {
  T value{};
  std::string problem;  // empty: the value is good. Reads on after the key: "needs a unit, as in `500ms`"
};

Quantity<int64_t> read_duration_ms(std::string_view text, int64_t min, int64_t max);
Quantity<int64_t> read_bytes(std::string_view text, int64_t min, int64_t max);
Quantity<int64_t> read_count(std::string_view text, int64_t min, int64_t max);
Quantity<double> read_rate(std::string_view text);
Quantity<double> read_number(std::string_view text, double min, double max);
Quantity<bool> read_flag(std::string_view text);

// Text from the file in a message: escaped, cut, in backticks.
std::string in_ticks(std::string_view text);

}  // namespace millrace::config
