// Operators on values: arithmetic, selection, indexing, `in`. Errors are noted in the frame.
#include <cmath>
#include <limits>

#include "expr/ast.h"
#include "expr/json_text.h"
#include "expr/node.h"
#include "expr/time_text.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

Value overflow(Frame& frame, const Value& a, const Value& b) {
  return frame.fail(ErrorKind::overflow, "the result is out of range: {} and {}", a, b);
}

Value int_arithmetic(Frame& frame, Op op, const Value& left, const Value& right) {
  const int64_t a = left.as_int();
  const int64_t b = right.as_int();
  int64_t result = 0;
  switch (op) {
    case Op::add:
      if (__builtin_add_overflow(a, b, &result)) return overflow(frame, left, right);
      return Value::integer(result);
    case Op::subtract:
      if (__builtin_sub_overflow(a, b, &result)) return overflow(frame, left, right);
      return Value::integer(result);
    case Op::multiply:
      if (__builtin_mul_overflow(a, b, &result)) return overflow(frame, left, right);
      return Value::integer(result);
    default:
      break;
  }
  if (b == 0) return frame.fail(ErrorKind::divide_by_zero, "division of {} by zero", left);
  // The one quotient that does not fit traps in hardware, as does its remainder; both are errors of the definition.
  if (b == -1 && a == std::numeric_limits<int64_t>::min()) return overflow(frame, left, right);
  return Value::integer(op == Op::divide ? a / b : a % b);
}

Value uint_arithmetic(Frame& frame, Op op, const Value& left, const Value& right) {
  const uint64_t a = left.as_uint();
  const uint64_t b = right.as_uint();
  uint64_t result = 0;
  bool wrong = false;
  switch (op) {
    case Op::add:
      wrong = __builtin_add_overflow(a, b, &result);
      break;
    case Op::subtract:
      wrong = __builtin_sub_overflow(a, b, &result);
      break;
    case Op::multiply:
      wrong = __builtin_mul_overflow(a, b, &result);
      break;
    default:
      if (b == 0) return frame.fail(ErrorKind::divide_by_zero, "division of {} by zero", left);
      result = op == Op::divide ? a / b : a % b;
  }
  return wrong ? overflow(frame, left, right) : Value::uinteger(result);
}

Value double_arithmetic(Frame& frame, Op op, double a, double b) {
  switch (op) {
    case Op::add:
      return Value::floating(a + b);
    case Op::subtract:
      return Value::floating(a - b);
    case Op::multiply:
      return Value::floating(a * b);
    case Op::divide:
      return Value::floating(a / b);
    default:
      return frame.no_overload("there is no % for doubles");
  }
}

double to_double(const Value& value) {
  if (value.is(Kind::integer)) return static_cast<double>(value.as_int());
  if (value.is(Kind::uinteger)) return static_cast<double>(value.as_uint());
  return value.as_double();
}

// An operand of another number type is widened: to double when one is a double, else uint to int.
Value mixed_arithmetic(Frame& frame, Op op, const Value& a, const Value& b) {
  if (a.is(Kind::floating) || b.is(Kind::floating)) return double_arithmetic(frame, op, to_double(a), to_double(b));
  const Value& unsigned_one = a.is(Kind::uinteger) ? a : b;
  if (unsigned_one.as_uint() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return overflow(frame, a, b);
  return int_arithmetic(frame, op, Value::integer(a.as_int()), Value::integer(b.as_int()));
}

Value make_timestamp(Frame& frame, __int128 nanos, const Value& a, const Value& b) {
  __int128 seconds = nanos / kNanosPerSecond;
  __int128 rest = nanos % kNanosPerSecond;
  if (rest < 0) {
    rest += kNanosPerSecond;
    --seconds;
  }
  if (seconds < kMinSeconds || seconds > kMaxSeconds) return overflow(frame, a, b);
  return Value::timestamp(static_cast<int64_t>(seconds), static_cast<uint32_t>(rest));
}

__int128 nanos_of(const Value& timestamp) {
  return static_cast<__int128>(timestamp.seconds()) * kNanosPerSecond + timestamp.nanos();
}

Value time_arithmetic(Frame& frame, Op op, const Value& a, const Value& b) {
  const bool add = op == Op::add;
  if (a.is(Kind::duration) && b.is(Kind::duration)) {
    int64_t result = 0;
    const bool wrong = add ? __builtin_add_overflow(a.duration_ns(), b.duration_ns(), &result)
                           : __builtin_sub_overflow(a.duration_ns(), b.duration_ns(), &result);
    return wrong ? overflow(frame, a, b) : Value::duration(result);
  }
  if (a.is(Kind::timestamp) && b.is(Kind::duration)) {
    return make_timestamp(frame, nanos_of(a) + (add ? 1 : -1) * static_cast<__int128>(b.duration_ns()), a, b);
  }
  if (a.is(Kind::duration) && b.is(Kind::timestamp) && add) {
    return make_timestamp(frame, nanos_of(b) + a.duration_ns(), a, b);
  }
  if (a.is(Kind::timestamp) && b.is(Kind::timestamp) && !add) {
    const __int128 nanos = nanos_of(a) - nanos_of(b);
    if (nanos > INT64_MAX || nanos < INT64_MIN) return overflow(frame, a, b);
    return Value::duration(static_cast<int64_t>(nanos));
  }
  return frame.no_overload(add ? "no + for {} and {}" : "no - for {} and {}", a, b);
}

Value concatenate(Frame& frame, const Value& a, const Value& b) {
  if (a.is(b.kind()) && (a.is(Kind::string) || a.is(Kind::bytes))) {
    const size_t size = a.text().size() + b.text().size();
    if (!frame.pay(size / 10)) return frame.noted();
    char* to = frame.make_text(size);
    if (to == nullptr) return frame.noted();
    std::memcpy(to, a.text().data(), a.text().size());
    std::memcpy(to + a.text().size(), b.text().data(), b.text().size());
    const std::string_view made(to, size);
    return a.is(Kind::string) ? Value::string(made) : Value::bytes(made);
  }
  const Value left = expanded(a, frame.arena);
  const Value right = expanded(b, frame.arena);
  if (left.is_error()) return frame.fail(left.error_kind(), "a list does not parse");
  if (right.is_error()) return frame.fail(right.error_kind(), "a list does not parse");
  if (left.is(Kind::list) && right.is(Kind::list)) {
    const size_t count = size_t{left.count()} + right.count();
    if (!frame.pay(count)) return frame.noted();
    Value* items = frame.make_values(count);
    if (items == nullptr) return frame.noted();
    std::copy(left.items(), left.items() + left.count(), items);
    std::copy(right.items(), right.items() + right.count(), items + left.count());
    return Value::list(items, static_cast<uint32_t>(count));
  }
  return frame.no_overload("no + for {} and {}", a, b);
}

const char* no_operator_text(Op op) {
  switch (op) {
    case Op::multiply:
      return "no * for {} and {}";
    case Op::divide:
      return "no / for {} and {}";
    default:
      return "no % for {} and {}";
  }
}

}  // namespace

Value arithmetic(Frame& frame, Op op, const Value& a, const Value& b, bool strict) {
  if (a.is(Kind::integer) && b.is(Kind::integer)) return int_arithmetic(frame, op, a, b);
  if (is_number(a) && is_number(b)) {
    if (a.kind() == b.kind()) {
      return a.is(Kind::uinteger) ? uint_arithmetic(frame, op, a, b)
                                  : double_arithmetic(frame, op, a.as_double(), b.as_double());
    }
    if (!strict) return mixed_arithmetic(frame, op, a, b);
    return frame.no_overload("operands of different number types, with strict_arithmetic: {} and {}", a, b);
  }
  const bool time = a.is(Kind::duration) || a.is(Kind::timestamp);
  if (time && (op == Op::add || op == Op::subtract)) return time_arithmetic(frame, op, a, b);
  if (op == Op::add) return concatenate(frame, a, b);
  if (op == Op::subtract) return frame.no_overload("no - for {} and {}", a, b);
  return frame.no_overload(no_operator_text(op), a, b);
}

Value negate(Frame& frame, const Value& a) {
  if (a.is(Kind::integer)) {
    if (a.as_int() == std::numeric_limits<int64_t>::min()) return overflow(frame, a, a);
    return Value::integer(-a.as_int());
  }
  if (a.is(Kind::floating)) return Value::floating(-a.as_double());
  return frame.no_overload("no - for {}", a);
}

Value select_field(Frame& frame, const Value& operand, std::string_view field, bool optional) {
  if (operand.is_error()) return operand;
  if (operand.is(Kind::optional)) {
    if (operand.inside() == nullptr) return operand;
    return select_field(frame, *operand.inside(), field, true);
  }
  const Value map = expanded(operand, frame.arena);
  if (map.is_error()) return frame.fail(map.error_kind(), "an object does not parse");
  if (!map.is(Kind::map)) return frame.no_overload("{} has no fields, so no {}", operand, Value::string(field));
  const MapEntry* entry = find_entry(map, field);
  if (entry == nullptr) {
    if (optional) return Value::optional_none();
    return frame.fail(ErrorKind::no_such_field, "no such field: {}", Value::string(field));
  }
  return optional ? frame.made_optional(entry->value) : entry->value;
}

Truth has_field(Frame& frame, const Value& operand, std::string_view field) {
  if (operand.is_error()) return Truth::error;
  if (operand.is(Kind::optional)) {
    return operand.inside() == nullptr ? Truth::no : has_field(frame, *operand.inside(), field);
  }
  const Value map = expanded(operand, frame.arena);
  if (map.is_error()) {
    frame.fail(map.error_kind(), "an object does not parse");
    return Truth::error;
  }
  if (!map.is(Kind::map)) {
    frame.no_overload("{} has no fields, so no {}", operand, Value::string(field));
    return Truth::error;
  }
  return find_entry(map, field) != nullptr ? Truth::yes : Truth::no;
}

namespace {

// A list's index may be an int, a uint or a whole double.
bool list_index(const Value& key, int64_t& index) {
  switch (key.kind()) {
    case Kind::integer:
      index = key.as_int();
      return true;
    case Kind::uinteger:
      index = key.as_uint() > INT64_MAX ? INT64_MAX : static_cast<int64_t>(key.as_uint());
      return true;
    case Kind::floating:
      if (std::trunc(key.as_double()) != key.as_double() || std::fabs(key.as_double()) > 9e15) return false;
      index = static_cast<int64_t>(key.as_double());
      return true;
    default:
      return false;
  }
}

}  // namespace

Value select_index(Frame& frame, const Value& operand, const Value& key, bool optional) {
  if (operand.is_error()) return operand;
  if (key.is_error()) return key;
  if (operand.is(Kind::optional)) {
    if (operand.inside() == nullptr) return operand;
    return select_index(frame, *operand.inside(), key, true);
  }
  const Value whole = expanded(operand, frame.arena);
  if (whole.is_error()) return frame.fail(whole.error_kind(), "a value does not parse");
  if (whole.is(Kind::list)) {
    int64_t index = 0;
    if (!list_index(key, index)) {
      if (is_number(key)) return frame.fail(ErrorKind::invalid_argument, "a list has no element number {}", key);
      return frame.no_overload("an element of a list is named by its number, not by {}", key);
    }
    if (index < 0 || index >= whole.count()) {
      if (optional) return Value::optional_none();
      return frame.fail(ErrorKind::out_of_range, "a list of {} has no element number {}", Value::integer(whole.count()),
                        key);
    }
    return optional ? frame.made_optional(whole.items()[index]) : whole.items()[index];
  }
  if (!whole.is(Kind::map)) return frame.no_overload("{} is no list and no map, so [{}] means nothing", operand, key);
  if (!is_map_key(key) && !key.is(Kind::floating)) {
    return frame.no_overload("a map has no keys like {}", key);
  }
  const MapEntry* entry = find_entry(whole, key);
  if (entry == nullptr) {
    if (optional) return Value::optional_none();
    return frame.fail(ErrorKind::no_such_field, "no such key: {}", key);
  }
  return optional ? frame.made_optional(entry->value) : entry->value;
}

Truth ordered(Frame& frame, Op op, const Value& a, const Value& b) {
  const Ordering ordering = compare(a, b);
  bool holds = false;
  switch (ordering) {
    case Ordering::incomparable:
      frame.no_overload("{} and {} have no order", a, b);
      return Truth::error;
    case Ordering::unordered:
      return Truth::no;
    case Ordering::less:
      holds = op == Op::less || op == Op::less_equal;
      break;
    case Ordering::greater:
      holds = op == Op::greater || op == Op::greater_equal;
      break;
    case Ordering::equal:
      holds = op == Op::less_equal || op == Op::greater_equal;
      break;
  }
  return holds ? Truth::yes : Truth::no;
}

namespace {

// An array that nobody has opened is read up to the element that is looked for; no list is made of it.
Truth unread_contains(Frame& frame, const Value& needle, const Value& haystack) {
  JsonReader reader(haystack.text());
  (void)reader.take('[');
  if (reader.take(']')) return Truth::no;
  do {
    Value item;
    if (!frame.pay(1)) return Truth::error;
    if (!reader.shallow(item, frame.arena, haystack.tag())) {
      frame.fail(ErrorKind::not_json, "a value does not parse");
      return Truth::error;
    }
    if (equal(needle, item, frame.arena)) return Truth::yes;
  } while (reader.take(','));
  return Truth::no;
}

}  // namespace

Truth contains_value(Frame& frame, const Value& needle, const Value& haystack) {
  if (haystack.is(Kind::json_array)) return unread_contains(frame, needle, haystack);
  const Value whole = expanded(haystack, frame.arena);
  if (whole.is(Kind::list)) {
    if (!frame.pay(whole.count())) return Truth::error;
    for (uint32_t i = 0; i < whole.count(); ++i) {
      if (equal(needle, whole.items()[i], frame.arena)) return Truth::yes;
    }
    return Truth::no;
  }
  if (whole.is(Kind::map)) return find_entry(whole, needle) != nullptr ? Truth::yes : Truth::no;
  if (whole.is_error()) {
    frame.fail(whole.error_kind(), "a value does not parse");
  } else {
    frame.no_overload("`in` wants a list or a map at its right, not {}", haystack);
  }
  return Truth::error;
}

}  // namespace millrace::expr
