// Pieces of JSON text: scalars, escapes, and a reader that goes character by character. The decoder finds the places
// with simdjson; everything that is small or rare (json.parse, one level of an unread object, edits) is read here.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "expr/decoder.h"
#include "expr/value.h"

namespace millrace::expr {

inline bool is_json_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// A number of RFC 8259's grammar and nothing else.
bool is_json_number(std::string_view token);

// The value of a token that is_json_number holds for: int64, else uint64, else double. A number beyond the range of a
// double is an infinity: the record stays readable, and only writing that value is an error.
Value json_number(std::string_view token);

// `true`, `false`, `null` or a number; Kind::absent when the token is none of them.
Value json_literal(std::string_view token);

// Are all escapes well formed? `text` may be a whole document: backslashes stand in strings only, or the document is
// broken anyway. Gives the offset of the first bad one, or npos.
size_t find_bad_escape(std::string_view text);

// The inside of a string without its escapes, in the arena (or the view itself when there are none). Half of a
// surrogate pair alone becomes U+FFFD: producers that cut text in the middle of one are common.
std::string_view json_unescape(std::string_view raw, Arena& arena);

// The same onto the end of a std::string.
void json_unescape(std::string_view raw, std::string& onto);

// Reads from left to right; never past the end of the text. Every function gives false at broken text.
class JsonReader {
 public:
  static constexpr uint32_t kMaxDepth = 256;

  explicit JsonReader(std::string_view text) : text_(text) {}

  void skip_space() {
    while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
  }
  // The next character that is no white space; '\0' at the end.
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  // A string, at its quote; `raw` is what stands between the quotes.
  bool string(std::string_view& raw);
  // A whole value of any kind, checked; `raw` is its text.
  bool skip(std::string_view& raw);
  // A whole value; arrays and objects stay unread, and objects carry `tag` (see Value::json_object).
  bool shallow(Value& value, Arena& arena, uint16_t tag);

  [[nodiscard]] size_t at() const { return at_; }
  [[nodiscard]] bool done() {
    skip_space();
    return at_ == text_.size();
  }

 private:
  bool literal(std::string_view& token);
  bool skip_container();

  std::string_view text_;
  size_t at_ = 0;
};

// The tag of Value::json_object: which of two equal keys counts when the object is expanded.
inline constexpr uint16_t kLastKeyWins = 0;
inline constexpr uint16_t kFirstKeyWins = 1;

}  // namespace millrace::expr
