// size, contains, startsWith, endsWith, type, dyn.
#include "expr/functions.h"
#include "expr/utf8.h"
#include "expr/value_ops.h"

namespace millrace::expr {

Value size_of(Frame& frame, const Value& value_in) {
  const Value value = expanded(value_in, frame.arena);
  switch (value.kind()) {
    case Kind::string:
      return Value::integer(static_cast<int64_t>(count_code_points(value.text())));
    case Kind::bytes:
      return Value::integer(static_cast<int64_t>(value.text().size()));
    case Kind::list:
    case Kind::map:
      return Value::integer(value.count());
    case Kind::error:
      return frame.fail(value.error_kind(), "a value does not parse");
    default:
      return frame.no_overload("size() wants a string, bytes, a list or a map, not {}", value);
  }
}

namespace {

using Args = std::span<const Value>;

bool two_strings(Args args) {
  return args[0].is(Kind::string) && args[1].is(Kind::string);
}

Value size(Frame& frame, Args args) {
  return size_of(frame, args[0]);
}
Value contains(Frame& frame, Args args) {
  if (!two_strings(args)) return frame.no_overload("contains() wants strings, not {} and {}", args[0], args[1]);
  return Value::boolean(args[0].text().find(args[1].text()) != std::string_view::npos);
}
Value starts_with(Frame& frame, Args args) {
  if (!two_strings(args)) return frame.no_overload("startsWith() wants strings, not {} and {}", args[0], args[1]);
  return Value::boolean(args[0].text().starts_with(args[1].text()));
}
Value ends_with(Frame& frame, Args args) {
  if (!two_strings(args)) return frame.no_overload("endsWith() wants strings, not {} and {}", args[0], args[1]);
  return Value::boolean(args[0].text().ends_with(args[1].text()));
}
Value type_of(Frame& /*frame*/, Args args) {
  return Value::type(type_name(args[0]));
}
Value dyn(Frame& /*frame*/, Args args) {
  return args[0];
}

constexpr Function kFunctions[] = {
    {"size", false, 1, 1, Kind::integer, Growth::walk, size},
    {"size", true, 1, 1, Kind::integer, Growth::walk, size},
    {"contains", true, 2, 2, Kind::boolean, Growth::walk, contains},
    {"startsWith", true, 2, 2, Kind::boolean, Growth::fixed, starts_with},
    {"endsWith", true, 2, 2, Kind::boolean, Growth::fixed, ends_with},
    {"type", false, 1, 1, Kind::type, Growth::fixed, type_of},
    {"dyn", false, 1, 1, Kind::absent, Growth::fixed, dyn},
};

}  // namespace

std::span<const Function> standard_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
