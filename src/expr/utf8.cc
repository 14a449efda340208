#include "expr/utf8.h"

#include <cstring>

namespace millrace::expr {

CodePoint decode_utf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  if (first < 0x80) return {first, 1};
  uint32_t length = 0;
  uint32_t value = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
    value = first & 0x1FU;
  } else if ((first & 0xF0) == 0xE0) {
    length = 3;
    value = first & 0x0FU;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    value = first & 0x07U;
  } else {
    return {kBadCodePoint, 1};
  }
  if (at + length > text.size()) return {kBadCodePoint, 1};
  for (uint32_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {kBadCodePoint, 1};
    value = (value << 6) | (byte(at + i) & 0x3FU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {kBadCodePoint, 1};
  return {value, length};
}

void append_utf8(uint32_t code_point, std::string& to) {
  if (code_point < 0x80) {
    to += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    to += static_cast<char>(0xC0 | (code_point >> 6));
    to += static_cast<char>(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    to += static_cast<char>(0xE0 | (code_point >> 12));
    to += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    to += static_cast<char>(0x80 | (code_point & 0x3F));
  } else {
    to += static_cast<char>(0xF0 | (code_point >> 18));
    to += static_cast<char>(0x80 | ((code_point >> 12) & 0x3F));
    to += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    to += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

bool is_ascii(std::string_view text) {
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080ULL) != 0) return false;
  }
  for (; at < text.size(); ++at) {
    if ((static_cast<uint8_t>(text[at]) & 0x80) != 0) return false;
  }
  return true;
}

bool is_utf8(std::string_view text) {
  if (is_ascii(text)) return true;
  for (size_t at = 0; at < text.size();) {
    const CodePoint next = decode_utf8(text, at);
    if (next.value == kBadCodePoint) return false;
    at += next.length;
  }
  return true;
}

size_t count_code_points(std::string_view text) {
  if (is_ascii(text)) return text.size();
  size_t count = 0;
  for (const char c : text) {
    if ((static_cast<uint8_t>(c) & 0xC0) != 0x80) ++count;
  }
  return count;
}

size_t byte_of_code_point(std::string_view text, size_t index) {
  if (is_ascii(text)) return index <= text.size() ? index : std::string_view::npos;
  size_t seen = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) continue;
    if (seen == index) return at;
    ++seen;
  }
  return seen == index ? text.size() : std::string_view::npos;
}

}  // namespace millrace::expr
