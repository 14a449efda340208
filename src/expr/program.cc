#include "expr/program.h"

#include <fmt/core.h>

#include <algorithm>

#include "expr/builder.h"
#include "expr/compiled.h"
#include "expr/parser.h"
#include "expr/rules.h"
#include "expr/value_ops.h"

namespace millrace::expr {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::none:
      return "none";
    case ErrorKind::no_such_field:
      return "no_such_field";
    case ErrorKind::no_such_overload:
      return "no_such_overload";
    case ErrorKind::divide_by_zero:
      return "divide_by_zero";
    case ErrorKind::overflow:
      return "overflow";
    case ErrorKind::out_of_range:
      return "out_of_range";
    case ErrorKind::invalid_argument:
      return "invalid_argument";
    case ErrorKind::duplicate_key:
      return "duplicate_key";
    case ErrorKind::not_json:
      return "not_json";
    case ErrorKind::cost_exceeded:
      return "cost_exceeded";
    case ErrorKind::iterations_exceeded:
      return "iterations_exceeded";
    case ErrorKind::result_too_large:
      return "result_too_large";
  }
  return "none";
}

Evaluator::Evaluator(Arena& arena) : arena_(&arena), state_(std::make_unique<State>()) {}
Evaluator::~Evaluator() = default;

std::string Evaluator::error_text() const {
  if (error_kind_ == ErrorKind::none) return "";
  const ErrorNote& note = state_->note;
  if (note.kind != error_kind_) return std::string(to_string(error_kind_));
  std::string text;
  std::string_view rest = note.text;
  const Value* next = &note.first;
  while (!rest.empty()) {
    const size_t hole = rest.find("{}");
    text += rest.substr(0, hole);
    if (hole == std::string_view::npos) break;
    text += value_for_message(*next);
    next = &note.second;
    rest.remove_prefix(hole + 2);
  }
  return text;
}

void CompiledProgram::prepare(Evaluator& evaluator) const {
  Evaluator::State& state = evaluator.state();
  if (state.locals.size() < locals_) state.locals.resize(locals_);
  state.cost_left = limits_.max_cost;
  state.iterations_left = limits_.max_iterations;
  state.bytes_left = limits_.max_result_bytes;
  state.opened.fill({});
}

Truth CompiledProgram::test(const Scope& scope, Evaluator& evaluator) const {
  if (metered_ || locals_ > 0) prepare(evaluator);
  Frame frame(scope, evaluator);
  const Truth truth = root_->test(frame);
  if (truth == Truth::error) evaluator.set_error(frame.state.note.kind);
  return truth;
}

Value CompiledProgram::run(const Scope& scope, Evaluator& evaluator, std::span<const Value> bound) const {
  if (metered_ || locals_ > 0) prepare(evaluator);
  Frame frame(scope, evaluator, bound);
  const Value value = root_->eval(frame);
  if (value.is_error()) evaluator.set_error(value.error_kind());
  return value;
}

Value CompiledProgram::evaluate(const Scope& scope, Evaluator& evaluator) const {
  const Value value = run(scope, evaluator, {});
  if (!value.is(Kind::optional)) return value;
  return value.inside() == nullptr ? Value() : *value.inside();
}

std::string CompiledProgram::explain() const {
  std::string fields;
  for (const FieldPath& path : fields_) {
    fields += fields.empty() ? "" : ", ";
    fields += "value";
    for (const std::string& name : path) fields += "." + name;
  }
  return fmt::format("expression: {}\ntype:       {}\nfields:     {}\ncompiled:   {}\ncost:       at most {} units{}\n",
                     print_source(ast_, ast_.root), type_ == Kind::absent ? "dyn" : kind_name(type_),
                     fields.empty() ? "none" : fields, root_->describe(), static_cast<uint64_t>(cost_),
                     metered_ ? ", counted while it runs" : ", known at load: nothing is counted while it runs");
}

// Fills a CompiledProgram; apart from it, nobody does.
class ProgramMaker {
 public:
  static std::unique_ptr<const CompiledProgram> make(std::string_view text, Want want, const CompileOptions& options,
                                                     FieldPlan& plan, const TableSet* tables,
                                                     const Environment& environment,
                                                     std::vector<CompileError>& errors) {
    auto program = std::make_unique<CompiledProgram>();
    program->text_ = std::string(text);
    program->limits_ = options.limits;
    CompileError error;
    if (!parse(program->text_, options.limits, program->ast_, error)) {
      errors.push_back(error);
      return nullptr;
    }
    const size_t before = errors.size();
    Builder builder(program->ast_, options, plan, tables, environment, program->constants_, errors);
    Built built = builder.build(program->ast_.root);
    if (errors.size() > before) return nullptr;
    if (want == Want::condition && built.type != Kind::absent && built.type != Kind::boolean) {
      const AstNode& root = program->ast_.at(program->ast_.root);
      errors.push_back({root.offset, root.length,
                        "a condition must be true or false; this is of type " + std::string(kind_name(built.type))});
      return nullptr;
    }
    program->root_ = std::move(built.node);
    program->type_ = built.type;
    program->cost_ = built.cost + builder.once();
    program->fields_ = builder.fields();
    program->locals_ = builder.locals();
    program->metered_ = builder.metered();
    return program;
  }
};

std::unique_ptr<const CompiledProgram> compile_program(std::string_view text, Want want, const CompileOptions& options,
                                                       FieldPlan& plan, const TableSet* tables,
                                                       const Environment& environment,
                                                       std::vector<CompileError>& errors) {
  return ProgramMaker::make(text, want, options, plan, tables, environment, errors);
}

Compiler::Compiler(const CompileOptions& options, FieldPlan& plan, const TableSet* tables)
    : options_(options), plan_(plan), tables_(tables) {}
Compiler::~Compiler() = default;

std::unique_ptr<const Program> Compiler::compile(std::string_view text, Want want, std::vector<CompileError>& errors) {
  return compile_program(text, want, options_, plan_, tables_, Environment(), errors);
}

std::unique_ptr<const RuleSet> Compiler::compile_rules(std::span<const std::string> texts,
                                                       std::vector<RuleError>& errors) {
  std::vector<std::unique_ptr<const CompiledProgram>> rules;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<CompileError> found;
    rules.push_back(compile_program(texts[i], Want::condition, options_, plan_, tables_, Environment(), found));
    for (CompileError& error : found) errors.push_back({i, std::move(error)});
  }
  if (!errors.empty()) return nullptr;
  return make_rule_set(std::move(rules), options_.limits);
}

}  // namespace millrace::expr
