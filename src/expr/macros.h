// Macros: calls whose arguments are not values but pieces of the expression. Pure; main thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "expr/ast.h"
#include "expr/program.h"

namespace millrace::expr {

// Turns the call `node` (already parsed, not yet in the tree) into a macro node when it is one. False with `error`
// filled when it is one and written wrongly.
bool expand_macro(Ast& ast, AstNode& node, CompileError& error);

// For messages: the names of macros that are called on a value, and how such a one is written ("x.all(v, condition)");
// empty when there is none of that name.
std::vector<std::string> macro_names();
std::string_view macro_usage(std::string_view name);

}  // namespace millrace::expr
