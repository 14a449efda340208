// Builder: Ast -> nodes. Resolves names to slots, locals and functions, folds what is constant, estimates the worst
// case, and reports everything that is wrong. Main thread, once for each expression.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expr/compiled.h"
#include "expr/nodes.h"

namespace millrace::expr {

class Builder {
 public:
  Builder(const Ast& ast, const CompileOptions& options, FieldPlan& plan, const TableSet* tables,
          const Environment& environment, Arena& constants, std::vector<CompileError>& errors);

  Built build(AstId id);

  [[nodiscard]] size_t locals() const { return locals_; }
  // To be added to the cost of the whole expression.
  [[nodiscard]] double once() const { return once_; }
  [[nodiscard]] bool metered() const { return metered_; }
  [[nodiscard]] const std::vector<FieldPath>& fields() const { return fields_; }

 private:
  // builder_names.cc: names, members, headers
  Built name(const AstNode& node);
  Built unknown_name(const AstNode& node);
  Built select(AstId id);
  Built has(AstId id);
  Built index(AstId id);
  bool static_path(AstId id, FieldPath& path, size_t& first_optional) const;
  Built member(const FieldPath& path, size_t first_optional, bool test);
  bool header_name(AstId id, std::string& header, bool& optional) const;
  [[nodiscard]] std::string dotted_name(AstId id) const;
  [[nodiscard]] const size_t* find_local(const std::string& name) const;
  [[nodiscard]] bool is_variable(const std::string& name) const;
  uint16_t slot(const FieldPath& path);

  // builder_calls.cc: functions and macros
  Built call(AstId id);
  Built known_call(const Function& function, std::vector<AstId> arguments);
  Built regex_call(const Function& function, std::vector<AstId> arguments);
  Built special_call(const AstNode& node, bool& done);
  Built lookup(const AstNode& node);
  Built unknown_function(const AstNode& node, const std::string& full_name);
  Built macro(const AstNode& node);

  // builder.cc: operators and literals
  Built literal(const Value& value);
  Built operation(const AstNode& node);
  Built binary(const AstNode& node, Built left, Built right);
  Built junction(const AstNode& node);
  Built conditional(const AstNode& node);
  Built literal_of(const AstNode& node, Kind type, double cost);
  Built folded(Built built);
  Built checked(const AstNode& node, Built built);

  Built failed(const AstNode& node, std::string message);
  // A mistake that an evaluator without declarations finds only when it runs.
  Built mistake(const AstNode& node, ErrorKind kind, const std::string& message);

  const Ast& ast_;
  const CompileOptions& options_;
  FieldPlan& plan_;
  const TableSet* tables_;
  const Environment& environment_;
  Arena& constants_;
  std::vector<CompileError>& errors_;

  struct LocalName {
    std::string name;
    size_t index;
    double bytes;  // worst size of its value
  };
  std::vector<LocalName> scope_;
  std::vector<FieldPath> fields_;
  size_t locals_ = 0;
  double total_runs_ = 1;  // of those macros' loops
  double once_ = 0;        // cost that arises once, however often the node runs that it belongs to
  uint32_t loops_ = 0;     // macros around the node that is built
  bool metered_ = false;
};

}  // namespace millrace::expr
