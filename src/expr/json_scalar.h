// Checks of numbers and words of JSON where they stand in a record, a word of the machine at a time.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "expr/json_text.h"

namespace millrace::expr {

inline uint64_t load8(const char* from) {
  uint64_t word = 0;
  std::memcpy(&word, from, 8);
  return word;
}

inline uint32_t load4(const char* from) {
  uint32_t word = 0;
  std::memcpy(&word, from, 4);
  return word;
}

inline uint32_t load2(const char* from) {
  uint16_t word = 0;
  std::memcpy(&word, from, 2);
  return word;
}

// Four characters as load4() would find them.
constexpr uint32_t four(char a, char b, char c, char d) {
  return static_cast<uint32_t>(a) | static_cast<uint32_t>(b) << 8 | static_cast<uint32_t>(c) << 16 |
         static_cast<uint32_t>(d) << 24;
}

// Where the token at `begin` ends when the next structural character stands at `next`.
inline uint32_t json_token_end(const char* text, uint32_t begin, uint32_t next) {
  uint32_t end = next;
  while (static_cast<unsigned char>(text[end - 1]) <= ' ' && end > begin + 1 && is_json_space(text[end - 1])) --end;
  return end;
}

// A bit for each of sixteen bytes: whether those at `a` equal those at `b`, and those at `c` those at `d`. `b` and `d`
// are aligned to sixteen bytes.
inline uint32_t equal16_twice(const char* a, const char* b, const char* c, const char* d) {
#ifdef __SSE2__
  const auto loose = [](const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  const auto aligned = [](const char* from) { return _mm_load_si128(reinterpret_cast<const __m128i*>(from)); };
  const __m128i both = _mm_and_si128(_mm_cmpeq_epi8(loose(a), aligned(b)), _mm_cmpeq_epi8(loose(c), aligned(d)));
  return static_cast<uint32_t>(_mm_movemask_epi8(both));
#else
  uint32_t equal = 0;
  for (uint32_t i = 0; i < 16; ++i) equal |= static_cast<uint32_t>(a[i] == b[i] && c[i] == d[i]) << i;
  return equal;
#endif
}

// A bit for each of sixteen bytes: whether it is a decimal digit.
inline uint32_t digits16(const char* from) {
#ifdef __SSE2__
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  const __m128i above_zero = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
  const __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(above_zero, _mm_set1_epi8(9)), above_zero);
  return static_cast<uint32_t>(_mm_movemask_epi8(digits));
#else
  uint32_t digits = 0;
  for (uint32_t i = 0; i < 16; ++i) digits |= static_cast<uint32_t>(from[i] >= '0' && from[i] <= '9') << i;
  return digits;
#endif
}

// Whether `length` bytes at `token` are a number of at most sixteen digits, with a sign or none and a point or none:
// what nearly all numbers are. False says nothing. Seventeen bytes at `token` may be read.
inline bool is_plain_number(const char* token, size_t length) {
  const size_t sign = *token == '-' ? 1 : 0;  // no branch: which sign comes is not to be foreseen
  const char* const first = token + sign;
  const size_t count = length - sign;
  const uint32_t others = ~digits16(first);
  const auto whole = static_cast<size_t>(__builtin_ctz(others));  // digits in a row
  const bool leading_zero = (int{*first == '0'} & int{whole > 1}) != 0;
  if (whole == count) return (int{whole > 0} & int{!leading_zero}) != 0;
  const auto all = static_cast<size_t>(__builtin_ctz(others & (others - 1)));  // and to the second that is no digit
  return whole > 0 && whole < 15 && first[whole] == '.' && all == count && all > whole + 1 && !leading_zero;
}

// Whether it is true, false or null. No branch for each of them, because which one comes is not to be foreseen.
inline bool is_json_word(const char* token, size_t length) {
  if (length < 4) return false;
  const uint32_t word = load4(token);
  const int four_long = int{word == four('t', 'r', 'u', 'e')} | int{word == four('n', 'u', 'l', 'l')};
  const int five_long = int{word == four('f', 'a', 'l', 's')} & int{token[length - 1] == 'e'};
  return ((four_long & int{length == 4}) | (five_long & int{length == 5})) != 0;
}

// Whether `length` bytes (0 or more) at `token` are a number, true, false or null. `room`: how many bytes may be read
// from `token` on, at least `length`.
inline bool is_json_scalar(const char* token, size_t length, size_t room) {
  if (length == 0) return false;
  if (*token >= 'a') return is_json_word(token, length);
  return (room >= 17 && is_plain_number(token, length)) || is_json_number({token, length});
}

}  // namespace millrace::expr
