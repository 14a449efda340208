// Value: one CEL value in 16 bytes. Trivially copyable; what it points to lives in the record or in the batch's arena,
// and outlives every use of the value. Used by the worker that owns the batch.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/check.h"

namespace millrace::expr {

enum class Kind : uint8_t {
  absent,  // a field that the record does not have; never the result of an expression
  null,
  boolean,
  integer,   // int64
  uinteger,  // uint64
  floating,  // double
  string,    // UTF-8
  bytes,
  list,         // `count()` values at `items()`
  map,          // `count()` entries at `entries()`, keys unique
  json_array,   // the unread text of a JSON array; a list to the user
  json_object,  // the unread text of a JSON object; a map to the user
  timestamp,    // seconds since 1970 and nanoseconds
  duration,     // nanoseconds
  type,         // a type's name
  optional,     // `pointer()` is the value inside, or null for none
  opaque,       // ip, cidr, url: what the library of functions makes of it
  error,        // an evaluation that failed: error_kind()
};

// What can go wrong while an expression runs. Fixed set: they are metric labels.
enum class ErrorKind : uint8_t {
  none,
  no_such_field,     // a member, key or variable that is not there
  no_such_overload,  // an operator or function on values of the wrong type
  divide_by_zero,
  overflow,
  out_of_range,      // an index, a conversion, a date beyond its range
  invalid_argument,  // text that does not parse, a bad format, a bad pattern
  duplicate_key,     // a map literal with a repeated key
  not_json,          // a value that JSON cannot hold (NaN, infinity), or text that is not JSON
  cost_exceeded,
  iterations_exceeded,
  result_too_large,
};
inline constexpr size_t kErrorKindCount = static_cast<size_t>(ErrorKind::result_too_large) + 1;
std::string_view to_string(ErrorKind kind);

struct MapEntry;

class Value {
 public:
  Value() : kind_(Kind::absent) { payload_.integer = 0; }

  static Value null() { return Value(Kind::null); }
  static Value boolean(bool value) {
    Value v(Kind::boolean);
    v.payload_.integer = value ? 1 : 0;
    return v;
  }
  static Value integer(int64_t value) {
    Value v(Kind::integer);
    v.payload_.integer = value;
    return v;
  }
  static Value uinteger(uint64_t value) {
    Value v(Kind::uinteger);
    v.payload_.uinteger = value;
    return v;
  }
  static Value floating(double value) {
    Value v(Kind::floating);
    v.payload_.floating = value;
    return v;
  }
  static Value string(std::string_view text) { return Value(Kind::string, text); }
  static Value bytes(std::string_view data) { return Value(Kind::bytes, data); }
  // `tag` says which of two equal keys counts in the objects of this text (expr/json_text.h); 0: the last.
  static Value json_array(std::string_view text, uint16_t tag = 0) { return Value(Kind::json_array, text, tag); }
  static Value json_object(std::string_view text, uint16_t tag = 0) { return Value(Kind::json_object, text, tag); }
  static Value type(std::string_view name) { return Value(Kind::type, name); }
  static Value list(const Value* items, uint32_t count) {
    Value v(Kind::list);
    v.size_ = count;
    v.payload_.pointer = items;
    return v;
  }
  static Value map(const MapEntry* entries, uint32_t count) {
    Value v(Kind::map);
    v.size_ = count;
    v.payload_.pointer = entries;
    return v;
  }
  static Value timestamp(int64_t seconds, uint32_t nanos) {
    Value v(Kind::timestamp);
    v.size_ = nanos;
    v.payload_.integer = seconds;
    return v;
  }
  static Value duration(int64_t nanos) {
    Value v(Kind::duration);
    v.payload_.integer = nanos;
    return v;
  }
  static Value optional_none() { return Value(Kind::optional); }
  static Value optional_of(const Value* inside) {
    Value v(Kind::optional);
    v.payload_.pointer = inside;
    return v;
  }
  static Value opaque(uint16_t tag, const void* object) {
    Value v(Kind::opaque);
    v.tag_ = tag;
    v.payload_.pointer = object;
    return v;
  }
  static Value error(ErrorKind kind) {
    Value v(Kind::error);
    v.tag_ = static_cast<uint16_t>(kind);
    return v;
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is(Kind kind) const { return kind_ == kind; }
  [[nodiscard]] bool is_error() const { return kind_ == Kind::error; }
  [[nodiscard]] bool is_absent() const { return kind_ == Kind::absent; }

  [[nodiscard]] bool as_bool() const { return payload_.integer != 0; }
  [[nodiscard]] int64_t as_int() const { return payload_.integer; }
  [[nodiscard]] uint64_t as_uint() const { return payload_.uinteger; }
  [[nodiscard]] double as_double() const { return payload_.floating; }
  // Of string, bytes, json_array, json_object, type.
  [[nodiscard]] std::string_view text() const { return {static_cast<const char*>(payload_.pointer), size_}; }
  [[nodiscard]] uint32_t count() const { return size_; }
  [[nodiscard]] const Value* items() const { return static_cast<const Value*>(payload_.pointer); }
  [[nodiscard]] const MapEntry* entries() const { return static_cast<const MapEntry*>(payload_.pointer); }
  [[nodiscard]] int64_t seconds() const { return payload_.integer; }
  [[nodiscard]] uint32_t nanos() const { return size_; }
  [[nodiscard]] int64_t duration_ns() const { return payload_.integer; }
  [[nodiscard]] const void* pointer() const { return payload_.pointer; }
  [[nodiscard]] const Value* inside() const { return static_cast<const Value*>(payload_.pointer); }
  [[nodiscard]] uint16_t tag() const { return tag_; }
  [[nodiscard]] ErrorKind error_kind() const { return static_cast<ErrorKind>(tag_); }

 private:
  explicit Value(Kind kind) : kind_(kind) { payload_.integer = 0; }
  Value(Kind kind, std::string_view text, uint16_t tag = 0)
      : kind_(kind), tag_(tag), size_(static_cast<uint32_t>(text.size())) {
    payload_.pointer = text.data() != nullptr ? text.data() : "";
  }

  Kind kind_;
  [[maybe_unused]] uint8_t unused_ = 0;
  uint16_t tag_ = 0;
  uint32_t size_ = 0;
  union {
    int64_t integer;
    uint64_t uinteger;
    double floating;
    const void* pointer;
  } payload_;
};

static_assert(sizeof(Value) == 16);

struct MapEntry {
  Value key;
  Value value;
};

}  // namespace millrace::expr
