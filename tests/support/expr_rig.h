// ExprRig: one record and an expression on it, with the answer as text. For tests; single thread.
#pragma once

#include <string>
#include <vector>

#include "expr/decoder.h"
#include "expr/program.h"
#include "expr/table.h"
#include "expr/value_ops.h"

namespace millrace::test {

class ExprRig {
 public:
  ExprRig() {
    record.origin = &origin_;
    record.offset = 42;
    record.timestamp_ms = 1704067200250;
  }

  // The result's text; "kind: text" of an error; "absent".
  std::string text(const std::string& expression) {
    expr::FieldPlan plan;
    expr::Compiler compiler(options, plan, tables);
    std::vector<expr::CompileError> errors;
    const auto program = compiler.compile(expression, expr::Want::value, errors);
    if (program == nullptr) return errors_text(errors);
    const expr::Scope scope = scope_for(plan);
    if (!rejected_.empty()) return rejected_;
    expr::Evaluator evaluator(arena_);
    const expr::Value result = program->evaluate(scope, evaluator);
    if (result.is_error()) return std::string(to_string(evaluator.error_kind())) + ": " + evaluator.error_text();
    return expr::value_text(result, arena_);
  }

  std::string load_error(const std::string& expression, expr::Want want) {
    expr::FieldPlan plan;
    expr::Compiler compiler(options, plan, tables);
    std::vector<expr::CompileError> errors;
    return compiler.compile(expression, want, errors) != nullptr ? "" : errors_text(errors);
  }

  int first_match(const std::vector<std::string>& rules) {
    expr::FieldPlan plan;
    expr::Compiler compiler(options, plan, tables);
    std::vector<expr::Compiler::RuleError> errors;
    const auto set = compiler.compile_rules(rules, errors);
    if (set == nullptr) return -100;
    const expr::Scope scope = scope_for(plan);
    expr::Evaluator evaluator(arena_);
    return set->first_match(scope, evaluator, failed_rule);
  }

  expr::CompileOptions options;
  const expr::TableSet* tables = nullptr;
  Record record;
  std::string value = "{}";
  bool tombstone = false;
  int failed_rule = -1;

 private:
  static std::string errors_text(const std::vector<expr::CompileError>& errors) {
    std::string text;
    for (const expr::CompileError& error : errors) {
      text += (text.empty() ? "" : "\n") + std::to_string(error.offset) + "+" + std::to_string(error.length) + ": " +
              error.message;
    }
    return text;
  }

  // Bytes of the value go into the arena, which keeps the padding that the JSON reader wants.
  expr::Scope scope_for(const expr::FieldPlan& plan) {
    record.value = tombstone ? Bytes() : Bytes(arena_.copy(value));
    decoder_ = expr::make_decoder(expr::Format::json, plan, limits_);
    const expr::DecodeResult result =
        decoder_->decode(tombstone ? std::string_view() : record.value.view(), arena_, decoded_);
    rejected_ = result.reason == RejectReason::none ? "" : "rejected: " + result.detail;
    return {&record, decoded_.fields, 1704067210000};
  }

  Arena arena_;
  Origin origin_{"edits", 3, 0};
  expr::DecodeLimits limits_;
  std::unique_ptr<expr::Decoder> decoder_;
  expr::DecodedRecord decoded_;
  std::string rejected_;
};

}  // namespace millrace::test
