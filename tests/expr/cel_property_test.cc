// Properties that hold for all expressions: printing and parsing, bounds, and projection against the whole document.
#include <rapidcheck.h>

#include <string>

#include "expr/compiled.h"
#include "expr/parser.h"
#include "support/expr_differential.h"
#include "support/expr_random.h"

#include "support/catch.h"  // after base/check.h: both have a CHECK

using namespace millrace;
using namespace millrace::expr;
using millrace::test::ExprRandom;

namespace {
constexpr int kEach = 20;  // expressions for each seed
}

TEST_CASE("what is printed parses to the same tree") {
  CHECK(rc::check("parse(print(ast)) == ast", [](uint32_t seed) {
    ExprRandom random(seed);
    for (int i = 0; i < kEach; ++i) {
      const std::string text = random.expression(1 + i % 5);
      Ast first;
      Ast second;
      CompileError error;
      RC_ASSERT(parse(text, Limits(), first, error));
      const std::string printed = print_source(first, first.root);
      if (!parse(printed, Limits(), second, error)) RC_FAIL(text + " -> " + printed + ": " + error.message);
      if (!same_tree(first, first.root, second, second.root)) RC_FAIL(text + " -> " + printed);
    }
  }));
}

TEST_CASE("no expression makes more than it may") {
  CHECK(rc::check("memory and errors are bounded", [](uint32_t seed) {
    ExprRandom random(seed);
    CompileOptions options;
    options.limits.max_cost = 5'000;
    options.limits.max_iterations = 100;
    options.limits.max_result_bytes = 16 * 1024;
    options.limits.max_static_cost = UINT64_MAX;
    for (int i = 0; i < kEach; ++i) {
      const std::string text = random.expression(1 + i % 6);
      FieldPlan plan;
      std::vector<CompileError> errors;
      Environment environment;
      environment.lenient = true;
      const auto program = compile_program(text, Want::value, options, plan, nullptr, environment, errors);
      if (program == nullptr) {
        RC_ASSERT(!errors.empty());
        for (const CompileError& error : errors) RC_ASSERT(error.offset <= text.size() && !error.message.empty());
        continue;
      }
      Arena arena;
      DecodedRecord decoded;
      const auto decoder = make_decoder(Format::json, plan, DecodeLimits());
      RC_ASSERT(decoder->decode(arena.copy(random.record()), arena, decoded).reason == RejectReason::none);
      Evaluator evaluator(arena);
      const Value value = program->run({nullptr, decoded.fields, 0}, evaluator, {});
      RC_ASSERT(arena.bytes() <= 4 * Arena::kBlockBytes + 1024 * 1024);
      RC_ASSERT(!value.is_absent());
      if (value.is_error()) RC_ASSERT(evaluator.error_kind() == value.error_kind() && !evaluator.error_text().empty());
      if (value.is(Kind::boolean)) {
        const Truth truth = program->test({nullptr, decoded.fields, 0}, evaluator);
        RC_ASSERT(truth == (value.as_bool() ? Truth::yes : Truth::no));
      }
    }
  }));
}

TEST_CASE("projected fields give what the whole document gives") {
  CHECK(rc::check("projection == document", [](uint32_t seed) {
    ExprRandom random(seed);
    for (int i = 0; i < kEach; ++i) {
      const std::string difference = test::projection_differs(random.expression(1 + i % 5), random.record());
      if (!difference.empty()) RC_FAIL(difference);
    }
  }));
}
