#include "stage/expression.h"

#include <fmt/format.h>

#include <vector>

namespace millrace {

SharedProgram compile_expression(StageSetup& setup, const config::ExpressionText& text, expr::Want want,
                                 const std::string& what) {
  std::vector<expr::CompileError> errors;
  SharedProgram program = setup.compiler.compile(text.text, want, errors);
  for (const expr::CompileError& error : errors) {
    setup.diagnostics.error(text.node != nullptr ? text.node->position_of(error.offset) : config::Position{},
                            what + ": " + error.message);
  }
  return errors.empty() ? program : nullptr;
}

SharedProgram compile_expression(StageSetup& setup, const config::Node& node, expr::Want want,
                                 const std::string& what) {
  const auto text = config::expression_of(node, what, setup.diagnostics);
  return text ? compile_expression(setup, *text, want, what) : nullptr;
}

void reject_failed(const Item* item, std::string_view what, const StageContext& context, StageOutput& out) {
  const expr::ErrorKind kind = context.evaluator.error_kind();
  out.count_error(kind);
  const bool limit = kind == expr::ErrorKind::cost_exceeded || kind == expr::ErrorKind::iterations_exceeded ||
                     kind == expr::ErrorKind::result_too_large;
  out.reject(item, limit ? RejectReason::limit_exceeded : RejectReason::expression_error,
             context.arena.copy(fmt::format("{}: {}", what, context.evaluator.error_text())));
}

}  // namespace millrace
