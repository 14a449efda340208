// Optionals. `or` and `orValue` are in nodes_call.cc, for they may not need their argument.
#include "expr/functions.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

Value of(Frame& frame, Args args) {
  return frame.made_optional(args[0]);
}
Value none(Frame& /*frame*/, Args /*args*/) {
  return Value::optional_none();
}

bool is_zero(const Value& value) {
  switch (value.kind()) {
    case Kind::null:
      return true;
    case Kind::boolean:
      return !value.as_bool();
    case Kind::integer:
    case Kind::uinteger:
      return value.as_uint() == 0;
    case Kind::floating:
      return value.as_double() == 0;
    case Kind::string:
    case Kind::bytes:
      return value.text().empty();
    case Kind::list:
    case Kind::map:
      return value.count() == 0;
    case Kind::duration:
      return value.duration_ns() == 0;
    case Kind::timestamp:
      return value.seconds() == 0 && value.nanos() == 0;
    case Kind::optional:
      return value.inside() == nullptr;
    default:
      return false;
  }
}

Value of_non_zero(Frame& frame, Args args) {
  const Value value = expanded(args[0], frame.arena);
  return is_zero(value) ? Value::optional_none() : frame.made_optional(value);
}
Value has_value(Frame& frame, Args args) {
  if (!args[0].is(Kind::optional)) return frame.no_overload("hasValue() wants an optional, not {}", args[0]);
  return Value::boolean(args[0].inside() != nullptr);
}
Value value_of(Frame& frame, Args args) {
  if (!args[0].is(Kind::optional)) return frame.no_overload("value() wants an optional, not {}", args[0]);
  if (args[0].inside() == nullptr) return frame.fail(ErrorKind::no_such_field, "value() of an optional that is none");
  return *args[0].inside();
}

// The values of those optionals in a list that have one.
Value unwrap(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  std::vector<Value> out;
  for (uint32_t i = 0; i < list.count(); ++i) {
    const Value& item = list.items()[i];
    if (!item.is(Kind::optional)) return frame.no_overload("a list of optionals is expected; {} is none", item);
    if (item.inside() != nullptr) out.push_back(*item.inside());
  }
  return frame.made_list(out);
}

constexpr Function kFunctions[] = {
    {"optional.of", false, 1, 1, Kind::optional, Growth::fixed, of},
    {"optional.none", false, 0, 0, Kind::optional, Growth::fixed, none},
    {"optional.ofNonZeroValue", false, 1, 1, Kind::optional, Growth::walk, of_non_zero},
    {"optional.unwrap", false, 1, 1, Kind::list, Growth::copy, unwrap},
    {"unwrapOpt", true, 1, 1, Kind::list, Growth::copy, unwrap},
    {"hasValue", true, 1, 1, Kind::boolean, Growth::fixed, has_value},
    {"value", true, 1, 1, Kind::absent, Growth::fixed, value_of},
};

}  // namespace

std::span<const Function> optional_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
