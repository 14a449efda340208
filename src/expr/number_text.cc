#include "expr/number_text.h"

#include <array>
#include <charconv>
#include <cmath>

namespace millrace::expr {
namespace {

std::string_view special(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return "";
}

std::string with_format(double value, std::chars_format format, int precision) {
  // The largest double has 309 digits before the point.
  std::string text(340 + static_cast<size_t>(precision), '\0');
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value, format, precision);
  text.resize(static_cast<size_t>(result.ptr - text.data()));
  return text;
}

}  // namespace

std::string double_text(double value) {
  if (const auto text = special(value); !text.empty()) return std::string(text);
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  // The shortest digits that read back as the same number, then ECMAScript's rule for where the point goes.
  std::array<char, 40> buffer{};
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value), std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<size_t>(result.ptr - buffer.data()));
  const size_t e = text.find('e');
  int exponent = 0;
  const size_t skip = text[e + 1] == '+' ? 2 : 1;
  std::from_chars(text.data() + e + skip, text.data() + text.size(), exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits += c;
  }
  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;
  std::string out = value < 0 ? "-" : "";
  if (count <= point && point <= 21) return out + digits + std::string(static_cast<size_t>(point - count), '0');
  if (0 < point && point <= 21)
    return out + digits.substr(0, static_cast<size_t>(point)) + "." + digits.substr(static_cast<size_t>(point));
  if (-6 < point && point <= 0) return out + "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  out += digits[0];
  if (count > 1) out += "." + digits.substr(1);
  return out + "e" + (exponent < 0 ? "-" : "+") + std::to_string(std::abs(exponent));
}

std::optional<int64_t> parse_int(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return {};
  }
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return {};
  return value;
}

std::optional<uint64_t> parse_uint(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return {};
  return value;
}

std::optional<double> parse_double(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return {};
  }
  const char first = text.empty() ? '\0' : text[text[0] == '-' && text.size() > 1 ? 1 : 0];
  const bool digit = first == '.' || (first >= '0' && first <= '9');
  if (!digit) {
    if (text == "NaN" || text == "nan") return std::nan("");
    if (text == "Infinity" || text == "Inf" || text == "inf" || text == "infinity") return HUGE_VAL;
    if (text == "-Infinity" || text == "-Inf" || text == "-inf" || text == "-infinity") return -HUGE_VAL;
    return {};
  }
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ptr != text.data() + text.size()) return {};
  if (result.ec == std::errc::result_out_of_range) {
    const size_t e = text.find_first_of("eE");
    if (e == std::string_view::npos || text[e + 1] != '-') return {};
    return 0.0;
  }
  if (result.ec != std::errc()) return {};
  return value;
}

std::string fixed_text(double value, int precision) {
  if (const auto text = special(value); !text.empty()) return std::string(text);
  return with_format(value, std::chars_format::fixed, precision);
}

std::string scientific_text(double value, int precision) {
  if (const auto text = special(value); !text.empty()) return std::string(text);
  return with_format(value, std::chars_format::scientific, precision);
}

}  // namespace millrace::expr
