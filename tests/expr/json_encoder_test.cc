#include <functional>
#include <map>
#include <random>

#include "base/text.h"
#include "expr/json_support.h"
#include "support/catch.h"

namespace millrace::expr {

namespace {

struct Change {
  FieldPath path;
  std::string json;  // empty: remove
};

struct Result {
  RejectReason reason = RejectReason::none;
  std::string text;
};

Result edit(const std::string& text, const std::vector<Change>& changes,
            DuplicateKeys duplicates = DuplicateKeys::last) {
  std::vector<FieldPath> paths;
  for (const Change& change : changes) paths.push_back(change.path);
  DecodeLimits limits;
  limits.duplicate_keys = duplicates;
  JsonFixture json({}, paths, limits);
  REQUIRE(json.decode(text) == RejectReason::none);
  std::vector<Edit> edits;
  for (const Change& change : changes) {
    edits.push_back({json.plan.slot_with_span(change.path), change.json.empty(), change.json});
  }
  const EncodeResult result = json.encoder->encode(json.record, edits, json.arena);
  return {result.reason, std::string(result.bytes)};
}

std::string edited(const std::string& text, const std::vector<Change>& changes,
                   DuplicateKeys duplicates = DuplicateKeys::last) {
  const Result result = edit(text, changes, duplicates);
  CHECK(result.reason == RejectReason::none);
  return result.text;
}

}  // namespace

TEST_CASE("A member is replaced where it stands") {
  CHECK(edited(R"({"a":1,"b":2})", {{{"a"}, "10"}}) == R"({"a":10,"b":2})");
  CHECK(edited(R"({"a":1,"b":2})", {{{"b"}, "\"x\""}}) == R"({"a":1,"b":"x"})");
  CHECK(edited("{ \"a\" :\t1.10 , \"b\":2 }\n", {{{"b"}, "3"}}) == "{ \"a\" :\t1.10 , \"b\":3 }\n");
  CHECK(edited(R"({"a":{"b":[1,2],"c":1}})", {{{"a", "b"}, "{}"}}) == R"({"a":{"b":{},"c":1}})");
  CHECK(edited(R"({"\u0061":1})", {{{"a"}, "2"}}) == R"({"\u0061":2})");
}

TEST_CASE("A new member goes behind the last one") {
  CHECK(edited(R"({"a":1})", {{{"b"}, "2"}}) == R"({"a":1,"b":2})");
  CHECK(edited("{}", {{{"b"}, "2"}}) == R"({"b":2})");
  CHECK(edited(" { } ", {{{"b"}, "2"}}) == R"( {"b":2 } )");
  CHECK(edited("{\n  \"a\": 1\n}\n", {{{"b"}, "2"}, {{"c"}, "3"}}) == "{\n  \"a\": 1,\"b\":2,\"c\":3\n}\n");
  CHECK(edited(R"({"a":1})", {{{"q\"\n\xC3\xA9"}, "2"}}) == "{\"a\":1,\"q\\\"\\n\xC3\xA9\":2}");
  CHECK(edited(R"({"u":{"n":1},"z":0})", {{{"u", "t"}, "2"}}) == R"({"u":{"n":1,"t":2},"z":0})");
  CHECK(edited(R"({"u":{},"z":0})", {{{"u", "t"}, "2"}}) == R"({"u":{"t":2},"z":0})");
}

TEST_CASE("New members of every length, alone and behind others") {
  for (size_t size = 1; size < 40; ++size) {
    const std::string name(size, 'n');
    const std::string digits(size, '7');
    CHECK(edited("{}", {{{name}, digits}}) == "{\"" + name + "\":" + digits + "}");
    CHECK(edited("{\"a\":1}", {{{name}, "0"}, {{"b"}, digits}}) == "{\"a\":1,\"" + name + "\":0,\"b\":" + digits + "}");
  }
}

TEST_CASE("Objects on the way are made when they are missing") {
  CHECK(edited("{}", {{{"a", "b", "c"}, "1"}}) == R"({"a":{"b":{"c":1}}})");
  CHECK(edited(R"({"x":0})", {{{"a", "b"}, "1"}, {{"y"}, "5"}, {{"a", "c"}, "2"}, {{"a", "d", "e"}, "3"}}) ==
        R"({"x":0,"a":{"b":1,"c":2,"d":{"e":3}},"y":5})");
  CHECK(edited(R"({"a":{"x":1}})", {{{"a", "b", "c"}, "1"}, {{"a", "b", "d"}, "2"}}) ==
        R"({"a":{"x":1,"b":{"c":1,"d":2}}})");
}

TEST_CASE("A member goes with its comma") {
  const std::string text = R"({"a":1, "b":[2] ,"c":3})";
  CHECK(edited(text, {{{"a"}, ""}}) == R"({"b":[2] ,"c":3})");
  CHECK(edited(text, {{{"b"}, ""}}) == R"({"a":1 ,"c":3})");
  CHECK(edited(text, {{{"c"}, ""}}) == R"({"a":1, "b":[2] })");
  CHECK(edited(text, {{{"a"}, ""}, {{"b"}, ""}}) == R"({"c":3})");
  CHECK(edited(text, {{{"b"}, ""}, {{"c"}, ""}}) == R"({"a":1 })");
  CHECK(edited(text, {{{"a"}, ""}, {{"c"}, ""}}) == R"({"b":[2] })");
  CHECK(edited(text, {{{"a"}, ""}, {{"b"}, ""}, {{"c"}, ""}}) == R"({})");
  CHECK(edited(text, {{{"c"}, ""}, {{"b"}, ""}, {{"a"}, ""}, {{"d"}, "4"}}) == R"({"d":4})");
  CHECK(edited(text, {{{"c"}, ""}, {{"d"}, "4"}}) == R"({"a":1, "b":[2] ,"d":4})");
  CHECK(edited(text, {{{"none"}, ""}}) == text);
  CHECK(edited(text, {{{"a", "none"}, ""}, {{"x", "y"}, ""}}) == text);
  CHECK(edited(R"({"u":{"a":1},"z":{"b":1,"c":2}})", {{{"u", "a"}, ""}, {{"z", "b"}, ""}}) ==
        R"({"u":{},"z":{"c":2}})");
  CHECK(edited("{ \"a\" : 1 }", {{{"a"}, ""}}) == "{  }");
}

TEST_CASE("Nothing old is left under a key that stands more than once") {
  const std::string text = R"({"a":1,"b":2,"\u0061":3,"c":{"a":4},"a":5})";
  CHECK(edited(text, {{{"a"}, "9"}}) == R"({"b":2,"c":{"a":4},"a":9})");
  CHECK(edited(text, {{{"a"}, "9"}}, DuplicateKeys::first) == R"({"a":9,"b":2,"c":{"a":4}})");
  CHECK(edited(text, {{{"a"}, ""}}) == R"({"b":2,"c":{"a":4}})");
  CHECK(edited(R"({"u":{"s":1},"u":{"s":2,"t":3}})", {{{"u", "s"}, "0"}}) == R"({"u":{"s":0,"t":3}})");
  CHECK(edited(R"({"u":{"s":1},"u":{"t":2}})", {{{"u", "s"}, ""}, {{"u", "t"}, ""}}) == R"({"u":{}})");
  CHECK(edited(R"({"a":1,"a":2})", {{{"a"}, ""}}) == "{}");
}

TEST_CASE("What is no object takes no members") {
  CHECK(edit("[1]", {{{"a"}, "1"}}).reason == RejectReason::not_an_object);
  CHECK(edit("5", {{{"a"}, "1"}}).reason == RejectReason::not_an_object);
  CHECK(edit(R"({"a":5})", {{{"a", "b"}, "1"}}).reason == RejectReason::not_an_object);
  CHECK(edit(R"({"a":null})", {{{"a", "b"}, "1"}}).reason == RejectReason::not_an_object);
  CHECK(edit(R"({"a":[{}]})", {{{"a", "b"}, "1"}}).reason == RejectReason::not_an_object);
}

namespace {

// A document as a model to edit: text of a leaf, or members.
struct Model {
  std::string leaf;
  std::map<std::string, Model> members;
  bool operator==(const Model&) const = default;
};

Model model_of(const Value& value, Arena& arena) {
  Model model;
  if (!value.is(Kind::map)) {
    model.leaf = json_of(value, arena);
    return model;
  }
  for (uint32_t i = 0; i < value.count(); ++i) {
    model.members[std::string(value.entries()[i].key.text())] = model_of(value.entries()[i].value, arena);
  }
  return model;
}

// False: something on the way is no object.
bool apply(Model& model, const Change& change, size_t level, Arena& arena) {
  if (!model.leaf.empty()) return change.json.empty();
  const std::string& name = change.path[level];
  if (level + 1 == change.path.size()) {
    if (change.json.empty()) {
      model.members.erase(name);
    } else {
      model.members[name] = model_of(from_json(change.json, arena), arena);
    }
    return true;
  }
  if (change.json.empty() && model.members.count(name) == 0) return true;
  return apply(model.members[name], change, level + 1, arena);
}

bool overlap(const FieldPath& a, const FieldPath& b) {
  const size_t common = std::min(a.size(), b.size());
  return std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(common), b.begin());
}

std::string text_at(JsonFixture& json, const FieldPath& path) {
  const FieldSpan span = json.span(path);
  if (!span.present()) return "";
  return std::string(json.record.text.substr(span.key_begin, span.value_end - span.key_begin));
}

}  // namespace

TEST_CASE("Splicing is editing: the whole document says the same, untouched members stay byte by byte") {
  std::mt19937_64 random(7);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  const std::vector<std::string> spaces = {"", "", "", " ", "\n\t"};
  const auto space = [&] { return spaces[below(spaces.size())]; };
  const std::vector<std::string> leaves = {"1", "1.10", "\"x\"", R"("\u0041\"")", "[1, {\"a\":2}]", "null", "true"};
  const bool repeat = GENERATE(false, true);
  const std::function<std::string(int)> document = [&](int depth) {
    std::string text = "{" + space();
    bool first = true;
    for (const std::string& name : names) {
      for (size_t copies = below(repeat ? 3 : 2); copies > 0; --copies) {
        if (!first) text += "," + space();
        first = false;
        text += '"' + (below(10) == 0 && name == "a" ? R"(\u0061)" : name) + '"' + space() + ':' + space();
        text += (depth < 2 && below(2) == 0 ? document(depth + 1) : leaves[below(leaves.size())]) + space();
      }
    }
    return text + "}";
  };
  std::vector<FieldPath> all;
  for (const auto& one : names) {
    all.push_back({one});
    for (const auto& two : names) {
      all.push_back({one, two});
      for (const auto& three : names) all.push_back({one, two, three});
    }
  }
  JsonFixture json({}, all);
  JsonFixture again({}, all);
  size_t refused = 0;
  for (int round = 0; round < 2000; ++round) {
    json.forget();
    again.forget();
    const std::string text = space() + document(0) + space();
    std::vector<Change> changes;
    for (size_t count = 1 + below(4); count > 0; --count) {
      const FieldPath& path = all[below(all.size())];
      const auto clash = [&](const Change& other) { return overlap(other.path, path); };
      if (std::any_of(changes.begin(), changes.end(), clash)) continue;
      changes.push_back({path, below(3) == 0 ? "" : leaves[below(leaves.size())]});
    }
    REQUIRE(json.decode(text) == RejectReason::none);
    Model expected = model_of(from_json(text, json.arena), json.arena);
    bool possible = true;
    std::vector<Edit> edits;
    for (const Change& change : changes) {
      possible = apply(expected, change, 0, json.arena) && possible;
      edits.push_back({json.plan.slot_with_span(change.path), change.json.empty(), change.json});
    }
    const EncodeResult result = json.encoder->encode(json.record, edits, json.arena);
    INFO(text << "\n" << result.bytes);
    for (const Change& change : changes) INFO(quoted_list(change.path) << " = " << change.json);
    if (!possible) {
      ++refused;
      CHECK(result.reason == RejectReason::not_an_object);
      continue;
    }
    REQUIRE(result.reason == RejectReason::none);
    REQUIRE(model_of(from_json(result.bytes, json.arena), json.arena) == expected);
    REQUIRE(again.decode(result.bytes) == RejectReason::none);
    size_t touched = 0;
    for (const FieldPath& path : all) {
      const auto clash = [&](const Change& other) { return overlap(other.path, path); };
      if (std::any_of(changes.begin(), changes.end(), clash)) continue;
      touched += text_at(again, path) == text_at(json, path) ? 0 : 1;
    }
    REQUIRE(touched == 0);
  }
  CHECK(refused > 100);
  CHECK(refused < 1700);
}

}  // namespace millrace::expr
