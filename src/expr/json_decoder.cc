// The decoders of the formats `json` and `bytes`.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "expr/decoder.h"
#include "expr/json_walk.h"

namespace millrace::expr {

namespace {

using Stage1 = simdjson::internal::dom_parser_implementation;

// Index memory (4 bytes a byte of the record) that a decoder keeps; for larger records it is taken and given back.
constexpr size_t kKeptCapacity = 1024 * 1024;

// The records of a batch lie one behind the other in a fetched message set, so what stands behind a value is likely to
// be read next. The processor's own prefetching does not reach over the work between two records; reading from memory
// would be a third of the time. Wrong guesses cost next to nothing, and no address is ever wrong for a prefetch.
constexpr size_t kCacheLine = 64;
constexpr size_t kMostPrefetched = 4096;

inline void prefetch_behind(std::string_view value) {
  const char* const from = value.data() + value.size();
  const size_t bytes = std::min(value.size() + kCacheLine, kMostPrefetched);
  for (size_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(from + at);
}

std::unique_ptr<Stage1> make_stage1(size_t capacity) {
  std::unique_ptr<Stage1> made;
  const simdjson::error_code error =
      simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, made);
  CHECK_MSG(error == simdjson::SUCCESS, simdjson::error_message(error));
  return made;
}

int32_t root_slot(const FieldPlan& plan) {
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan.wanted()[i].path.empty()) return static_cast<int32_t>(i);
  }
  return -1;
}

// Whether some stage writes into the value. Then decoded records have spans, even where none of them is filled, and
// whoever finds none knows that the value was not decoded.
bool wants_spans(const FieldPlan& plan) {
  return std::any_of(plan.wanted().begin(), plan.wanted().end(),
                     [](const auto& wanted) { return wanted.span || !wanted.read; });
}

void prepare(std::string_view value, size_t slots, bool spans, Arena& arena, DecodedRecord& into) {
  into.text = value;
  into.fields = arena.make_array<Value>(slots);
  into.spans = arena.make_array<FieldSpan>(spans ? slots : 0);
}

class JsonDecoder final : public Decoder {
 public:
  JsonDecoder(const FieldPlan& plan, const DecodeLimits& limits)
      : limits_(limits), slots_(plan.size()), spans_(wants_spans(plan)), root_(root_slot(plan)), walk_(plan, limits) {}

  DecodeResult decode(std::string_view value, Arena& arena, DecodedRecord& into) override {
    prepare(value, slots_, spans_, arena, into);
    if (value.data() == nullptr) {
      if (root_ >= 0) into.fields[static_cast<size_t>(root_)] = Value::null();
      return {};
    }
    if (value.size() > limits_.max_record_bytes || value.size() > UINT32_MAX / 2) {
      return {RejectReason::too_large,
              fmt::format("the value has {} bytes; the limit is {}", value.size(), limits_.max_record_bytes)};
    }
    DecodeResult result;
    if (!index(value) ||
        !walk_.run(value, stage1_->structural_indexes.get(), stage1_->n_structural_indexes, arena, into)) {
      result = describe(value);
      std::fill(into.fields.begin(), into.fields.end(), Value());
      std::fill(into.spans.begin(), into.spans.end(), FieldSpan());
    }
    if (stage1_->capacity() > kKeptCapacity) stage1_.reset();
    return result;
  }

 private:
  bool index(std::string_view value) {
    if (stage1_ == nullptr || stage1_->capacity() < value.size()) {
      size_t capacity = 16 * 1024;
      while (capacity < value.size()) capacity *= 2;
      stage1_ = make_stage1(capacity);
    }
    stage1_error_ = simdjson::EMPTY;
    if (!value.empty()) {
      prefetch_behind(value);
      stage1_error_ =
          stage1_->stage1(reinterpret_cast<const uint8_t*>(value.data()), value.size(), simdjson::stage1_mode::regular);
    }
    return stage1_error_ == simdjson::SUCCESS;
  }

  [[nodiscard]] DecodeResult describe(std::string_view value) const {
    switch (stage1_error_) {
      case simdjson::SUCCESS:
        break;
      case simdjson::EMPTY:
        return {RejectReason::not_decodable, "not JSON: the value is empty"};
      case simdjson::UTF8_ERROR:
        return {RejectReason::not_decodable, "not JSON: the value is not UTF-8"};
      case simdjson::UNCLOSED_STRING:
        return {RejectReason::not_decodable, "not JSON: a string is not closed"};
      case simdjson::UNESCAPED_CHARS:
        return {RejectReason::not_decodable, "not JSON: a control character in a string"};
      default:
        return {RejectReason::not_decodable, fmt::format("not JSON: {}", simdjson::error_message(stage1_error_))};
    }
    if (value.substr(0, 3) == "\xEF\xBB\xBF") {
      return {RejectReason::not_decodable, "not JSON: the value begins with a byte order mark"};
    }
    const JsonWalk::Failure& failure = walk_.failure();
    const char* prefix = failure.reason == RejectReason::not_decodable ? "not JSON: " : "";
    return {failure.reason, fmt::format("{}{} at byte {}", prefix, failure.what, failure.at)};
  }

  const DecodeLimits limits_;
  const size_t slots_;
  const bool spans_;
  const int32_t root_;
  std::unique_ptr<Stage1> stage1_;
  simdjson::error_code stage1_error_ = simdjson::SUCCESS;
  JsonWalk walk_;
};

class BytesDecoder final : public Decoder {
 public:
  BytesDecoder(const FieldPlan& plan, const DecodeLimits& limits)
      : max_bytes_(limits.max_record_bytes), slots_(plan.size()), root_(root_slot(plan)) {}

  DecodeResult decode(std::string_view value, Arena& arena, DecodedRecord& into) override {
    prepare(value, slots_, false, arena, into);
    if (value.size() > max_bytes_) {
      return {RejectReason::too_large,
              fmt::format("the value has {} bytes; the limit is {}", value.size(), max_bytes_)};
    }
    if (root_ >= 0) {
      into.fields[static_cast<size_t>(root_)] = value.data() == nullptr ? Value::null() : Value::bytes(value);
    }
    return {};
  }

 private:
  const size_t max_bytes_;
  const size_t slots_;
  const int32_t root_;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(Format format, const FieldPlan& plan, const DecodeLimits& limits) {
  switch (format) {
    case Format::json:
      return std::make_unique<JsonDecoder>(plan, limits);
    case Format::bytes:
      return std::make_unique<BytesDecoder>(plan, limits);
  }
  CHECK_MSG(false, "an unknown format");
}

}  // namespace millrace::expr
