// Decoder and Encoder: the seam of formats. A decoder gives the members of a value to expressions, an encoder takes a
// value with edits and gives the bytes to send. JSON and bytes exist; Avro and text bring their own.
//
// One instance for each worker (they keep scratch memory); used by that worker only. Pure: same bytes, same answer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "expr/field_plan.h"
#include "expr/value.h"
#include "record/reject.h"

namespace millrace::expr {

enum class Format : uint8_t { bytes, json };
enum class DuplicateKeys : uint8_t { first, last, reject };

struct DecodeLimits {
  size_t max_record_bytes = 1024 * 1024;
  size_t max_json_depth = 64;
  DuplicateKeys duplicate_keys = DuplicateKeys::last;
};

// Where a member stands in the value's text: offsets from its start. Not present: key_begin == value_end == 0.
struct FieldSpan {
  uint32_t key_begin = 0;  // the opening quote of the key
  uint32_t value_begin = 0;
  uint32_t value_end = 0;
  bool repeated = false;  // the key stands in its object more than once; this is the place that counts
  [[nodiscard]] bool present() const { return value_end != 0; }
};

// What the decoder made of a value; in the arena of the batch.
struct DecodedRecord {
  std::string_view text;       // the value's bytes, as spans count them
  std::span<Value> fields;     // one for each slot; Kind::absent where the record has no such member
  std::span<FieldSpan> spans;  // one for each slot, filled where the plan asks; empty when it never does
};

struct DecodeResult {
  RejectReason reason = RejectReason::none;
  std::string detail;  // built only when rejected; no record content beyond positions
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // `value` may be null bytes (data() == nullptr): a tombstone, whose fields are all absent and whose root is null.
  virtual DecodeResult decode(std::string_view value, Arena& arena, DecodedRecord& into) = 0;
};

// `plan` and `limits` must outlive the decoder.
std::unique_ptr<Decoder> make_decoder(Format format, const FieldPlan& plan, const DecodeLimits& limits);

// One change of a value's text. At most one edit for each slot in a list; see Overlay.
struct Edit {
  uint16_t slot = 0;  // the path, by its slot in the plan
  bool remove = false;
  std::string_view json;  // the new member's text, already encoded (in the arena); empty with `remove`
};

// The value's text with `edits` spliced in; every other byte as it was. Objects on the way that are missing are made.
// Fails (a reason is set) when something on the way to a new member is there and no object. The result is in `arena`.
struct EncodeResult {
  RejectReason reason = RejectReason::none;
  std::string detail;
  std::string_view bytes;
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual EncodeResult encode(const DecodedRecord& record, std::span<const Edit> edits, Arena& arena) = 0;
};

// Null for formats that have no encoder (bytes): decorating a value is then a config error.
std::unique_ptr<Encoder> make_encoder(Format format, const FieldPlan& plan);

// The value as JSON text in the arena. Ints as JSON numbers, timestamps RFC 3339, durations "1.5s", bytes base64; NaN
// and infinity are ErrorKind::not_json. A json_array or json_object is passed on as it stands.
struct JsonText {
  ErrorKind error = ErrorKind::none;
  std::string_view text;
};
JsonText to_json(const Value& value, Arena& arena);

// Text of a JSON document as a Value, all of it (lists and maps in the arena). ErrorKind::not_json when it is none.
Value from_json(std::string_view text, Arena& arena);

// One level of an unread JSON array or object becomes a list or a map whose nested arrays and objects stay unread.
// The text was checked by the decoder for structure only: broken content gives an error value.
Value expand_json(const Value& unread, Arena& arena);

}  // namespace millrace::expr
