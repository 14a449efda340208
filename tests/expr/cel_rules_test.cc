// Rule sets: tables and automatons decide as the rules one by one would.
#include <string>
#include <vector>

#include "support/expr_rig.h"

#include "support/catch.h"  // after base/check.h: both have a CHECK

using namespace millrace;
using namespace millrace::expr;
using millrace::test::ExprRig;

TEST_CASE("equality rules on one field become a table and keep their order") {
  ExprRig rig;
  const std::vector<std::string> rules = {"value.s == 'a'", "value.s in ['b', 'c', 'a']", "value.s == 3",
                                          "value.s == 'c'", "value.other == 'x'"};
  const auto match = [&](const std::string& json) {
    rig.value = json;
    return rig.first_match(rules);
  };
  CHECK(match(R"({"s": "a"})") == 0);
  CHECK(match(R"({"s": "b"})") == 1);
  CHECK(match(R"({"s": "c"})") == 1);
  CHECK(match(R"({"s": 3})") == 2);
  CHECK(match(R"({"s": 3.0})") == 2);
  CHECK(match(R"({"s": "zzzzzzzz", "other": "x"})") == 4);
  CHECK(match(R"({"s": {"a": 1}, "other": "y"})") == RuleSet::kNone);
  CHECK(match(R"({"s": null, "other": "y"})") == RuleSet::kNone);
  CHECK(match(R"({"other": "x"})") == RuleSet::kError);
  CHECK(rig.failed_rule == 0);
  CHECK(match(R"({"s": "q"})") == RuleSet::kError);
  CHECK(rig.failed_rule == 4);
}

TEST_CASE("patterns on one field become one automaton and keep their order") {
  ExprRig rig;
  const std::vector<std::string> rules = {"value.s.matches('^a[0-9]')", "value.s.matches('[0-9]b')",
                                          "value.s.matches('c.d')", "value.s.matches('[0-9]')"};
  const auto match = [&](const std::string& json) {
    rig.value = json;
    return rig.first_match(rules);
  };
  CHECK(match(R"({"s": "a1b"})") == 0);
  CHECK(match(R"({"s": "x1b"})") == 1);
  CHECK(match(R"({"s": "1 c-d"})") == 2);
  CHECK(match(R"({"s": "x1"})") == 3);
  CHECK(match(R"({"s": "none"})") == RuleSet::kNone);
  CHECK(match(R"({"s": 5})") == RuleSet::kError);
  CHECK(rig.failed_rule == 0);
  CHECK(match(R"({})") == RuleSet::kError);
}

TEST_CASE("tests on fields are fused") {
  FieldPlan plan;
  Compiler compiler(CompileOptions(), plan, nullptr);
  const auto form = [&](const char* text) {
    std::vector<CompileError> errors;
    const auto program = compiler.compile(text, Want::condition, errors);
    if (program == nullptr) return errors.front().message;
    const std::string explained = program->explain();
    const size_t begin = explained.find("compiled:   ") + 12;
    return explained.substr(begin, explained.find('\n', begin) - begin);
  };
  CHECK(form("value.s == 'x'") == "field_text==(value.s, 'x')");
  CHECK(form("'x' != value.s") == "field_text!=(value.s, 'x')");
  CHECK(form("500 <= value.n") == "field>=(value.n, 500)");
  CHECK(form("value.s in ['a', 'b']") == "field_in_set(value.s, 2 constants)");
  CHECK(form("value.s.matches('^/api/')") == "field_begins(value.s, '/api/')");
  CHECK(form("value.s.matches('api$')") == "field_ends(value.s, 'api')");
  CHECK(form("value.s.matches('^api$')") == "field_is(value.s, 'api')");
  CHECK(form("value.s.matches('a.c')") == "field_matches(value.s, 'a.c')");
  CHECK(form("value.n > 2 * 3 + 1") == "field>(value.n, 7)");
  CHECK(form("value.list.exists(x, x > 1) && value.n > 1 && true") ==
        "and(true, field>(value.n, 1), exists(value.list, >(x, 1)))");
  CHECK(form("false && value.n > 1") == "false");
}

TEST_CASE("what is known at load is not counted while it runs") {
  FieldPlan plan;
  Compiler compiler(CompileOptions(), plan, nullptr);
  std::vector<CompileError> errors;
  const auto filter = compiler.compile("value.a == 'x' && value.b > 5", Want::condition, errors);
  REQUIRE(filter != nullptr);
  CHECK(filter->explain().find("nothing is counted") != std::string::npos);
  const auto loop = compiler.compile("value.a.exists(x, x > 5)", Want::condition, errors);
  REQUIRE(loop != nullptr);
  CHECK(loop->explain().find("counted while it runs") != std::string::npos);
  REQUIRE(plan.size() == 2);
}
