// Records that are hard to read, and what is right about each. RFC 8259 decides; where it leaves a choice, the note
// says which one was made.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::expr {

struct NastyRecord {
  std::string text;
  bool valid = false;
};

inline std::string nested(size_t depth, std::string_view open, std::string_view close, std::string_view inside) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += open;
  text += inside;
  for (size_t i = 0; i < depth; ++i) text += close;
  return text;
}

inline std::vector<NastyRecord> nasty_values() {
  using namespace std::string_literals;
  return {
      // Nothing, or nothing of JSON.
      {"", false},
      {" ", false},
      {"\n\t\r ", false},
      {"\0"s, false},
      {"\0\0\0\0\0\1"s, false},
      {"\xEF\xBB\xBF{\"a\":1}", false},
      {"\xFE\xFF\0{"s, false},
      {"{'a':1}", false},
      {"{a:1}", false},
      {"hello", false},
      {"<a/>", false},
      {"a,b\n1,2", false},
      // Scalars and arrays are documents.
      {"1", true},
      {" 1 ", true},
      {"-0", true},
      {"\"a\"", true},
      {"null", true},
      {"true", true},
      {"[]", true},
      {"[1,2]", true},
      {"nul", false},
      {"nulll", false},
      {"TRUE", false},
      {"NaN", false},
      {"Infinity", false},
      {"-", false},
      {"\"a", false},
      {"\"", false},
      {"\"a\"b", false},
      {"\"a\"\"b\"", false},
      {"1 2", false},
      // Objects.
      {"{}", true},
      {" { } ", true},
      {"{\"a\":1}", true},
      {"{\"a\":1}\n", true},
      {"\r\n{\"a\" : 1 , \"b\" :2}", true},
      {"{\"\":1}", true},
      {"{\"a\":1,}", false},
      {"{,\"a\":1}", false},
      {"{\"a\":1,,\"b\":2}", false},
      {"{\"a\":1 \"b\":2}", false},
      {"{\"a\":1\"b\":2}", false},
      {"{\"a\" 1}", false},
      {"{\"a\"}", false},
      {"{\"a\":}", false},
      {"{:1}", false},
      {"{\"a\"::1}", false},
      {"{\"a\":1:2}", false},
      {"{1:1}", false},
      {"{null:1}", false},
      {"{[]:1}", false},
      {"{\"a\":1", false},
      {"{\"a\":1]", false},
      {"{\"a\":[1}", false},
      {"{\"a\":{\"b\":1}", false},
      {"{\"a\":{\"b\":1}}}", false},
      {"{\"a\":{\"b\":{\"c\":{}", false},
      {"{\"a\":1}{\"a\":2}", false},
      {"{\"a\":1}\n{\"a\":2}", false},
      {"{\"a\":1} x", false},
      {"{\"a\":1},", false},
      {"{", false},
      {"}", false},
      {"{}}", false},
      {"{{}}", false},
      {"{\"a\":1/*c*/}", false},
      {"{\"a\":1}//c", false},
      {"{\"a\":tru x}", false},
      {"{\"a\":true false}", false},
      {"{\"a\":truefalse}", false},
      {"{\"a\":nul}", false},
      {"{\"a\":falsy}", false},
      {"{\"a\":fals}", false},
      {"{\"a\":undefined}", false},
      {"{\"a\f:1}", false},
      {"{\"a\":\f1}", false},
      {"{\"a\"\x1A"
       "1}",
       false},
      {"{\"a\":1\f\"b\":2}", false},
      {"{\"a\":\xC2\xA0"
       "1}",
       false},  // a no-break space is none
      // Arrays.
      {"{\"a\":[1,2,]}", false},
      {"{\"a\":[,1]}", false},
      {"{\"a\":[1 2]}", false},
      {"{\"a\":[1:2]}", false},
      {"{\"a\":[\"b\":2]}", false},
      {"{\"a\":[\"b\",\"c\":2]}", false},
      {"{\"a\":[1,2}}", false},
      {"{\"a\":[[],{},[{}]]}", true},
      {"[\"a\",{\"b\":1}", false},
      {"[\"a\"}", false},
      {"[", false},
      {"]", false},
      {"[]]", false},
      // Numbers.
      {"{\"a\":0}", true},
      {"{\"a\":-0.0e-0}", true},
      {"{\"a\":1E+2}", true},
      {"{\"a\":123456789.0123456789}", true},
      {"{\"a\":18446744073709551616}", true},  // beyond uint64: a double
      {"{\"a\":1e400}", true},                 // beyond a double: infinity
      {"{\"a\":01}", false},
      {"{\"a\":-01}", false},
      {"{\"a\":+1}", false},
      {"{\"a\":.5}", false},
      {"{\"a\":5.}", false},
      {"{\"a\":5.e1}", false},
      {"{\"a\":1.2.3}", false},
      {"{\"a\":1e}", false},
      {"{\"a\":1e+}", false},
      {"{\"a\":1ee1}", false},
      {"{\"a\":--1}", false},
      {"{\"a\":0x10}", false},
      {"{\"a\":1_000}", false},
      {"{\"a\":12a}", false},
      {"{\"a\":1\"x\"}", false},
      {"{\"a\":12345678x}", false},
      {"{\"a\":\xD9\xA1}", false},  // an Arabic digit
  };
}

inline std::vector<NastyRecord> nasty_texts() {
  using namespace std::string_literals;
  return {
      // Strings.
      {R"({"a":"\u0041\n\"\\\/"})", true},
      {R"({"a":"\x41"})", false},
      {R"({"a":"\u12"})", false},
      {R"({"a":"\u12G4"})", false},
      {R"({"a":"\'"})", false},
      {R"({"a":"\)", false},
      {R"({"a":"\"})", false},
      {R"({"a":\"b\"})", false},
      {R"({"\q":1})", false},
      {R"({"a":"\ud83d\ude00"})", true},
      {R"({"a":"\ud83d"})", true},  // half of a pair: left as it is, reads as U+FFFD
      {R"({"a":"\ude00\ud83d"})", true},
      {R"({"a":"\u0000"})", true},
      {"{\"a\":\"\n\"}", false},
      {"{\"a\":\"\t\"}", false},
      {"{\"a\":\"\0\"}"s, false},
      {"{\"a\":\"\x7F\"}", true},
      {"{\"a\":\"\xE2\x80\xA8\"}", true},
      // UTF-8.
      {"{\"a\":\"\xF0\x9F\x98\x80\"}", true},
      {"{\"a\":\"\xFF\"}", false},
      {"{\"a\":\"\xC0\x80\"}", false},          // an overlong NUL
      {"{\"a\":\"\xED\xA0\x80\"}", false},      // a surrogate
      {"{\"a\":\"\xF4\x90\x80\x80\"}", false},  // beyond 10FFFF
      {"{\"a\":\"\xE2\x82\"}", false},          // cut
      {"{\"a\":\"\xE2\x82", false},
      {"{\"a\":\"\xF0\x9F\x98", false},
      {"{\"\xFF\":1}", false},
      // Depth.
      {nested(64, "[", "]", ""), true},
      {nested(64, "{\"a\":", "}", "1"), true},
      {nested(63, "{\"a\":", "}", "{}"), true},
      {nested(32, "{\"x\":[", "]}", "1"), true},
  };
}

inline std::vector<NastyRecord> nasty_records() {
  std::vector<NastyRecord> all = nasty_values();
  for (NastyRecord& each : nasty_texts()) all.push_back(std::move(each));
  return all;
}

}  // namespace millrace::expr
