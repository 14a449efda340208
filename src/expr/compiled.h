// CompiledProgram: what Compiler::compile() makes, and the way in for tests, which bring variables of their own.
// Immutable after it was made; any worker. The environment is read by the main thread while it compiles.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expr/ast.h"
#include "expr/node.h"
#include "expr/program.h"
#include "expr/table.h"

namespace millrace::expr {

// Which names an expression may use beyond those of the record.
struct Environment {
  std::vector<std::string> bound;  // variables by name, given to run() in this order
  bool record = true;              // value, key, headers and the others of a record
  bool lenient = false;            // names that nobody knows are errors of the evaluation, not of the compilation
};

class CompiledProgram final : public Program {
 public:
  Truth test(const Scope& scope, Evaluator& evaluator) const override;
  Value evaluate(const Scope& scope, Evaluator& evaluator) const override;
  [[nodiscard]] std::string explain() const override;

  // The value as it is, optionals included, with values for the environment's variables.
  Value run(const Scope& scope, Evaluator& evaluator, std::span<const Value> bound) const;

  [[nodiscard]] const Node& root() const { return *root_; }
  [[nodiscard]] Kind type() const { return type_; }
  [[nodiscard]] double cost() const { return cost_; }
  [[nodiscard]] bool metered() const { return metered_; }
  [[nodiscard]] const std::vector<FieldPath>& fields() const { return fields_; }

 private:
  friend class ProgramMaker;
  void prepare(Evaluator& evaluator) const;

  NodePtr root_;
  Ast ast_;          // literals of nodes point into it
  Arena constants_;  // what was computed when the expression was compiled
  std::string text_;
  Limits limits_;
  std::vector<FieldPath> fields_;
  size_t locals_ = 0;
  bool metered_ = false;
  Kind type_ = Kind::absent;
  double cost_ = 0;
};

// Null when `errors` got entries.
std::unique_ptr<const CompiledProgram> compile_program(std::string_view text, Want want, const CompileOptions& options,
                                                       FieldPlan& plan, const TableSet* tables,
                                                       const Environment& environment,
                                                       std::vector<CompileError>& errors);

}  // namespace millrace::expr
