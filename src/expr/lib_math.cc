// math.*: no argument is widened, so that math.ceil(1) is an error.
#include <cmath>
#include <limits>

#include "expr/functions.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

Value not_a(Frame& frame, const char* text, const Value& value) {
  return frame.no_overload(text, value);
}

// Among numbers of any type; the one that was first stays when they are equal.
template <Ordering better>
Value extreme(Frame& frame, Args args) {
  Value list;
  if (args.size() == 1 && (args[0].is(Kind::list) || args[0].is(Kind::json_array))) {
    list = list_of(frame, args[0]);
    if (list.is_error()) return list;
    if (list.count() == 0) return frame.fail(ErrorKind::invalid_argument, "an empty list has no greatest and no least");
    args = {list.items(), list.count()};
  }
  Value best = args[0];
  for (const Value& value : args) {
    if (!is_number(value)) return not_a(frame, "math.greatest and math.least want numbers, not {}", value);
    if (compare_numbers(value, best) == better) best = value;
  }
  return best;
}

template <double (*function)(double)>
Value rounded(Frame& frame, Args args) {
  if (!args[0].is(Kind::floating)) return not_a(frame, "this function of math wants a double, not {}", args[0]);
  return Value::floating(function(args[0].as_double()));
}

Value abs(Frame& frame, Args args) {
  switch (args[0].kind()) {
    case Kind::uinteger:
      return args[0];
    case Kind::floating:
      return Value::floating(std::fabs(args[0].as_double()));
    case Kind::integer:
      if (args[0].as_int() == std::numeric_limits<int64_t>::min()) {
        return frame.fail(ErrorKind::overflow, "{} has no positive counterpart", args[0]);
      }
      return Value::integer(std::abs(args[0].as_int()));
    default:
      return not_a(frame, "math.abs wants a number, not {}", args[0]);
  }
}

Value sign(Frame& frame, Args args) {
  switch (args[0].kind()) {
    case Kind::uinteger:
      return Value::uinteger(args[0].as_uint() > 0 ? 1 : 0);
    case Kind::integer:
      return Value::integer((args[0].as_int() > 0) - (args[0].as_int() < 0));
    case Kind::floating: {
      const double number = args[0].as_double();
      if (std::isnan(number) || number == 0) return args[0];
      return Value::floating(number > 0 ? 1.0 : -1.0);
    }
    default:
      return not_a(frame, "math.sign wants a number, not {}", args[0]);
  }
}

Value sqrt(Frame& frame, Args args) {
  switch (args[0].kind()) {
    case Kind::floating:
      return Value::floating(std::sqrt(args[0].as_double()));
    case Kind::integer:
      return Value::floating(std::sqrt(static_cast<double>(args[0].as_int())));
    case Kind::uinteger:
      return Value::floating(std::sqrt(static_cast<double>(args[0].as_uint())));
    default:
      return not_a(frame, "math.sqrt wants a number, not {}", args[0]);
  }
}

enum class Class { nan, infinite, finite };
template <Class what>
Value is_class(Frame& frame, Args args) {
  if (!args[0].is(Kind::floating)) return not_a(frame, "this function of math wants a double, not {}", args[0]);
  const double number = args[0].as_double();
  switch (what) {
    case Class::nan:
      return Value::boolean(std::isnan(number));
    case Class::infinite:
      return Value::boolean(std::isinf(number));
    case Class::finite:
      return Value::boolean(std::isfinite(number));
  }
}

template <char op>
uint64_t bits(uint64_t a, uint64_t b) {
  if constexpr (op == '&') return a & b;
  if constexpr (op == '|') return a | b;
  return a ^ b;
}

template <char op>
Value bitwise(Frame& frame, Args args) {
  const uint64_t result = bits<op>(args[0].as_uint(), args[1].as_uint());
  if (args[0].is(Kind::uinteger) && args[1].is(Kind::uinteger)) return Value::uinteger(result);
  if (args[0].is(Kind::integer) && args[1].is(Kind::integer)) return Value::integer(static_cast<int64_t>(result));
  return frame.no_overload("the bits of {} and {} cannot be combined", args[0], args[1]);
}

Value bit_not(Frame& frame, Args args) {
  if (args[0].is(Kind::uinteger)) return Value::uinteger(~args[0].as_uint());
  if (args[0].is(Kind::integer)) return Value::integer(~args[0].as_int());
  return not_a(frame, "math.bitNot wants an int or a uint, not {}", args[0]);
}

// A shift is logical, also of an int: what comes in is 0.
template <bool left>
Value shift(Frame& frame, Args args) {
  const bool integer = args[0].is(Kind::integer);
  if ((!integer && !args[0].is(Kind::uinteger)) || !args[1].is(Kind::integer)) {
    return frame.no_overload("{} cannot be shifted by {}", args[0], args[1]);
  }
  const int64_t by = args[1].as_int();
  if (by < 0) return frame.fail(ErrorKind::invalid_argument, "a shift by {} has no meaning", args[1]);
  uint64_t result = args[0].as_uint();
  if (by >= 64) {
    result = 0;
  } else {
    result = left ? result << by : result >> by;
  }
  return integer ? Value::integer(static_cast<int64_t>(result)) : Value::uinteger(result);
}

double ceil_of(double x) {
  return std::ceil(x);
}
double floor_of(double x) {
  return std::floor(x);
}
double round_of(double x) {
  return std::round(x);
}
double trunc_of(double x) {
  return std::trunc(x);
}

constexpr Function kFunctions[] = {
    {"math.greatest", false, 1, 255, Kind::absent, Growth::walk, extreme<Ordering::greater>},
    {"math.least", false, 1, 255, Kind::absent, Growth::walk, extreme<Ordering::less>},
    {"math.ceil", false, 1, 1, Kind::floating, Growth::fixed, rounded<ceil_of>},
    {"math.floor", false, 1, 1, Kind::floating, Growth::fixed, rounded<floor_of>},
    {"math.round", false, 1, 1, Kind::floating, Growth::fixed, rounded<round_of>},
    {"math.trunc", false, 1, 1, Kind::floating, Growth::fixed, rounded<trunc_of>},
    {"math.abs", false, 1, 1, Kind::absent, Growth::fixed, abs},
    {"math.sign", false, 1, 1, Kind::absent, Growth::fixed, sign},
    {"math.sqrt", false, 1, 1, Kind::floating, Growth::fixed, sqrt},
    {"math.isNaN", false, 1, 1, Kind::boolean, Growth::fixed, is_class<Class::nan>},
    {"math.isInf", false, 1, 1, Kind::boolean, Growth::fixed, is_class<Class::infinite>},
    {"math.isFinite", false, 1, 1, Kind::boolean, Growth::fixed, is_class<Class::finite>},
    {"math.bitAnd", false, 2, 2, Kind::absent, Growth::fixed, bitwise<'&'>},
    {"math.bitOr", false, 2, 2, Kind::absent, Growth::fixed, bitwise<'|'>},
    {"math.bitXor", false, 2, 2, Kind::absent, Growth::fixed, bitwise<'^'>},
    {"math.bitNot", false, 1, 1, Kind::absent, Growth::fixed, bit_not},
    {"math.bitShiftLeft", false, 2, 2, Kind::absent, Growth::fixed, shift<true>},
    {"math.bitShiftRight", false, 2, 2, Kind::absent, Growth::fixed, shift<false>},
};

}  // namespace

std::span<const Function> math_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
