// RuleSet: rules of a classify, as one thing. Immutable; any worker.
#pragma once

#include <memory>
#include <vector>

#include "expr/compiled.h"

namespace millrace::expr {

std::unique_ptr<const RuleSet> make_rule_set(std::vector<std::unique_ptr<const CompiledProgram>> rules,
                                             const Limits& limits);

}  // namespace millrace::expr
