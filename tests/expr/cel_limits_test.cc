// Limits at load and while an expression runs.
#include <string>

#include "support/expr_rig.h"

#include "support/catch.h"  // after base/check.h: both have a CHECK

using namespace millrace;
using namespace millrace::expr;
using millrace::test::ExprRig;

namespace {

std::string repeated(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

bool mentions(const std::string& text, const char* what) {
  return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("length, parts and depth") {
  ExprRig rig;
  CHECK(mentions(rig.load_error("1" + repeated(" ", 20'000) + "+ 1", Want::value), "max_length"));
  rig.options.limits.max_nodes = 100;
  CHECK(mentions(rig.load_error("[" + repeated("1,", 100) + "1]", Want::value), "max_nodes"));
  rig.options = CompileOptions();
  CHECK(rig.load_error(repeated("(", 63) + "1" + repeated(")", 63), Want::value).empty());
  CHECK(mentions(rig.load_error(repeated("(", 64) + "1" + repeated(")", 64), Want::value), "max_depth"));
  CHECK(mentions(rig.load_error(repeated("[", 9'000), Want::value), "max_depth"));
  CHECK(mentions(rig.load_error(repeated("-", 9'000) + "a", Want::value), "nested too deeply"));
  CHECK(mentions(rig.load_error("1" + repeated("+ 1", 3'000), Want::value), "nested too deeply"));
  CHECK(rig.load_error("true" + repeated(" && true", 2'000), Want::condition).empty());
}

TEST_CASE("loops in loops, and the worst case") {
  ExprRig rig;
  CHECK(rig.load_error("value.a.all(x, x.all(y, y > 1))", Want::condition).empty());
  CHECK(mentions(rig.load_error("value.a.all(x, x.all(y, y.all(z, z > 1)))", Want::condition),
                 "max_comprehension_nesting"));
  // Two lists against each other: all loops together make no more than max_iterations, and each list is opened once.
  CHECK(rig.load_error("value.a.all(x, value.b.all(y, x == y))", Want::condition).empty());
  // Here each element of one list would be looked for in all the text of the other.
  CHECK(mentions(rig.load_error("value.a.all(x, value.b.all(y, y.contains(x)))", Want::condition), "max_static_cost"));
  CHECK(mentions(rig.load_error("value.a.all(x, x in value.b)", Want::condition), "max_static_cost"));
  CHECK(rig.load_error("value.a.all(x, [1, 2, 3].all(y, x != y))", Want::condition).empty());
}

TEST_CASE("regular expressions") {
  ExprRig rig;
  CHECK(mentions(rig.load_error("value.a.matches('((a{100}){10}){10}')", Want::condition), "regular expression"));
  rig.options.limits.dynamic_patterns = true;
  rig.value = R"({"a": "x1", "b": "[0-9]", "c": "("})";
  CHECK(rig.text("value.a.matches(value.b)") == "true");
  CHECK(rig.text("value.a.matches(value.c)") == "invalid_argument: '(' is no regular expression");
}

TEST_CASE("budgets of a run") {
  ExprRig rig;
  rig.value = R"({"a": [)" + repeated("1,", 11'000) + R"(1], "s": ")" + std::string(200'000, 'x') + R"("})";
  CHECK(rig.text("value.a.all(x, x == 1)") ==
        "iterations_exceeded: more iterations than expressions.max_iterations allows");
  rig.options.limits.max_iterations = 100'000;
  rig.options.limits.max_static_cost = 1'000'000'000;
  CHECK(rig.text("value.a.all(x, x == 1 && x + 1 == 2 && x + 2 == 3 && x + 3 == 4)") ==
        "cost_exceeded: the evaluation cost more than expressions.max_cost allows");
  CHECK(rig.text("value.a.all(x, x == 1)") == "true");
  rig.options.limits.max_cost = 10'000'000;
  CHECK(rig.text("(value.s + value.s + value.s + value.s + value.s + value.s).size()").starts_with("result_too_large"));
  CHECK(rig.text("lists.range(9000000000).size() + int(value.s)").starts_with("result_too_large"));
  CHECK(rig.text("[0, 1, 2].map(x, value.s.replace('x', value.s)).size()").find("result_too_large") == 0);
}
