#include "expr/json_text.h"

#include <absl/strings/charconv.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.h"

namespace millrace::expr {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Reads four hexadecimal digits; -1 when they are none.
int32_t hex4(std::string_view text, size_t at) {
  if (at + 4 > text.size()) return -1;
  int32_t code = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    int digit = 0;
    if (is_digit(c)) {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    code = code * 16 + digit;
  }
  return code;
}

char simple_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

char* put_utf8(uint32_t code, char* to) {
  if (code < 0x80) {
    *to++ = static_cast<char>(code);
  } else if (code < 0x800) {
    *to++ = static_cast<char>(0xC0 | (code >> 6));
    *to++ = static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *to++ = static_cast<char>(0xE0 | (code >> 12));
    *to++ = static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *to++ = static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *to++ = static_cast<char>(0xF0 | (code >> 18));
    *to++ = static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    *to++ = static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    *to++ = static_cast<char>(0x80 | (code & 0x3F));
  }
  return to;
}

// Writes at most raw.size() bytes: every escape is at least as long as what it stands for. Escapes that are not well
// formed (the caller should have checked) are taken as they stand.
char* unescape_to(std::string_view raw, char* to) {
  size_t i = 0;
  while (i < raw.size()) {
    const void* found = std::memchr(raw.data() + i, '\\', raw.size() - i);
    const size_t stop =
        found == nullptr ? raw.size() : static_cast<size_t>(static_cast<const char*>(found) - raw.data());
    std::memcpy(to, raw.data() + i, stop - i);
    to += stop - i;
    i = stop;
    if (i == raw.size()) break;
    if (i + 1 < raw.size() && raw[i + 1] == 'u') {
      const int32_t first = hex4(raw, i + 2);
      if (first >= 0) {
        i += 6;
        auto code = static_cast<uint32_t>(first);
        if (code >= 0xD800 && code < 0xDC00 && i + 1 < raw.size() && raw[i] == '\\' && raw[i + 1] == 'u') {
          const int32_t second = hex4(raw, i + 2);
          if (second >= 0xDC00 && second < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint32_t>(second) - 0xDC00);
            i += 6;
          }
        }
        if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;
        to = put_utf8(code, to);
        continue;
      }
    }
    const char plain = i + 1 < raw.size() ? simple_escape(raw[i + 1]) : '\0';
    *to++ = plain != '\0' ? plain : '\\';
    i += plain != '\0' ? 2 : 1;
  }
  return to;
}

Value floating_number(std::string_view token) {
  double number = 0;
  const char* end = token.data() + token.size();
  if (std::from_chars(token.data(), end, number).ec == std::errc()) return Value::floating(number);
  // Out of range: unlike the standard's, this one says on which side (the largest double, or the smallest).
  absl::from_chars(token.data(), end, number);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (std::abs(number) > 1) number = number > 0 ? kInfinity : -kInfinity;
  return Value::floating(number);
}

}  // namespace

bool is_json_number(std::string_view token) {
  const char* p = token.data();
  const char* const end = p + token.size();
  if (p != end && *p == '-') ++p;
  if (p == end) return false;
  if (*p == '0') {
    ++p;
  } else {
    if (!is_digit(*p)) return false;
    while (p != end && is_digit(*p)) ++p;
  }
  if (p == end) return true;
  if (*p == '.') {
    ++p;
    if (p == end || !is_digit(*p)) return false;
    while (p != end && is_digit(*p)) ++p;
    if (p == end) return true;
  }
  if (*p != 'e' && *p != 'E') return false;
  ++p;
  if (p != end && (*p == '+' || *p == '-')) ++p;
  if (p == end) return false;
  while (p != end && is_digit(*p)) ++p;
  return p == end;
}

Value json_number(std::string_view token) {
  const bool negative = token.front() == '-';
  const size_t first = negative ? 1 : 0;
  const size_t digits = token.size() - first;
  uint64_t sum = 0;
  size_t i = first;
  for (; i < token.size() && i < first + 18; ++i) {
    if (!is_digit(token[i])) return floating_number(token);
    sum = sum * 10 + static_cast<uint64_t>(token[i] - '0');
  }
  if (digits <= 18) return Value::integer(negative ? -static_cast<int64_t>(sum) : static_cast<int64_t>(sum));
  const char* end = token.data() + token.size();
  int64_t integer = 0;
  const auto as_int = std::from_chars(token.data(), end, integer);
  if (as_int.ec == std::errc() && as_int.ptr == end) return Value::integer(integer);
  uint64_t uinteger = 0;
  const auto as_uint = std::from_chars(token.data(), end, uinteger);
  if (as_uint.ec == std::errc() && as_uint.ptr == end) return Value::uinteger(uinteger);
  return floating_number(token);
}

Value json_literal(std::string_view token) {
  if (token == "true") return Value::boolean(true);
  if (token == "false") return Value::boolean(false);
  if (token == "null") return Value::null();
  return is_json_number(token) ? json_number(token) : Value();
}

size_t find_bad_escape(std::string_view text) {
  size_t i = 0;
  for (;;) {
    const void* found = i < text.size() ? std::memchr(text.data() + i, '\\', text.size() - i) : nullptr;
    if (found == nullptr) return std::string_view::npos;
    const auto at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    if (at + 1 >= text.size()) return at;
    if (text[at + 1] == 'u') {
      if (hex4(text, at + 2) < 0) return at;
      i = at + 6;
    } else {
      if (simple_escape(text[at + 1]) == '\0') return at;
      i = at + 2;
    }
  }
}

std::string_view json_unescape(std::string_view raw, Arena& arena) {
  if (raw.empty() || std::memchr(raw.data(), '\\', raw.size()) == nullptr) return raw;
  char* to = static_cast<char*>(arena.allocate(raw.size(), 1));
  const auto written = static_cast<size_t>(unescape_to(raw, to) - to);
  arena.shrink_last(to, raw.size(), written);
  return {to, written};
}

void json_unescape(std::string_view raw, std::string& onto) {
  const size_t before = onto.size();
  onto.resize(before + raw.size());
  char* to = onto.data() + before;
  onto.resize(before + static_cast<size_t>(unescape_to(raw, to) - to));
}

bool JsonReader::string(std::string_view& raw) {
  if (!take('"')) return false;
  const size_t begin = at_;
  bool escapes = false;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '"') {
      raw = text_.substr(begin, at_ - begin);
      ++at_;
      return !escapes || find_bad_escape(raw) == std::string_view::npos;
    }
    if (static_cast<unsigned char>(c) < 0x20) return false;
    if (c == '\\') {
      escapes = true;
      ++at_;
    }
  }
  return false;
}

bool JsonReader::literal(std::string_view& token) {
  skip_space();
  const size_t begin = at_;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (is_json_space(c) || c == ',' || c == ']' || c == '}' || c == ':' || c == '[' || c == '{' || c == '"') break;
    ++at_;
  }
  token = text_.substr(begin, at_ - begin);
  return token == "true" || token == "false" || token == "null" || is_json_number(token);
}

bool JsonReader::skip(std::string_view& raw) {
  const char c = peek();
  const size_t begin = at_;
  bool ok = false;
  std::string_view inner;
  if (c == '"') {
    ok = string(inner);
  } else if (c == '{' || c == '[') {
    ok = skip_container();
  } else {
    ok = literal(inner);
  }
  raw = text_.substr(begin, at_ - begin);
  return ok;
}

bool JsonReader::skip_container() {
  std::array<char, kMaxDepth> closers{};
  uint32_t depth = 0;
  std::string_view scratch;
  bool value_due = true;  // at a place where a value (or, in an object, a member) has to begin
  bool may_close = false;
  do {
    if (value_due) {
      const char closer = depth > 0 ? closers[depth - 1] : '\0';
      if (may_close && take(closer)) {
        --depth;
        value_due = may_close = false;
        continue;
      }
      if (closer == '}' && (peek() != '"' || !string(scratch) || !take(':'))) return false;
      const char c = peek();
      value_due = may_close = c == '{' || c == '[';
      if (value_due) {
        if (depth == kMaxDepth) return false;
        closers[depth++] = c == '{' ? '}' : ']';
        ++at_;
      } else if (c == '"' ? !string(scratch) : !literal(scratch)) {
        return false;
      }
    } else if (take(',')) {
      value_due = true;
    } else if (take(closers[depth - 1])) {
      --depth;
    } else {
      return false;
    }
  } while (depth > 0);
  return true;
}

bool JsonReader::shallow(Value& value, Arena& arena, uint16_t tag) {
  std::string_view raw;
  switch (peek()) {
    case '"':
      if (!string(raw)) return false;
      value = Value::string(json_unescape(raw, arena));
      return true;
    case '{':
      if (!skip(raw)) return false;
      value = Value::json_object(raw, tag);
      return true;
    case '[':
      if (!skip(raw)) return false;
      value = Value::json_array(raw, tag);
      return true;
    default:
      if (!literal(raw)) return false;
      value = json_literal(raw);
      return true;
  }
}

}  // namespace millrace::expr
