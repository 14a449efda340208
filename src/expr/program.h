// Compiler and Program: the text of a CEL expression becomes something that runs on records.
//
// The Compiler belongs to whoever loads the YAML (main thread). A Program is immutable and shared by all workers; each
// worker brings its own Evaluator (scratch memory, budgets, the last error).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "expr/field_plan.h"
#include "expr/value.h"
#include "record/record.h"

namespace millrace::expr {

class TableSet;  // expr/table.h

// What one evaluation sees.
struct Scope {
  const Record* record = nullptr;
  std::span<const Value> fields;  // the plan's slots for this record, overlay included
  int64_t now_ms = 0;             // the batch's time, the same for all its records
};

struct Limits {
  uint32_t max_length = 20'000;  // code points
  uint32_t max_nodes = 10'000;
  uint32_t max_depth = 64;
  uint32_t max_comprehension_nesting = 2;
  uint64_t max_static_cost = 10'000'000;
  bool dynamic_patterns = false;
  uint32_t regex_max_program_size = 1'000;
  uint64_t regex_max_memory_bytes = 8 * 1024 * 1024;
  uint32_t regex_max_patterns = 5'000;  // rules that are tried together as one set
  uint64_t max_cost = 100'000;
  uint64_t max_iterations = 10'000;
  uint64_t max_result_bytes = 1024 * 1024;
  uint64_t max_record_bytes = 1024 * 1024;  // for the static cost
};

struct CompileOptions {
  Limits limits;
  bool strict_arithmetic = false;  // mixed int/uint/double operands are errors, as in the CEL definition
};

// What went wrong in an expression's text, by offset in bytes, so that the caller can name line and column.
struct CompileError {
  size_t offset = 0;
  size_t length = 0;
  std::string message;
};

enum class Truth : uint8_t { no, yes, error };

class Evaluator {
 public:
  explicit Evaluator(Arena& arena);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  [[nodiscard]] Arena& arena() { return *arena_; }
  // Points made values to another arena (a new batch).
  void use_arena(Arena& arena) { arena_ = &arena; }

  // Of the last evaluation that failed.
  [[nodiscard]] ErrorKind error_kind() const { return error_kind_; }
  // A sentence for people, built on demand: "no such field: 'delta'".
  [[nodiscard]] std::string error_text() const;

  struct State;  // private to the evaluator's implementation
  [[nodiscard]] State& state() { return *state_; }
  void set_error(ErrorKind kind) { error_kind_ = kind; }

 private:
  Arena* arena_;
  ErrorKind error_kind_ = ErrorKind::none;
  std::unique_ptr<State> state_;
};

class Program {
 public:
  virtual ~Program() = default;

  // A condition. A result that is no bool is an error (no_such_overload), never silently false.
  virtual Truth test(const Scope& scope, Evaluator& evaluator) const = 0;

  // A value. Kind::error when it failed: the evaluator knows more. An expression whose result is an optional gives the
  // value inside, or Kind::absent for none.
  virtual Value evaluate(const Scope& scope, Evaluator& evaluator) const = 0;

  // For `millrace eval --explain`: type, projected fields, compiled form, worst-case cost.
  [[nodiscard]] virtual std::string explain() const = 0;
};

// Rules tried in order, as one thing: equality rules on one field become a table, regexes on one field one set.
class RuleSet {
 public:
  virtual ~RuleSet() = default;
  static constexpr int kNone = -1;
  static constexpr int kError = -2;  // the rule that had to be decided failed
  // The index of the first rule that holds, kNone or kError. `failed_rule` is set with kError.
  virtual int first_match(const Scope& scope, Evaluator& evaluator, int& failed_rule) const = 0;
};

enum class Want : uint8_t { condition, value };

class Compiler {
 public:
  // `plan` grows with each expression; `tables` may be null (then lookup() is an error) and must outlive the programs.
  Compiler(const CompileOptions& options, FieldPlan& plan, const TableSet* tables);
  ~Compiler();

  // Null when `errors` got entries. A constant condition that is no bool is an error here already.
  std::unique_ptr<const Program> compile(std::string_view text, Want want, std::vector<CompileError>& errors);

  // `texts` are conditions; errors name the text by its index. Null when there were errors.
  struct RuleError {
    size_t rule = 0;
    CompileError error;
  };
  std::unique_ptr<const RuleSet> compile_rules(std::span<const std::string> texts, std::vector<RuleError>& errors);

  [[nodiscard]] FieldPlan& plan() { return plan_; }
  [[nodiscard]] const CompileOptions& options() const { return options_; }

 private:
  const CompileOptions options_;
  FieldPlan& plan_;
  const TableSet* tables_;
};

}  // namespace millrace::expr
