#include <limits>

#include "expr/json_support.h"
#include "support/catch.h"

namespace millrace::expr {

TEST_CASE("Values as JSON") {
  Arena arena;
  const auto json = [&](const Value& value) { return json_of(value, arena); };
  CHECK(json(Value::null()) == "null");
  CHECK(json(Value::boolean(true)) == "true");
  CHECK(json(Value::integer(INT64_MIN)) == "-9223372036854775808");
  CHECK(json(Value::uinteger(UINT64_MAX)) == "18446744073709551615");
  CHECK(json(Value::floating(1.5)) == "1.5");
  CHECK(json(Value::floating(100.0)) == "100.0");
  CHECK(json(Value::floating(-0.0)) == "-0.0");
  CHECK(json(Value::floating(1e300)) == "1e+300");
  CHECK(json(Value::floating(0.1)) == "0.1");
  CHECK(json(Value::floating(std::numeric_limits<double>::infinity())) == "(not_json)");
  CHECK(json(Value::floating(std::numeric_limits<double>::quiet_NaN())) == "(not_json)");
  CHECK(json(Value::string("plain \xC3\xA9/")) == "\"plain \xC3\xA9/\"");
  CHECK(json(Value::string("q\"b\\n\n\t\r\b\f\x01")) == R"("q\"b\\n\n\t\r\b\f\u0001")");
  CHECK(json(Value::string("")) == "\"\"");
  CHECK(json(Value::string("\xFF")) == "(not_json)");
  CHECK(json(Value::bytes(std::string_view("\x00\xFFx", 3))) == "\"AP94\"");
  CHECK(json(Value::timestamp(0, 0)) == "\"1970-01-01T00:00:00Z\"");
  CHECK(json(Value::timestamp(1442018758, 771000000)) == "\"2015-09-12T00:45:58.771Z\"");
  CHECK(json(Value::duration(1'500'000'000)) == "\"1.5s\"");
  CHECK(json(Value::type("int")) == "(not_json)");
  CHECK(json(Value::optional_none()) == "(not_json)");
  CHECK(json(Value::json_object("{ \"a\" : 1.10 }")) == "{ \"a\" : 1.10 }");
  const Value items[] = {Value::integer(1), Value::string("x"), Value::json_array("[2]")};
  CHECK(json(Value::list(items, 3)) == R"([1,"x",[2]])");
  const MapEntry entries[] = {{Value::string("k\""), Value::list(items, 1)},
                              {Value::integer(5), Value::boolean(false)},
                              {Value::boolean(true), Value::null()}};
  CHECK(json(Value::map(entries, 3)) == R"({"k\"":[1],"5":false,"true":null})");
  const MapEntry bad[] = {{Value::floating(1), Value::null()}};
  CHECK(json(Value::map(bad, 1)) == "(not_json)");
}

TEST_CASE("What has to be escaped is found wherever it stands") {
  Arena arena;
  const std::vector<std::pair<std::string, std::string>> signs = {
      {"\"", "\\\""},      {"\\", "\\\\"}, {"\n", "\\n"},    {std::string(1, '\0'), "\\u0000"},
      {"\x1F", "\\u001f"}, {" ", " "},     {"\x7F", "\x7F"}, {"!", "!"},
      {"#", "#"},          {"[", "["},     {"]", "]"},       {"\xC3\xA9", "\xC3\xA9"}};
  for (size_t size = 0; size < 20; ++size) {
    CHECK(json_of(Value::string(std::string(size, 'x')), arena) == '"' + std::string(size, 'x') + '"');
    for (size_t at = 0; at <= size; ++at) {
      const std::string before(at, 'x');
      const std::string behind(size - at, 'y');
      for (const auto& [sign, written] : signs) {
        const std::string text = before + sign + behind;
        REQUIRE(json_of(Value::string(text), arena) == '"' + before + written + behind + '"');
      }
      REQUIRE(json_of(Value::string(before + "\xFF" + behind), arena) == "(not_json)");
    }
  }
}

TEST_CASE("JSON as values, and back") {
  Arena arena;
  for (const char* text :
       {"1", "-1", "1.5", "100.0", "\"x\"", "null", "[]", "{}", R"({"a":[1,{"b":null}],"c":"\n"})"}) {
    CHECK(json_of(from_json(text, arena), arena) == text);
  }
  CHECK(json_of(from_json(" [ 1 , 2 ] ", arena), arena) == "[1,2]");
  CHECK(json_of(from_json(R"({"a":1,"b":2,"a":3,"b":4})", arena), arena) == R"({"a":3,"b":4})");
  CHECK(from_json("", arena).is_error());
  CHECK(from_json("[1", arena).error_kind() == ErrorKind::not_json);
  CHECK(from_json("\"\xFF\"", arena).is_error());
  CHECK(from_json(std::string(256, '[') + std::string(256, ']'), arena).is(Kind::list));
  CHECK(from_json(std::string(257, '[') + std::string(257, ']'), arena).is_error());
  CHECK(from_json(std::string(1'000'000, '['), arena).is_error());
}

TEST_CASE("One level of an unread object or array") {
  Arena arena;
  const Value list = expand_json(Value::json_array(R"([1, "a\n", [2, [3]], {"k": 1}])"), arena);
  REQUIRE(list.count() == 4);
  CHECK(list.items()[0].as_int() == 1);
  CHECK(list.items()[1].text() == "a\n");
  CHECK(list.items()[2].is(Kind::json_array));
  CHECK(list.items()[2].text() == "[2, [3]]");
  CHECK(list.items()[3].text() == R"({"k": 1})");
  const Value map = expand_json(Value::json_object(R"({"\u0061":1,"b":{},"a":2})"), arena);
  REQUIRE(map.count() == 2);
  CHECK(map.entries()[0].key.text() == "a");
  CHECK(map.entries()[0].value.as_int() == 2);
  CHECK(expand_json(Value::json_object("{}"), arena).count() == 0);
  CHECK(expand_json(Value::json_array("[]"), arena).count() == 0);
  CHECK(expand_json(Value::json_array("[1,]"), arena).is_error());
  CHECK(expand_json(Value::json_object("{\"a\":1"), arena).is_error());
}

}  // namespace millrace::expr
