#include "expr/json_shapes.h"

#include <random>

#include "base/text.h"
#include "expr/json_corpus.h"
#include "expr/json_support.h"
#include "expr/json_text.h"
#include "support/catch.h"
#include "support/decoder_differential.h"

namespace millrace::expr {

namespace {

// The places of simdjson's first stage, found slowly. For texts that are valid JSON.
std::vector<uint32_t> places_of(std::string_view text) {
  std::vector<uint32_t> places;
  for (uint32_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_json_space(c)) continue;
    places.push_back(i);
    if (c == '"') {
      while (text[++i] != '"') i += text[i] == '\\' ? 1 : 0;
    } else if (std::string_view("{}[]:,").find(c) == std::string_view::npos) {
      while (i + 1 < text.size() && std::string_view("{}[]:, \n").find(text[i + 1]) == std::string_view::npos) ++i;
    }
  }
  return places;
}

bool known(JsonShapes& shapes, std::string_view text) {
  const std::vector<uint32_t> places = places_of(text);
  return shapes.match(text, places.data(), static_cast<uint32_t>(places.size())) != nullptr;
}

void learn(JsonShapes& shapes, std::string_view text) {
  const std::vector<uint32_t> places = places_of(text);
  shapes.learn(text, places.data(), static_cast<uint32_t>(places.size()), {});
}

// A record in which every kind of value, nesting and white space occurs, by chance.
std::string made_record(std::mt19937& random, int depth) {
  const auto below = [&](uint32_t n) { return random() % n; };
  static const std::vector<std::string> kScalars = {"0",    "-1",   "12.5", "1e5",           "true",
                                                    "null", "7890", "0.25", "1234567890123", "12345678901234567890"};
  static const std::vector<std::string> kTexts = {
      "\"\"", "\"x\"", "\"\\\"\"", "\"long text, with {brackets} and :\"", "\"\\\\\"", "\"\xC3\xA4\""};
  static const std::vector<std::string> kNames = {"a", "b", "c", "d", "a longer name than sixteen bytes", "e\\u0066"};
  const std::string space = below(4) == 0 ? " " : "";
  std::string text;
  const bool object = depth == 0 || below(3) > 0;
  text += object ? "{" : "[";
  const uint32_t members = below(5);
  for (uint32_t i = 0; i < members; ++i) {
    if (i > 0) text += space + "," + space;
    if (object) text += "\"" + kNames[below(kNames.size())] + "\"" + space + ":" + space;
    const uint32_t kind = below(depth < 3 ? 3 : 2);
    if (kind == 0) text += kScalars[below(kScalars.size())];
    if (kind == 1) text += kTexts[below(kTexts.size())];
    if (kind == 2) text += made_record(random, depth + 1);
  }
  return text + space + (object ? "}" : "]");
}

std::string damaged(std::string text, std::mt19937& random) {
  static const std::string kBytes = "{}[]:,\"\\ 01.-eatfn\n\x01\xC3";
  for (uint32_t changes = 1 + random() % 2; changes > 0 && !text.empty(); --changes) {
    const size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = kBytes[random() % kBytes.size()];
        break;
      case 1:
        text.insert(at, 1, kBytes[random() % kBytes.size()]);
        break;
      case 2:
        text.erase(at, 1 + random() % 3);
        break;
      default:
        text.insert(at, text.substr(random() % text.size(), random() % 12));
    }
  }
  return text;
}

}  // namespace

TEST_CASE("A record of a learned shape is known, whatever its values") {
  JsonShapes shapes;
  const std::string padding(60, 'p');
  const std::string learned = R"({"name":"x","n":1,"in":{"list":[1,"y",{}],"w":null},"p":")" + padding + "\"}";
  CHECK(!known(shapes, learned));
  learn(shapes, learned);
  CHECK(known(shapes, learned));
  CHECK(known(shapes, R"({"name":"","n":-12.75,"in":{"list":[1e9,"\"","x":{}],"w":false},"p":""})") == false);
  CHECK(known(shapes, R"({"name":"","n":-12.75,"in":{"list":[1e9,"\"",{}],"w":false},"p":""})"));
  CHECK(known(shapes, R"({"name":"]","n":0,"in":{"list":[12345678901234567890123,"",{}],"w":7},"p":"}"})"));
  // Another name, another kind, another order, another depth.
  CHECK(!known(shapes, R"({"nama":"x","n":1,"in":{"list":[1,"y",{}],"w":null},"p":""})"));
  CHECK(!known(shapes, R"({"name":1,"n":1,"in":{"list":[1,"y",{}],"w":null},"p":""})"));
  CHECK(!known(shapes, R"({"n":1,"name":"x","in":{"list":[1,"y",{}],"w":null},"p":""})"));
  CHECK(!known(shapes, R"({"name":"x","n":1,"in":{"list":[1,"y",[]],"w":null},"p":""})"));
  CHECK(!known(shapes, R"({"name":"x","n":1,"in":{"list":[1,"y",{}],"w":null},"p":""} )"));
}

TEST_CASE("Shapes that begin alike are kept apart") {
  JsonShapes shapes;
  const std::vector<std::string> records = {R"({"a":1,"b":2})",  R"({"a":"1","b":2})", R"({"a":null,"b":"2"})",
                                            R"({"a":{},"b":2})", R"({"a":[],"b":2})",  R"({"a":[1],"b":2})",
                                            R"({"a":1})"};
  for (const std::string& record : records) {
    CHECK(!known(shapes, record));
    learn(shapes, record);
    for (const std::string& other : records) {
      if (&other > &record) continue;
      INFO(other);
      CHECK(known(shapes, other));
    }
  }
}

// Each text lies in memory of just its size, so that the address sanitizer sees a look beyond it.
TEST_CASE("Every byte of a literal is compared, however long it is, and none behind the text is read") {
  FieldPlan plan;
  plan.slot({"b"});
  for (const size_t name : {1, 8, 9, 12, 13, 14, 23, 24, 25, 27, 28, 29, 30, 31, 32, 40, 41, 60, 100}) {
    const std::string learned = R"({"a":"x",")" + std::string(name, 'n') + R"(":1,"b":"y","in":{"c":[)" + "]}}";
    JsonShapes shapes;
    learn(shapes, learned);
    CHECK(known(shapes, ExactBytes(learned).view()));
    const size_t begin = learned.find('n');
    for (size_t at = begin; at < begin + name; ++at) {
      std::string other = learned;
      other[at] = 'm';
      CHECK(!known(shapes, ExactBytes(other).view()));
    }
    // Whatever is left of the record when some of it is gone: from its end, and from within.
    for (size_t size = 1; size < learned.size(); ++size) {
      const std::string difference =
          test::learned_differs(learned, ExactBytes(learned.substr(0, size)).view(), plan, {});
      REQUIRE(difference.empty());
      for (const size_t from : {size_t{1}, begin, begin + name / 2, learned.find("\"b\"")}) {
        if (from + size > learned.size()) continue;
        std::string shorter = learned;
        shorter.erase(from, size);
        const std::string differs = test::learned_differs(learned, ExactBytes(shorter).view(), plan, {});
        INFO(differs);
        REQUIRE(differs.empty());
      }
    }
  }
}

TEST_CASE("Learning rests where no two records are alike, and begins again") {
  JsonShapes shapes;
  int learned = 0;
  int rested = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string record = "{\"a" + std::to_string(i) + "\":1}";
    CHECK(!known(shapes, record));
    shapes.learning() ? ++learned : ++rested;
    if (shapes.learning()) learn(shapes, record);
  }
  CHECK(learned < 700);
  CHECK(rested > 2000);
  for (int i = 0; i < 3000 && !shapes.learning(); ++i) known(shapes, "{}");
  REQUIRE(shapes.learning());
  learn(shapes, R"({"a":1})");
  CHECK(known(shapes, R"({"a":2})"));
}

TEST_CASE("What is learned is bounded") {
  JsonShapes shapes;
  std::string wide = "[0";
  for (int i = 0; i < 5000; ++i) wide += ",0";
  learn(shapes, wide + "]");
  CHECK(!known(shapes, wide + "]"));
  const std::string long_name = "{\"" + std::string(200'000, 'n') + "\":1}";
  learn(shapes, long_name);
  CHECK(!known(shapes, long_name));
}

TEST_CASE("A decoder says the same of a record, whatever it has read before") {
  std::mt19937 random(20);
  FieldPlan plan;
  plan.slot({"a"});
  plan.slot({"b", "c"});
  plan.slot({"d"});
  plan.slot_with_span({"b"});
  plan.slot_with_span({"ef"});
  for (const DuplicateKeys keys : {DuplicateKeys::first, DuplicateKeys::last, DuplicateKeys::reject}) {
    DecodeLimits limits;
    limits.duplicate_keys = keys;
    limits.max_json_depth = 5;
    for (int i = 0; i < 1200; ++i) {
      const std::string before = made_record(random, 0);
      const ExactBytes json(i % 4 == 0 ? before : damaged(before, random));
      const std::string difference = test::learned_differs(before, json.view(), plan, limits);
      INFO(escape_for_log(difference, 2000));
      REQUIRE(difference.empty());
    }
  }
  for (const NastyRecord& nasty : nasty_records()) {
    for (const NastyRecord& before : nasty_records()) {
      const std::string difference = test::learned_differs(before.text, nasty.text, plan, {});
      INFO(escape_for_log(difference, 2000));
      REQUIRE(difference.empty());
    }
  }
}

}  // namespace millrace::expr
