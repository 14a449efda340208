// Text of an expression -> Ast. Pure; main thread. Recursion is bounded by Limits::max_depth.
#pragma once

#include <string_view>

#include "expr/ast.h"
#include "expr/program.h"

namespace millrace::expr {

// No tree is higher than this, whatever max_depth says: rows of operators count here, brackets count there.
inline constexpr uint32_t kMaxHeight = 256;

// False with `error` filled when the text is no expression or exceeds a limit. With `macros` off, has(), all() and the
// others are plain calls.
bool parse(std::string_view text, const Limits& limits, Ast& ast, CompileError& error, bool macros = true);

}  // namespace millrace::expr
