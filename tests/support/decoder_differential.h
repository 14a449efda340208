// One record read by two decoders, one of which has learned from other records: both must say the same. For property
// tests and fuzzing; single thread.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "expr/decoder.h"
#include "expr/field_plan.h"

namespace millrace::test {

inline std::string decoded_text(expr::Decoder& decoder, std::string_view json, Arena& arena) {
  using namespace expr;
  DecodedRecord decoded;
  const DecodeResult result = decoder.decode(json, arena, decoded);
  std::string text = fmt::format("{} {}\n", to_string(result.reason), result.detail);
  for (const Value& field : decoded.fields) {
    const JsonText shown = to_json(field, arena);
    text += fmt::format("{} {}\n", static_cast<int>(field.kind()), shown.text);
  }
  for (const FieldSpan& span : decoded.spans) {
    text += fmt::format("{} {} {} {}\n", span.key_begin, span.value_begin, span.value_end, span.repeated);
  }
  return text;
}

// Empty when a decoder that has read `before` (twice, so that it knows it well) says the same of `json` as a new one.
inline std::string learned_differs(std::string_view before, std::string_view json, const expr::FieldPlan& plan,
                                   const expr::DecodeLimits& limits) {
  Arena arena;
  const auto learned = expr::make_decoder(expr::Format::json, plan, limits);
  decoded_text(*learned, before, arena);
  decoded_text(*learned, before, arena);
  const std::string got = decoded_text(*learned, json, arena);
  const auto fresh = expr::make_decoder(expr::Format::json, plan, limits);
  const std::string wanted = decoded_text(*fresh, json, arena);
  if (got == wanted) return "";
  return fmt::format("after {}\nof {}\nlearned: {}fresh: {}", before, json, got, wanted);
}

}  // namespace millrace::test
