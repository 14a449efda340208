// 'pattern'.format([values]), and timestamp.format(layout).
#include <algorithm>
#include <charconv>
#include <cmath>

#include "expr/functions.h"
#include "expr/number_text.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;
constexpr int kMaxPrecision = 1000;

// One %-clause with its value; false: noted.
class Formatter {
 public:
  Formatter(Frame& frame, const Value& values) : frame_(frame), values_(values) {}

  bool run(std::string_view pattern, std::string& out) {
    for (size_t at = 0; at < pattern.size(); ++at) {
      if (pattern[at] != '%') {
        out += pattern[at];
        continue;
      }
      if (++at >= pattern.size()) return fail(ErrorKind::invalid_argument, "the format ends in a lone %");
      if (pattern[at] == '%') {
        out += '%';
        continue;
      }
      int precision = -1;
      if (pattern[at] == '.' && !read_precision(pattern, at, precision)) return false;
      if (next_ >= values_.count()) {
        return fail(ErrorKind::invalid_argument, "the format wants more values than the {} given",
                    Value::integer(values_.count()));
      }
      const Value value = expanded(values_.items()[next_++], frame_.arena);
      if (!clause(pattern.substr(at, 1), precision, value, out)) return false;
      if (out.size() > frame_.state.bytes_left) return fail(ErrorKind::result_too_large, "the text is too long");
    }
    return true;
  }

 private:
  bool fail(ErrorKind kind, const char* text, const Value& first = Value()) {
    frame_.fail(kind, text, first);
    return false;
  }

  bool read_precision(std::string_view pattern, size_t& at, int& precision) {
    const char* end = pattern.data() + pattern.size();
    const auto result = std::from_chars(pattern.data() + at + 1, end, precision);
    if (result.ec != std::errc() || result.ptr == end || precision < 0 || precision > kMaxPrecision) {
      return fail(ErrorKind::invalid_argument, "the format has a bad precision");
    }
    at = static_cast<size_t>(result.ptr - pattern.data());
    return true;
  }

  bool clause(std::string_view letter, int precision, const Value& value, std::string& out) {
    switch (letter[0]) {
      case 's':
        if (value.is_error()) return fail(value.error_kind(), "a value does not parse");
        if (value.is(Kind::optional)) return fail(ErrorKind::no_such_overload, "%s wants no optional, as {} is", value);
        out += value_text(value, frame_.arena);
        return true;
      case 'd':
        return decimal(value, out);
      case 'f':
      case 'e':
        return floating(letter[0], precision < 0 ? 6 : precision, value, out);
      case 'x':
        return hex(value, "0123456789abcdef", out);
      case 'X':
        return hex(value, "0123456789ABCDEF", out);
      case 'o':
        return based(value, 8, "%o wants an int or a uint, not {}", out);
      case 'b':
        if (value.is(Kind::boolean)) {
          out += value.as_bool() ? '1' : '0';
          return true;
        }
        return based(value, 2, "%b wants an int, a uint or a bool, not {}", out);
      default:
        return fail(ErrorKind::invalid_argument, "the format knows no %{}", Value::string(letter));
    }
  }

  bool decimal(const Value& value, std::string& out) {
    if (!is_number(value)) return fail(ErrorKind::no_such_overload, "%d wants a number, not {}", value);
    out += value_text(value, frame_.arena);
    return true;
  }

  bool floating(char letter, int precision, const Value& value, std::string& out) {
    if (!is_number(value)) return fail(ErrorKind::no_such_overload, "%f and %e want a number, not {}", value);
    double number = value.as_double();
    if (value.is(Kind::integer)) number = static_cast<double>(value.as_int());
    if (value.is(Kind::uinteger)) number = static_cast<double>(value.as_uint());
    out += letter == 'f' ? fixed_text(number, precision) : scientific_text(number, precision);
    return true;
  }

  bool based(const Value& value, int base, const char* problem, std::string& out) {
    if (!value.is(Kind::integer) && !value.is(Kind::uinteger)) return fail(ErrorKind::no_such_overload, problem, value);
    char digits[72];
    const auto result = value.is(Kind::integer) ? std::to_chars(digits, digits + sizeof digits, value.as_int(), base)
                                                : std::to_chars(digits, digits + sizeof digits, value.as_uint(), base);
    out.append(digits, result.ptr);
    return true;
  }

  bool hex(const Value& value, const char* digits, std::string& out) {
    if (value.is(Kind::string) || value.is(Kind::bytes)) {
      for (const char c : value.text()) {
        out += digits[static_cast<uint8_t>(c) >> 4];
        out += digits[static_cast<uint8_t>(c) & 15];
      }
      return true;
    }
    std::string text;
    if (!based(value, 16, "%x wants an int, a uint, a string or bytes, not {}", text)) return false;
    for (const char c : text) out += c >= 'a' ? digits[c - 'a' + 10] : c;
    return true;
  }

  Frame& frame_;
  const Value& values_;
  uint32_t next_ = 0;
};

Value format(Frame& frame, Args args) {
  if (args[0].is(Kind::timestamp)) return format_timestamp(frame, args);
  if (!args[0].is(Kind::string) || args.size() != 2)
    return frame.no_overload("no format for {} and {}", args[0], args[1]);
  const Value values = list_of(frame, args[1]);
  if (values.is_error()) return values;
  std::string out;
  if (!Formatter(frame, values).run(args[0].text(), out)) return frame.noted();
  if (!frame.pay(out.size() / 10)) return frame.noted();
  return frame.made_string(out);
}

constexpr Function kFunctions[] = {
    {"format", true, 2, 3, Kind::string, Growth::multiply, format},
};

}  // namespace

std::span<const Function> format_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
