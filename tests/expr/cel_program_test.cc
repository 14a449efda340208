// Programs on records: variables, slots, errors at load and at run time, rule sets, limits.
#include <string>
#include <vector>

#include "expr/compiled.h"
#include "expr/decoder.h"
#include "expr/program.h"
#include "support/expr_rig.h"

#include "support/catch.h"  // after base/check.h: both have a CHECK

using namespace millrace;
using namespace millrace::expr;
using millrace::test::ExprRig;

TEST_CASE("fields of the value, and what is missing") {
  ExprRig rig;
  rig.value = R"({"delta": 1500, "user": {"tier": "gold", "tags": ["a", "b"]}, "isRobot": false, "n": null})";
  CHECK(rig.text("value.delta > 1000 || value.delta < -1000") == "true");
  CHECK(rig.text("!value.isRobot") == "true");
  CHECK(rig.text("value.user.tier") == "gold");
  CHECK(rig.text("message['user'].tier + '!'") == "gold!");
  CHECK(rig.text("'b' in value.user.tags") == "true");
  CHECK(rig.text("value.user.tags.exists(t, t.startsWith('b'))") == "true");
  CHECK(rig.text("value.user.tags[1]") == "b");
  CHECK(rig.text("value.user[value.user.tags[0] == 'a' ? 'tier' : 'none']") == "gold");
  CHECK(rig.text("value.nope == 1") == "no_such_field: no such field: 'value.nope'");
  CHECK(rig.text("has(value.nope)") == "false");
  CHECK(rig.text("has(value.n)") == "true");
  CHECK(rig.text("has(value.user.tier)") == "true");
  CHECK(rig.text("has(value.user.nope)") == "false");
  CHECK(rig.text("has(value.nope.deeper)") == "no_such_field: no such field on the way to 'value.nope.deeper'");
  CHECK(rig.text("has(value.delta.deeper)") ==
        "no_such_overload: 1500 has no fields, on the way to 'value.delta.deeper'");
  CHECK(rig.text("value.?user.tier.orValue('none')") == "gold");
  CHECK(rig.text("value.?nope.tier.orValue('none')") == "none");
  CHECK(rig.text("value.?n.orValue('x') == null") == "true");
  CHECK(rig.text("value[?'nope'].hasValue()") == "false");
  CHECK(rig.text("default(value.user.tier, 'x')") == "gold");
  CHECK(rig.text("default(value.nope.tier, 'x')") == "x");
  CHECK(rig.text("value.?nope") == "absent");
  CHECK(rig.text("value.?user.tier") == "gold");
  CHECK(rig.text("value.delta * 1.5") == "2250");
  CHECK(rig.text("size(value)") == "4");
}

TEST_CASE("the other variables of a record") {
  ExprRig rig;
  const Header headers[] = {{"kind", Bytes("edit")},
                            {"twice", Bytes("1")},
                            {"twice", Bytes("2")},
                            {"raw", Bytes("\xff")},
                            {"empty", Bytes()}};
  rig.record.headers = headers;
  rig.record.key = Bytes("k1");
  CHECK(rig.text("key") == "k1");
  rig.record.key = Bytes("\xff\x01");
  CHECK(rig.text("type(key) == bytes && size(key) == 2") == "true");
  rig.record.key = Bytes();
  CHECK(rig.text("key == null") == "true");
  CHECK(rig.text("topic + '/' + string(partition) + '/' + string(offset)") == "edits/3/42");
  CHECK(rig.text("string(time)") == "2024-01-01T00:00:00.250Z");
  CHECK(rig.text("now - time == duration('9.75s')") == "true");
  CHECK(rig.text("headers.kind == 'edit' && headers['kind'] == 'edit'") == "true");
  CHECK(rig.text("headers['twice'] == ['1', '2']") == "true");
  CHECK(rig.text("type(headers.raw) == bytes") == "true");
  CHECK(rig.text("headers.empty == null && has(headers.empty)") == "true");
  CHECK(rig.text("size(headers) == 4 && 'kind' in headers && !('x' in headers)") == "true");
  CHECK(rig.text("headers[?'nope'].orValue('none')") == "none");
  CHECK(rig.text("has(headers.nope)") == "false");
  CHECK(rig.text("headers.nope") == "no_such_field: no such header: 'nope'");
  CHECK(rig.text("headers.map(h, h).size()") == "4");
  rig.record.timestamp_ms = -1;
  CHECK(rig.text("time == null") == "true");
}

TEST_CASE("a tombstone has no fields") {
  ExprRig rig;
  rig.tombstone = true;
  CHECK(rig.text("value == null") == "true");
  CHECK(rig.text("value.a") == "no_such_field: no such field: 'value.a'");
  CHECK(rig.text("has(value.a)") == "no_such_overload: null has no fields, on the way to 'value.a'");
  CHECK(rig.text("value != null && has(value.a)") == "false");
}

TEST_CASE("a list of the record that nobody has opened is searched") {
  ExprRig rig;
  rig.value = R"({"tags": ["a", "q\"uote", 7, 1.5, null, [1, "x"], {"k": 2}], "none": []})";
  for (const char* member : {"'a'", "'q\"uote'", "7", "7.0", "7u", "1.5", "null", "[1, 'x']", "{'k': 2}"}) {
    INFO(member);
    CHECK(rig.text(std::string(member) + " in value.tags") == "true");
    CHECK(rig.text(std::string(member) + " in value.none") == "false");
  }
  CHECK(rig.text("'b' in value.tags") == "false");
  CHECK(rig.text("8 in value.tags || 'a' in value.tags") == "true");
}

TEST_CASE("terms of one type of test, decided as data or by their nodes") {
  ExprRig rig;
  rig.value = R"({"n": 5, "d": 5.5, "s": "text", "yes": true, "no": false, "nil": null})";
  const auto same = [&](const std::string& term) {
    INFO(term);
    const std::string alone = rig.text(term);
    CHECK(rig.text("value.yes && " + term) == alone);
    CHECK(rig.text("value.no || " + term) == alone);
    CHECK(rig.text("value.no && " + term) == "false");
    CHECK(rig.text("value.yes || " + term) == "true");
  };
  for (const char* op : {"<", "<=", ">", ">=", "==", "!="}) {
    for (const char* limit : {"4", "5", "6", "5.5", "5u", "-9223372036854775808", "9223372036854775807"}) {
      for (const char* field : {"n", "d", "s", "missing"}) {
        same("value." + std::string(field) + " " + op + " " + limit);
        same("!(value." + std::string(field) + " " + op + " " + limit + ")");
      }
    }
  }
  for (const char* text : {"''", "'t'", "'text'", "'texu'", "'text of more'", "'text that is much longer'"}) {
    for (const char* field : {"s", "n", "nil", "missing"}) {
      same("value." + std::string(field) + " == " + text);
      same("value." + std::string(field) + " != " + text);
      same("value." + std::string(field) + " in [" + text + ", 'text']");
    }
  }
  for (const char* field : {"yes", "no", "n", "nil", "missing"}) {
    same("value." + std::string(field) + " == true");
    same("value." + std::string(field) + " != false");
  }
}

TEST_CASE("errors at load say where and what") {
  ExprRig rig;
  const auto error = [&](const char* text, Want want = Want::condition) { return rig.load_error(text, want); };
  CHECK(error("valeu.a == 1") == "0+5: no field or variable `valeu`; did you mean `value`?");
  CHECK(error("status == 1") ==
        "0+6: no field or variable `status`; a member of the record's value is written `value.status`");
  CHECK(error("sise(value.a) > 1") == "0+13: no function `sise`; did you mean `size`?");
  CHECK(error("value.a.startWith('x')") == "8+9: no function `startWith`; did you mean `startsWith`?");
  CHECK(error("value.a.exist(x, x > 0) || true") == "8+5: no function `exist`; did you mean `exists`?");
  CHECK(error("value.a.all(x) || true") == "8+3: `all` is written x.all(v, condition)");
  CHECK(error("startsWith(value.a, 'x')") == "0+24: `startsWith` is called on a value, as in x.startsWith()");
  CHECK(error("math.ab(1) == 1") == "0+10: no function `math.ab`; did you mean `math.abs`?");
  CHECK(error("value.a.startsWith() || true") == "8+10: `startsWith` takes 1 argument, not 0");
  CHECK(error("1 +", Want::value) == "3+0: the expression ends where an expression is expected");
  CHECK(error("value.a = 1") == "8+1: write == to compare");
  CHECK(error("'a' + 'b'") == "0+9: a condition must be true or false; this is of type string");
  CHECK(error("value.a.matches('(')") == "16+3: the regular expression does not compile: missing ): (");
  CHECK(error("value.a.matches(value.b)") ==
        "16+7: the pattern must be a constant (or set expressions.dynamic_patterns: true)");
  CHECK(error("lookup('users', value.id).hasValue()") == "7+7: no table `users`; none is declared under `tables`");
  CHECK(error("Foo{a: 1}", Want::value) ==
        "0+9: there are no messages here, so `Foo{...}` means nothing; a map is written {'name': 1}");
  // All mistakes come at once.
  CHECK(error("valeu.a == 1 && topik == 'x'") ==
        "0+5: no field or variable `valeu`; did you mean `value`?\n"
        "16+5: no field or variable `topik`; did you mean `topic`?");
}

TEST_CASE("rules in order") {
  ExprRig rig;
  const std::vector<std::string> rules = {"value.a == 'x'", "value.a == 'y'", "value.b > 1"};
  rig.value = R"({"a": "y", "b": 5})";
  CHECK(rig.first_match(rules) == 1);
  rig.value = R"({"a": "z", "b": 5})";
  CHECK(rig.first_match(rules) == 2);
  rig.value = R"({"a": "z", "b": 0})";
  CHECK(rig.first_match(rules) == RuleSet::kNone);
  rig.value = R"({"a": "z"})";
  CHECK(rig.first_match(rules) == RuleSet::kError);
  CHECK(rig.failed_rule == 2);
}

TEST_CASE("an IPv4 address written as IPv6 is that IPv4 address") {
  ExprRig rig;
  CHECK(rig.text("ip('::ffff:c0a8:1').family()") == "4");
  CHECK(rig.text("string(ip('::ffff:c0a8:1'))") == "192.168.0.1");
  CHECK(rig.text("cidr('::ffff:c0a8:0/112').containsIP('192.168.7.9')") == "true");
  CHECK(rig.text("isIP('::ffff:192.168.0.1')") == "false");
  CHECK(rig.text("isCIDR('::ffff:c0a8:0/95')") == "false");
}
