#include <cmath>
#include <functional>
#include <random>

#include "base/text.h"
#include "expr/json_corpus.h"
#include "expr/json_support.h"
#include "support/catch.h"

namespace millrace::expr {

namespace {

RejectReason reason_of(std::string_view text, const DecodeLimits& limits = {}) {
  JsonFixture json({{"a"}}, {}, limits);
  return json.decode(text);
}

}  // namespace

TEST_CASE("A record is JSON or not, whatever is read of it") {
  const std::vector<std::vector<FieldPath>> plans = {
      {}, {{}}, {{"a"}}, {{"a", "b", "c"}}, {{"b"}, {"a", "b"}, {"x"}}, {{"a", "a", "a", "a"}, {"x", "x"}}};
  CHECK(nasty_records().size() >= 60);
  for (const NastyRecord& nasty : nasty_records()) {
    INFO(escape_for_log(nasty.text, 200));
    for (const auto& paths : plans) {
      JsonFixture read(paths);
      CHECK((read.decode(nasty.text) == RejectReason::none) == nasty.valid);
      JsonFixture spans({}, paths);
      if (!(paths.size() == 1 && paths[0].empty())) {
        CHECK((spans.decode(nasty.text) == RejectReason::none) == nasty.valid);
      }
      if (!nasty.valid) {
        CHECK(read.last.reason == RejectReason::not_decodable);
        CHECK(!read.last.detail.empty());
      }
    }
    Arena arena;
    CHECK(from_json(nasty.text, arena).is_error() == !nasty.valid);
  }
}

TEST_CASE("Damage in a part that nobody reads is damage") {
  JsonFixture json({{"a"}});
  const std::string before = R"({"a":1,"other":{"deep":[1,2,{"x":)";
  const std::string behind = R"(}]},"z":"end of the record, far enough away"})";
  CHECK(json.decode(before + "true" + behind) == RejectReason::none);
  for (const char* broken : {"tru", "01", "\"\\q\"", "1 2", "[1,]", "{,}", "{\"a\"}", "]", "}", "NaN", "", "\xFF"}) {
    INFO(broken);
    CHECK(json.decode(before + broken + behind) == RejectReason::not_decodable);
    CHECK(json.field({"a"}).is_absent());
  }
}

TEST_CASE("Numbers are ints, else unsigned, else doubles") {
  JsonFixture json({{"a"}});
  const auto read = [&](const std::string& token) {
    REQUIRE(json.decode("{\"a\":" + token + "}") == RejectReason::none);
    return json.field({"a"});
  };
  CHECK(read("0").as_int() == 0);
  CHECK(read("-0").is(Kind::integer));
  CHECK(read("42").as_int() == 42);
  CHECK(read("-17").as_int() == -17);
  CHECK(read("123456789012345678").as_int() == 123456789012345678);
  CHECK(read("9223372036854775807").as_int() == INT64_MAX);
  CHECK(read("-9223372036854775808").as_int() == INT64_MIN);
  CHECK(read("9223372036854775808").is(Kind::uinteger));
  CHECK(read("18446744073709551615").as_uint() == UINT64_MAX);
  CHECK(read("18446744073709551616").as_double() == 18446744073709551616.0);
  CHECK(read("-9223372036854775809").as_double() == -9223372036854775808.0);
  CHECK(read("1.0").as_double() == 1.0);
  CHECK(read("-0.0").is(Kind::floating));
  CHECK(std::signbit(read("-0.0").as_double()));
  CHECK(read("1e2").as_double() == 100.0);
  CHECK(read("0.1").as_double() == 0.1);
  CHECK(read("2.2250738585072011e-308").as_double() == 2.2250738585072011e-308);
  CHECK(std::isinf(read("1e400").as_double()));
  CHECK(read("-1e400").as_double() < 0);
  CHECK(read("1e-400").as_double() == 0.0);
}

TEST_CASE("Strings are views into the record, or unescaped in the arena") {
  JsonFixture json({{"a"}, {"b"}});
  REQUIRE(json.decode(R"({"a":"plain","b":"with \"escapes\": \u00e9\ud83d\ude00\t\/"})") == RejectReason::none);
  const std::string_view plain = json.field({"a"}).text();
  CHECK(plain == "plain");
  CHECK(plain.data() >= json.record.text.data());
  CHECK(plain.data() < json.record.text.data() + json.record.text.size());
  CHECK(json.field({"b"}).text() == "with \"escapes\": \xC3\xA9\xF0\x9F\x98\x80\t/");
  REQUIRE(json.decode(R"({"a":"\ud83dx\ude00\ud83d\ud83d\ude00"})") == RejectReason::none);
  CHECK(json.field({"a"}).text() == "\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80");
  REQUIRE(json.decode(R"({"a":"","b":"\u0000"})") == RejectReason::none);
  CHECK(json.field({"a"}).text().empty());
  CHECK(json.field({"b"}).text() == std::string_view("\0", 1));
}

TEST_CASE("Members are found at every depth, absent ones are absent") {
  JsonFixture json({{"a"}, {"a", "b"}, {"a", "b", "c"}, {"list"}, {"none"}, {"a", "none"}, {"t"}, {"f"}, {"n"}});
  REQUIRE(json.decode(R"( {"x":{"a":0}, "a" : {"b":{"c":7} ,"z":[]},"list":[ 1 ],"t":true,"f":false,"n":null} )") ==
          RejectReason::none);
  CHECK(json.field({"a"}).is(Kind::json_object));
  CHECK(json.field({"a"}).text() == R"({"b":{"c":7} ,"z":[]})");
  CHECK(json.field({"a", "b"}).text() == R"({"c":7})");
  CHECK(json.field({"a", "b", "c"}).as_int() == 7);
  CHECK(json.field({"list"}).is(Kind::json_array));
  CHECK(json.field({"list"}).text() == "[ 1 ]");
  CHECK(json.field({"none"}).is_absent());
  CHECK(json.field({"a", "none"}).is_absent());
  CHECK(json.field({"t"}).as_bool());
  CHECK(json.field({"f"}).is(Kind::boolean));
  CHECK(!json.field({"f"}).as_bool());
  CHECK(json.field({"n"}).is(Kind::null));
  REQUIRE(json.decode(R"({"a":5})") == RejectReason::none);
  CHECK(json.field({"a"}).as_int() == 5);
  CHECK(json.field({"a", "b"}).is_absent());
}

TEST_CASE("Keys are compared as text, not as they are written") {
  const FieldPath long_name{"a name with more than eight bytes"};
  JsonFixture json({{"ab"}, {"a\"b"}, {"\xC3\xA9"}, {""}, long_name, {"prefix_1"}, {"prefix_12"}, {"prefix_13"}});
  REQUIRE(json.decode(R"({"\u0061b":1,"a\"b":2,"\u00e9":3,"":4,"a name with more than eight \u0062ytes":5})") ==
          RejectReason::none);
  CHECK(json.field({"ab"}).as_int() == 1);
  CHECK(json.field({"a\"b"}).as_int() == 2);
  CHECK(json.field({"\xC3\xA9"}).as_int() == 3);
  CHECK(json.field({""}).as_int() == 4);
  CHECK(json.field(long_name).as_int() == 5);
  REQUIRE(json.decode(R"({"prefix_12" :1,"prefix_1":2,"prefix_14":3,"prefix_123":4,"prefix_13":5})") ==
          RejectReason::none);
  CHECK(json.field({"prefix_12"}).as_int() == 1);
  CHECK(json.field({"prefix_1"}).as_int() == 2);
  CHECK(json.field({"prefix_13"}).as_int() == 5);
}

TEST_CASE("A plan with very many members") {
  std::vector<FieldPath> paths;
  std::string text = "{";
  for (int i = 0; i < 500; ++i) {
    const std::string name = "member" + std::to_string(i * 7919 % 1000);
    paths.push_back({name});
    text += (i > 0 ? ",\"" : "\"") + name + "\":" + std::to_string(i);
  }
  JsonFixture json(paths);
  REQUIRE(json.decode(text + "}") == RejectReason::none);
  for (int i = 0; i < 500; ++i) CHECK(json.field(paths[static_cast<size_t>(i)]).as_int() == i);
}

TEST_CASE("The whole value") {
  JsonFixture json({{}, {"a"}});
  REQUIRE(json.decode(" {\"a\":1}\n") == RejectReason::none);
  CHECK(json.field({}).is(Kind::json_object));
  CHECK(json.field({}).text() == "{\"a\":1}");
  REQUIRE(json.decode(" \"text\" ") == RejectReason::none);
  CHECK(json.field({}).text() == "text");
  CHECK(json.field({"a"}).is_absent());
  REQUIRE(json.decode("[1]") == RejectReason::none);
  CHECK(json.field({}).is(Kind::json_array));
  REQUIRE(json.decode("-5") == RejectReason::none);
  CHECK(json.field({}).as_int() == -5);
  json.last = json.decoder->decode(std::string_view(), json.arena, json.record);
  CHECK(json.last.reason == RejectReason::none);
  CHECK(json.field({}).is(Kind::null));
  CHECK(json.field({"a"}).is_absent());
  CHECK(json.decode("") == RejectReason::not_decodable);
}

TEST_CASE("Equal keys: the last, the first, or none") {
  const std::string text = R"({"a":{"x":1,"y":1},"b":0,"\u0061":{"x":2},"b":[{"k":1,"k":2}]})";
  const std::vector<FieldPath> paths = {{"a", "x"}, {"a", "y"}, {"b"}};
  DecodeLimits limits;
  SECTION("last") {
    JsonFixture json(paths, paths, limits);
    REQUIRE(json.decode(text) == RejectReason::none);
    CHECK(json.field({"a", "x"}).as_int() == 2);
    CHECK(json.field({"a", "y"}).is_absent());
    CHECK(!json.span({"a", "y"}).present());
    CHECK(json.span({"a"}).repeated);
    CHECK(!json.span({"a", "x"}).repeated);
    CHECK(json.span({"b"}).repeated);
    Arena arena;
    const Value list = expand_json(json.field({"b"}), arena);
    const Value inner = expand_json(list.items()[0], arena);
    REQUIRE(inner.count() == 1);
    CHECK(inner.entries()[0].value.as_int() == 2);
  }
  SECTION("first") {
    limits.duplicate_keys = DuplicateKeys::first;
    JsonFixture json(paths, paths, limits);
    REQUIRE(json.decode(text) == RejectReason::none);
    CHECK(json.field({"a", "x"}).as_int() == 1);
    CHECK(json.field({"a", "y"}).as_int() == 1);
    CHECK(json.field({"b"}).as_int() == 0);
    CHECK(json.span({"b"}).repeated);
    REQUIRE(json.decode(R"({"b":[{"k":1,"k":2}]})") == RejectReason::none);
    Arena arena;
    CHECK(expand_json(expand_json(json.field({"b"}), arena).items()[0], arena).entries()[0].value.as_int() == 1);
  }
  SECTION("reject") {
    limits.duplicate_keys = DuplicateKeys::reject;
    JsonFixture json({{"q"}}, {}, limits);
    CHECK(json.decode(text) == RejectReason::duplicate_key);
    CHECK(json.decode(R"({"a":1,"b":[{"k":1},{"k":2,"\u006b":3}]})") == RejectReason::duplicate_key);
    CHECK(json.decode(R"({"a":{"a":{"a":1}},"b":"a","c":["a","a"]})") == RejectReason::none);
  }
}

TEST_CASE("An object that comes again as a number is no object any more") {
  JsonFixture json({{"a", "x"}, {"a"}});
  REQUIRE(json.decode(R"({"a":{"x":1},"a":5})") == RejectReason::none);
  CHECK(json.field({"a", "x"}).is_absent());
  CHECK(json.field({"a"}).as_int() == 5);
  REQUIRE(json.decode(R"({"a":{"x":1},"a":{"x":3},"a":{"x":null}})") == RejectReason::none);
  CHECK(json.field({"a", "x"}).is(Kind::null));
}

TEST_CASE("Depth and size have limits") {
  CHECK(reason_of(nested(64, "[", "]", "")) == RejectReason::none);
  CHECK(reason_of(nested(65, "[", "]", "")) == RejectReason::too_deep);
  CHECK(reason_of(nested(64, "{\"a\":", "}", "1")) == RejectReason::none);
  CHECK(reason_of(nested(65, "{\"a\":", "}", "1")) == RejectReason::too_deep);
  CHECK(reason_of(nested(65, "{\"x\":", "}", "1")) == RejectReason::too_deep);
  CHECK(reason_of(nested(100'000, "[", "]", "")) == RejectReason::too_deep);
  CHECK(reason_of(nested(100'000, "{\"a\":", "", "")) != RejectReason::none);
  std::string wide = "[";
  for (int i = 0; i < 1000; ++i) wide += "[],";
  CHECK(reason_of(wide + "[]]") == RejectReason::none);
  DecodeLimits limits;
  limits.max_json_depth = 200;
  CHECK(reason_of(nested(200, "[", "]", ""), limits) == RejectReason::none);
  CHECK(reason_of(nested(201, "[", "]", ""), limits) == RejectReason::too_deep);
  limits.max_record_bytes = 20;
  CHECK(reason_of("{\"a\":\"0123456789AB\"}", limits) == RejectReason::none);
  CHECK(reason_of("{\"a\":\"0123456789ABC\"}", limits) == RejectReason::too_large);
}

TEST_CASE("Large records") {
  DecodeLimits limits;
  limits.max_record_bytes = 20 * 1024 * 1024;
  JsonFixture json({{"last"}}, {}, limits);
  std::string text = "{\"list\":[";
  while (text.size() < 10 * 1024 * 1024) text += "{\"k\":1234567,\"v\":\"text\"},";
  text += "0],\"last\":\"x\"}";
  REQUIRE(json.decode(text) == RejectReason::none);
  CHECK(json.field({"last"}).text() == "x");
  REQUIRE(json.decode("{\"last\":1}") == RejectReason::none);
  text[text.size() / 2] = '\x01';
  CHECK(json.decode(text) == RejectReason::not_decodable);
}

TEST_CASE("Spans say where a member stands") {
  JsonFixture json({}, {{"a", "b"}, {"s"}, {"n"}});
  const std::string text = R"({ "n" : 12 , "a":{"b" : [1]  },"s":"x\"y" })";
  REQUIRE(json.decode(text) == RejectReason::none);
  const auto at = [&](const FieldPath& path) {
    const FieldSpan span = json.span(path);
    return text.substr(span.key_begin, 3) + "|" + text.substr(span.value_begin, span.value_end - span.value_begin);
  };
  CHECK(at({"n"}) == "\"n\"|12");
  CHECK(at({"a"}) == "\"a\"|{\"b\" : [1]  }");
  CHECK(at({"a", "b"}) == "\"b\"|[1]");
  CHECK(at({"s"}) == "\"s\"|\"x\\\"y\"");
}

TEST_CASE("Bytes stay bytes") {
  FieldPlan plan;
  plan.slot({});
  plan.slot({"a"});
  const auto decoder = make_decoder(Format::bytes, plan, {});
  CHECK(make_encoder(Format::bytes, plan) == nullptr);
  Arena arena;
  DecodedRecord record;
  CHECK(decoder->decode("\xFF{", arena, record).reason == RejectReason::none);
  CHECK(record.fields[0].is(Kind::bytes));
  CHECK(record.fields[0].text() == "\xFF{");
  CHECK(record.fields[1].is_absent());
  CHECK(decoder->decode(std::string_view(), arena, record).reason == RejectReason::none);
  CHECK(record.fields[0].is(Kind::null));
}

// Documents made at random, then damaged at random: the walk over simdjson's places and the reader that goes
// character by character have to agree about every one.
TEST_CASE("Two readers agree about damaged records") {
  std::mt19937_64 random(20150912);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const std::vector<std::string> scalars = {
      "0",    "-1",   "12345678", "1.5",           "1e5",          "true",         "false",
      "null", "\"\"", "\"text\"", R"("\u00e9\n")", "\"\xC3\xA9\"", "123456789012", "0.25"};
  const std::string bits = "{}[]:,\"\\ 019.eE+-tfnu\n\x01\xFFxa";
  const std::function<std::string(int)> document = [&](int depth) -> std::string {
    const size_t kind = depth > 4 ? 9 : below(10);
    if (kind > 4) return scalars[below(scalars.size())];
    std::string text(1, kind > 1 ? '{' : '[');
    const size_t count = below(6);
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) text += below(8) == 0 ? " , " : ",";
      if (kind > 1) text += std::string("\"") + static_cast<char>('a' + below(4)) + (below(8) == 0 ? "\" : " : "\":");
      text += document(depth + 1);
    }
    return text + (kind > 1 ? '}' : ']');
  };
  JsonFixture json({{"a"}, {"b", "a"}, {"c", "b", "a"}}, {{"a", "b"}});
  Arena arena;
  size_t valid = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text = document(0);
    for (size_t damage = below(4); damage > 0 && !text.empty(); --damage) {
      const size_t at = below(text.size());
      switch (below(3)) {
        case 0:
          text[at] = bits[below(bits.size())];
          break;
        case 1:
          text.erase(at, 1 + below(3));
          break;
        default:
          text.insert(at, 1, bits[below(bits.size())]);
      }
    }
    const bool accepted = json.decode(text) == RejectReason::none;
    const bool reference = !from_json(text, arena).is_error();
    valid += reference ? 1 : 0;
    if (accepted != reference)
      FAIL(json.last.detail << "; reference: " << reference << ": " << escape_for_log(text, 4000));
    json.bytes.clear();
    json.arena.reset();
    arena.reset();
  }
  CHECK(valid > 3'000);
  CHECK(valid < 27'000);
}

}  // namespace millrace::expr
