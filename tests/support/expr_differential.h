// One expression on one JSON record in two ways: on fields projected by the decoder, and on the whole document read at
// once. Both must give the same. For property tests and fuzzing; single thread.
#pragma once

#include <string>
#include <string_view>

#include "expr/compiled.h"
#include "expr/decoder.h"
#include "expr/value_ops.h"

namespace millrace::test {

// Empty when both ways agree, or when the expression or the record is none.
inline std::string projection_differs(std::string_view expression, std::string_view json) {
  using namespace expr;
  Arena arena;
  CompileOptions options;
  options.limits.max_cost = 50'000'000;
  options.limits.max_static_cost = UINT64_MAX;
  options.limits.dynamic_patterns = true;
  FieldPlan plan;
  std::vector<CompileError> errors;
  Environment projected;
  projected.lenient = true;
  Environment whole = projected;
  whole.bound = {"value", "message"};  // found before the record's own, so that no slot is used
  const auto fast = compile_program(expression, Want::value, options, plan, nullptr, projected, errors);
  const auto slow = compile_program(expression, Want::value, options, plan, nullptr, whole, errors);
  if (fast == nullptr || slow == nullptr) return (fast == nullptr) == (slow == nullptr) ? "" : "compiles only one way";

  DecodeLimits limits;
  limits.duplicate_keys = DuplicateKeys::reject;
  const auto decoder = make_decoder(Format::json, plan, limits);
  DecodedRecord decoded;
  const std::string_view text = arena.copy(json);
  if (decoder->decode(text, arena, decoded).reason != RejectReason::none) return "";
  const Value document = from_json(text, arena);
  if (document.is_error()) return "";

  Record record;
  record.value = Bytes(text);
  const Scope scope{&record, decoded.fields, 0};
  Evaluator fast_evaluator(arena);
  Evaluator slow_evaluator(arena);
  const Value a = fast->run(scope, fast_evaluator, {});
  const Value documents[] = {document, document};
  const Value b = slow->run(scope, slow_evaluator, documents);
  const auto limited = [](const Value& value) {
    return value.is_error() && value.error_kind() >= ErrorKind::cost_exceeded;
  };
  if (limited(a) || limited(b) || (a.is_error() && b.is_error())) return "";
  const bool nan = a.is(Kind::floating) && b.is(Kind::floating) && a.as_double() != a.as_double();
  const bool same = !a.is_error() && !b.is_error() && type_name(a) == type_name(b) &&
                    (nan || equal(a, b, arena) || value_text(a, arena) == value_text(b, arena));
  if (same) return "";
  const auto show = [&](const Value& value, const Evaluator& evaluator) {
    return value.is_error() ? "error " + evaluator.error_text() : value_text(value, arena);
  };
  return std::string(expression) + " on " + std::string(json) + ": projected " + show(a, fast_evaluator) + ", whole " +
         show(b, slow_evaluator);
}

}  // namespace millrace::test
