// FlatTest: a test of a field against constants as data instead of as a node, so that && and || of such tests, which is
// what most filters are, run without a call for each. Any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "expr/program.h"
#include "expr/value.h"

namespace millrace::expr {

struct FlatTest {
  enum class Is : uint8_t {
    other,    // not one of these: the node decides
    integer,  // low <= field <= low + width
    boolean,  // the field is true
    text,     // the field is one of `texts`
  };
  Is is = Is::other;
  bool wanted = true;  // whether the test holds when that is so, or when it is not so
  uint16_t slot = 0;
  int64_t low = 0;
  uint64_t width = 0;
  std::span<const Value> texts;  // strings; in the node that the test is of
};

// Whether `value` is the string `wanted`. Short text is compared without a call.
inline bool is_text(const Value& value, std::string_view wanted) {
  const size_t size = wanted.size();
  if (!value.is(Kind::string) || value.count() != size) return false;
  const char* const text = value.text().data();
  const auto differ = [&](size_t at, auto bits) {
    auto other = bits;
    std::memcpy(&bits, text + at, sizeof bits);
    std::memcpy(&other, wanted.data() + at, sizeof bits);
    return bits != other;
  };
  if (size > 16 || size < 4) return std::memcmp(text, wanted.data(), size) == 0;
  if (size >= 8) return !differ(0, uint64_t{}) && !differ(size - 8, uint64_t{});
  return !differ(0, uint32_t{}) && !differ(size - 4, uint32_t{});
}

// Truth::error: the field is absent, or of a type for which the node has to decide.
inline Truth decide(const FlatTest& test, const Value& value) {
  bool holds = false;
  switch (test.is) {
    case FlatTest::Is::integer:
      if (!value.is(Kind::integer)) return Truth::error;
      holds = value.as_uint() - static_cast<uint64_t>(test.low) <= test.width;
      break;
    case FlatTest::Is::boolean:
      if (!value.is(Kind::boolean)) return Truth::error;
      holds = value.as_bool();
      break;
    case FlatTest::Is::text:
      if (value.is_absent()) return Truth::error;
      for (const Value& text : test.texts) holds = holds || is_text(value, text.text());
      break;
    case FlatTest::Is::other:
      return Truth::error;
  }
  return holds == test.wanted ? Truth::yes : Truth::no;
}

}  // namespace millrace::expr
