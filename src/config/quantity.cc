#include "config/quantity.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>

#include "base/text.h"

namespace millrace::config {

namespace {

bool is_bare_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
}

template <typename T>
Quantity<T> wrong(std::string problem) {
  return {T{}, std::move(problem)};
}

template <typename Format>
Quantity<int64_t> in_range(int64_t value, int64_t min, int64_t max, const Format& format) {
  if (value >= min && value <= max) return {value, {}};
  return wrong<int64_t>(fmt::format("is {}, and must be from {} to {}", format(value), format(min), format(max)));
}

}  // namespace

std::string in_ticks(std::string_view text) {
  return '`' + escape_for_log(text, 60) + '`';
}

Quantity<int64_t> read_duration_ms(std::string_view text, int64_t min, int64_t max) {
  if (const auto value = parse_duration_ms(text)) return in_range(*value, min, max, format_duration_ms);
  if (is_bare_number(text)) {
    return wrong<int64_t>(
        fmt::format("needs a unit: {0} could be `{1}ms` or `{1}s`", in_ticks(text), escape_for_log(text, 20)));
  }
  return wrong<int64_t>(fmt::format("must be a duration such as `500ms`, `10s` or `1m30s`, not {}", in_ticks(text)));
}

Quantity<int64_t> read_bytes(std::string_view text, int64_t min, int64_t max) {
  if (const auto value = parse_bytes(text)) return in_range(*value, min, max, format_bytes);
  if (is_bare_number(text)) {
    return wrong<int64_t>(fmt::format("needs a unit: {0} could be `{1}B`, `{1}KiB` or `{1}MiB`", in_ticks(text),
                                      escape_for_log(text, 20)));
  }
  return wrong<int64_t>(fmt::format("must be a size such as `512KiB` or `64MiB`, not {}", in_ticks(text)));
}

Quantity<int64_t> read_count(std::string_view text, int64_t min, int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  const bool octal_like = digits.size() > 1 && digits.starts_with('0');
  if (error != std::errc() || end != text.data() + text.size() || octal_like) {
    return wrong<int64_t>(fmt::format("must be a whole number, not {}", in_ticks(text)));
  }
  return in_range(value, min, max, [](int64_t number) { return std::to_string(number); });
}

Quantity<double> read_rate(std::string_view text) {
  if (const auto value = parse_rate(text)) return {*value, {}};
  if (is_bare_number(text)) {
    return wrong<double>(
        fmt::format("needs a unit: {0} could be `{1}/s` or `{1}/m`", in_ticks(text), escape_for_log(text, 20)));
  }
  return wrong<double>(fmt::format("must be a rate such as `5000/s`, not {}", in_ticks(text)));
}

Quantity<double> read_number(std::string_view text, double min, double max) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size()) {
    return wrong<double>(fmt::format("must be a number, not {}", in_ticks(text)));
  }
  if (!(value >= min && value <= max)) {
    return wrong<double>(fmt::format("is {}, and must be from {} to {}", value, min, max));
  }
  return {value, {}};
}

Quantity<bool> read_flag(std::string_view text) {
  if (text == "true") return {true, {}};
  if (text == "false") return {false, {}};
  return wrong<bool>(fmt::format("must be `true` or `false`, not {}", in_ticks(text)));
}

}  // namespace millrace::config
