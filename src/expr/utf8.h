// UTF-8 for the expression engine: strings are sequences of code points, with a fast path for ASCII. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::expr {

inline constexpr uint32_t kBadCodePoint = 0xFFFFFFFF;

// The code point at `at` and its length in bytes; kBadCodePoint with length 1 for a byte that is no UTF-8.
struct CodePoint {
  uint32_t value = 0;
  uint32_t length = 1;
};
CodePoint decode_utf8(std::string_view text, size_t at);

// Appends the code point (at most 0x10FFFF, no surrogate).
void append_utf8(uint32_t code_point, std::string& to);

bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);

// Number of code points of valid UTF-8.
size_t count_code_points(std::string_view text);

// The byte where code point number `index` begins; text.size() for the number of code points, npos beyond.
size_t byte_of_code_point(std::string_view text, size_t index);

}  // namespace millrace::expr
