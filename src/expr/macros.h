// Macros: calls whose arguments are not values but pieces of the expression. Pure; main thread.
#pragma once

#include "expr/ast.h"
#include "expr/program.h"

namespace millrace::expr {

// Turns the call `node` (already parsed, not yet in the tree) into a macro node when it is one. False with `error`
// filled when it is one and written wrongly.
bool expand_macro(Ast& ast, AstNode& node, CompileError& error);

}  // namespace millrace::expr
