// What the tests of the JSON parts share: a decoder with its plan, and records that end where their memory ends.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "expr/decoder.h"
#include "expr/field_plan.h"

namespace millrace::expr {

// Bytes with nothing readable behind them, so that the address sanitizer sees a read past their end.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
    std::copy(text.begin(), text.end(), bytes_.get());
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

class JsonFixture {
 public:
  explicit JsonFixture(const std::vector<FieldPath>& read, const std::vector<FieldPath>& spans = {},
                       const DecodeLimits& limits = {}) {
    for (const FieldPath& path : read) plan.slot(path);
    for (const FieldPath& path : spans) plan.slot_with_span(path);
    decoder = make_decoder(Format::json, plan, limits);
    encoder = make_encoder(Format::json, plan);
  }

  RejectReason decode(std::string_view text) {
    bytes.push_back(std::make_unique<ExactBytes>(text));
    last = decoder->decode(bytes.back()->view(), arena, record);
    return last.reason;
  }
  // Gives back what the records so far took.
  void forget() {
    bytes.clear();
    arena.reset();
  }
  Value field(const FieldPath& path) { return record.fields[plan.slot(path)]; }
  FieldSpan span(const FieldPath& path) { return record.spans[plan.slot_with_span(path)]; }

  FieldPlan plan;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Encoder> encoder;
  Arena arena;
  std::vector<std::unique_ptr<ExactBytes>> bytes;
  DecodedRecord record;
  DecodeResult last;
};

inline std::string json_of(const Value& value, Arena& arena) {
  const JsonText json = to_json(value, arena);
  return json.error == ErrorKind::none ? std::string(json.text) : "(" + std::string(to_string(json.error)) + ")";
}

}  // namespace millrace::expr
