// Any bytes as an expression: it parses or not, what parses prints and parses again to the same tree, what compiles
// evaluates within its limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "expr/compiled.h"
#include "expr/parser.h"

using namespace millrace;
using namespace millrace::expr;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Ast ast;
  CompileError error;
  if (!parse(text, Limits(), ast, error)) {
    CHECK(error.offset <= size && !error.message.empty());
    return 0;
  }
  Limits wide;
  wide.max_length = UINT32_MAX;
  wide.max_nodes = UINT32_MAX;
  wide.max_depth = UINT32_MAX;
  Ast again;
  const std::string printed = print_source(ast, ast.root);
  CHECK_MSG(parse(printed, wide, again, error), printed + ": " + error.message);
  CHECK_MSG(same_tree(ast, ast.root, again, again.root), printed);

  FieldPlan plan;
  std::vector<CompileError> errors;
  CompileOptions options;
  options.limits.dynamic_patterns = true;
  Environment environment;
  environment.lenient = true;
  const auto program = compile_program(text, Want::value, options, plan, nullptr, environment, errors);
  if (program == nullptr) return 0;
  Arena arena;
  const std::vector<Value> absent(plan.size());
  Evaluator evaluator(arena);
  const Value value = program->run({nullptr, absent, 0}, evaluator, {});
  CHECK(!value.is_absent());
  if (value.is_error()) CHECK(!evaluator.error_text().empty());
  (void)program->explain();
  return 0;
}
