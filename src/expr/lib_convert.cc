// Conversions: int, uint, double, string, bytes, bool, timestamp, duration.
#include "expr/functions.h"
#include "expr/number_text.h"
#include "expr/opaque.h"
#include "expr/time_text.h"
#include "expr/utf8.h"
#include "expr/value_ops.h"

namespace millrace::expr {

Value convert_to_string(Frame& frame, const Value& value) {
  switch (value.kind()) {
    case Kind::string:
      return value;
    case Kind::bytes:
      if (!is_utf8(value.text())) return frame.fail(ErrorKind::invalid_argument, "the bytes are not UTF-8");
      return Value::string(value.text());
    case Kind::boolean:
    case Kind::integer:
    case Kind::uinteger:
    case Kind::floating:
    case Kind::timestamp:
    case Kind::duration:
    case Kind::opaque:
      return frame.made_string(value_text(value, frame.arena));
    default:
      return frame.no_overload("string() cannot convert {}", value);
  }
}

namespace {

using Args = std::span<const Value>;

Value out_of_range(Frame& frame, const char* text, const Value& value) {
  return frame.fail(ErrorKind::out_of_range, text, value);
}

Value to_int(Frame& frame, Args args) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::integer:
      return value;
    case Kind::uinteger:
      if (value.as_uint() > INT64_MAX) return out_of_range(frame, "{} is out of an int's range", value);
      return Value::integer(static_cast<int64_t>(value.as_uint()));
    case Kind::floating: {
      const double number = value.as_double();
      // Both ends are out: the nearest doubles are not ints that somebody can have meant.
      if (!(number > -9223372036854775808.0 && number < 9223372036854775808.0)) {
        return out_of_range(frame, "{} is out of an int's range", value);
      }
      return Value::integer(static_cast<int64_t>(number));
    }
    case Kind::string: {
      const auto number = parse_int(value.text());
      if (!number) return frame.fail(ErrorKind::invalid_argument, "{} is no int", value);
      return Value::integer(*number);
    }
    case Kind::timestamp:
      return Value::integer(value.seconds());
    case Kind::duration:
      return Value::integer(value.duration_ns() / kNanosPerSecond);
    default:
      return frame.no_overload("int() cannot convert {}", value);
  }
}

Value to_uint(Frame& frame, Args args) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::uinteger:
      return value;
    case Kind::integer:
      if (value.as_int() < 0) return out_of_range(frame, "{} is out of a uint's range", value);
      return Value::uinteger(static_cast<uint64_t>(value.as_int()));
    case Kind::floating: {
      const double number = value.as_double();
      if (!(number >= 0 && number < 18446744073709551616.0)) {
        return out_of_range(frame, "{} is out of a uint's range", value);
      }
      return Value::uinteger(static_cast<uint64_t>(number));
    }
    case Kind::string: {
      const auto number = parse_uint(value.text());
      if (!number) return frame.fail(ErrorKind::invalid_argument, "{} is no uint", value);
      return Value::uinteger(*number);
    }
    default:
      return frame.no_overload("uint() cannot convert {}", value);
  }
}

Value to_double(Frame& frame, Args args) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::floating:
      return value;
    case Kind::integer:
      return Value::floating(static_cast<double>(value.as_int()));
    case Kind::uinteger:
      return Value::floating(static_cast<double>(value.as_uint()));
    case Kind::string: {
      const auto number = parse_double(value.text());
      if (!number) return frame.fail(ErrorKind::invalid_argument, "{} is no double", value);
      return Value::floating(*number);
    }
    default:
      return frame.no_overload("double() cannot convert {}", value);
  }
}

Value to_string_value(Frame& frame, Args args) {
  return convert_to_string(frame, args[0]);
}

Value to_bytes(Frame& frame, Args args) {
  if (args[0].is(Kind::string) || args[0].is(Kind::bytes)) return Value::bytes(args[0].text());
  return frame.no_overload("bytes() cannot convert {}", args[0]);
}

Value to_bool(Frame& frame, Args args) {
  const Value& value = args[0];
  if (value.is(Kind::boolean)) return value;
  if (!value.is(Kind::string)) return frame.no_overload("bool() cannot convert {}", value);
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (value.text() == yes) return Value::boolean(true);
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (value.text() == no) return Value::boolean(false);
  }
  return frame.fail(ErrorKind::invalid_argument, "{} is no bool", value);
}

Value to_timestamp(Frame& frame, Args args) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::timestamp:
      return value;
    case Kind::integer:
      if (value.as_int() < kMinSeconds || value.as_int() > kMaxSeconds) {
        return out_of_range(frame, "{} seconds are out of a timestamp's range", value);
      }
      return Value::timestamp(value.as_int(), 0);
    case Kind::string: {
      const auto time = parse_timestamp(value.text());
      if (!time) {
        return frame.fail(ErrorKind::invalid_argument, "{} is no timestamp as in '2024-01-31T12:00:00Z'", value);
      }
      return Value::timestamp(time->seconds, time->nanos);
    }
    default:
      return frame.no_overload("timestamp() cannot convert {}", value);
  }
}

Value to_duration(Frame& frame, Args args) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::duration:
      return value;
    case Kind::integer: {
      int64_t nanos = 0;
      if (__builtin_mul_overflow(value.as_int(), kNanosPerSecond, &nanos)) {
        return out_of_range(frame, "{} seconds are out of a duration's range", value);
      }
      return Value::duration(nanos);
    }
    case Kind::string: {
      const auto nanos = parse_duration(value.text());
      if (!nanos) return frame.fail(ErrorKind::invalid_argument, "{} is no duration as in '1h30m' or '1.5s'", value);
      return Value::duration(*nanos);
    }
    default:
      return frame.no_overload("duration() cannot convert {}", value);
  }
}

constexpr Function kFunctions[] = {
    {"int", false, 1, 1, Kind::integer, Growth::fixed, to_int},
    {"uint", false, 1, 1, Kind::uinteger, Growth::fixed, to_uint},
    {"double", false, 1, 1, Kind::floating, Growth::fixed, to_double},
    {"string", false, 1, 1, Kind::string, Growth::copy, to_string_value},
    {"bytes", false, 1, 1, Kind::bytes, Growth::fixed, to_bytes},
    {"bool", false, 1, 1, Kind::boolean, Growth::fixed, to_bool},
    {"timestamp", false, 1, 1, Kind::timestamp, Growth::fixed, to_timestamp},
    {"duration", false, 1, 1, Kind::duration, Growth::fixed, to_duration},
};

}  // namespace

std::span<const Function> conversion_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
