// What stage kinds share around expressions: compiling them with errors at their place in the file, and rejecting a
// record whose expression failed. Compiling belongs to the thread that loads the config, rejecting to a worker.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/node.h"
#include "expr/program.h"
#include "stage/stage.h"

namespace millrace {

// Shared, because every worker's instance of the stage runs the same program.
using SharedProgram = std::shared_ptr<const expr::Program>;

// `what` names the expression in messages: "stage `size`: rule `huge`". Null after an error.
SharedProgram compile_expression(StageSetup& setup, const config::ExpressionText& text, expr::Want want,
                                 const std::string& what);
// The same for a node that holds the expression.
SharedProgram compile_expression(StageSetup& setup, const config::Node& node, expr::Want want, const std::string& what);

// Counts the evaluator's last error and rejects the record; `what` names the expression: "where", "rule `huge`".
void reject_failed(const Item* item, std::string_view what, const StageContext& context, StageOutput& out);

}  // namespace millrace
