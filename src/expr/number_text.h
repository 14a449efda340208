// Numbers as text and back, as the language has it. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::expr {

// As ECMAScript prints numbers: 1, 1.5, 1e+21, 1e-7, NaN, Infinity.
std::string double_text(double value);

// A decimal integer with an optional sign and nothing around it.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<uint64_t> parse_uint(std::string_view text);
// Decimal and exponent forms, NaN, Infinity, -Infinity.
std::optional<double> parse_double(std::string_view text);

// Fixed and scientific form with `precision` digits after the point.
std::string fixed_text(double value, int precision);
std::string scientific_text(double value, int precision);

}  // namespace millrace::expr
