// Random expressions and records that suit each other: the names of one occur in the other. From a seed; single thread.
#pragma once

#include <random>
#include <string>
#include <vector>

namespace millrace::test {

class ExprRandom {
 public:
  explicit ExprRandom(uint32_t seed) : random_(seed) {}

  // An expression of about this depth. Most evaluate, some to an error.
  std::string expression(int depth) {
    if (depth <= 0) return leaf();
    const auto sub = [&] { return expression(depth - 1); };
    switch (below(22)) {
      case 0:
      case 1:
        return "(" + sub() + pick({" && ", " || "}) + sub() + pick({" && ", " || "}) + sub() + ")";
      case 2:
      case 3:
        return "(" + sub() + pick({" == ", " != ", " < ", " <= ", " > ", " >= "}) + sub() + ")";
      case 4:
        return "(" + sub() + pick({" + ", " - ", " * ", " / ", " % "}) + sub() + ")";
      case 5:
        return "!(" + sub() + ")";
      case 6:
        return "-(" + sub() + ")";
      case 7:
        return "(" + sub() + " ? " + sub() + " : " + sub() + ")";
      case 8:
        return "(" + sub() + " in [" + sub() + ", " + sub() + ", 1, 'a']" + ")";
      case 9:
        return "(" + sub() + " in " + path() + ")";
      case 10:
        return path() + pick({".all(x, ", ".exists(x, ", ".exists_one(x, ", ".map(x, ", ".filter(x, "}) + loop(depth) +
               ")";
      case 11:
        return path() + pick({".all(i, v, ", ".exists(i, v, ", ".transformList(i, v, "}) + sub() + ")";
      case 12:
        return "has(value." + name() + "." + name() + ")";
      case 13:
        return "value.?" + name() + "." + name() + ".orValue(" + sub() + ")";
      case 14:
        return "size(" + sub() + ")";
      case 15:
        return path() + pick({".startsWith(", ".endsWith(", ".contains("}) + pick({"'a'", "''", "'b c'"}) + ")";
      case 16:
        return path() + ".matches(" + pick({"'^a'", "'b+'", "'[a-c]$'", "'x'"}) + ")";
      case 17:
        return "string(" + sub() + ")";
      case 18:
        return "[" + sub() + ", ?value.?" + name() + "]";
      case 19:
        return "{'a': " + sub() + ", 'b': " + sub() + "}." + name();
      case 20:
        return "default(value." + name() + ", " + sub() + ")";
      default:
        return "cel.bind(x, " + sub() + ", " + loop(depth) + ")";
    }
  }

  std::string record() { return object(3); }

 private:
  uint32_t below(uint32_t n) { return random_() % n; }
  std::string pick(const std::vector<std::string>& from) { return from[below(static_cast<uint32_t>(from.size()))]; }
  std::string name() { return pick({"a", "b", "c", "d"}); }
  std::string path() {
    std::string text = "value";
    for (uint32_t i = below(4); i > 0; --i) text += pick({"." + name(), "['" + name() + "']"});
    return text;
  }
  std::string loop(int depth) {
    return pick({"x == " + expression(depth - 1), "x", "x > 1 || " + expression(depth - 1)});
  }
  std::string leaf() {
    return pick({path(),
                 path(),
                 path(),
                 "1",
                 "2u",
                 "1.5",
                 "'a'",
                 "'b c'",
                 "true",
                 "false",
                 "null",
                 "[]",
                 "{}",
                 "b'a'",
                 "-9223372036854775808",
                 "18446744073709551615u",
                 "timestamp(0)",
                 "duration('1s')",
                 "0",
                 "int",
                 "optional.none()",
                 "value.?" + name()});
  }

  std::string object(int depth) {
    std::string text = "{";
    for (const char* key : {"a", "b", "c", "d"}) {
      if (below(4) == 0) continue;
      text += std::string(text.size() > 1 ? ", " : "") + "\"" + key + "\": " + json(depth - 1);
    }
    return text + "}";
  }
  std::string json(int depth) {
    if (depth > 0 && below(2) == 0) {
      if (below(2) == 0) return object(depth);
      std::string text = "[";
      for (uint32_t i = below(4); i > 0; --i) text += (text.size() > 1 ? "," : "") + json(depth - 1);
      return text + "]";
    }
    return pick({"1", "2", "0", "-1", "1.5", "1e2", "18446744073709551615", "\"a\"", "\"b c\"", "\"\"", "\"a\\u0062\"",
                 "true", "false", "null", "[]", "{}"});
  }

  std::mt19937 random_;
};

}  // namespace millrace::test
