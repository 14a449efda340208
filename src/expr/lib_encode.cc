// base64, hex, JSON, mask.
#include <absl/strings/escaping.h>

#include "expr/decoder.h"
#include "expr/functions.h"
#include "expr/utf8.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

bool has_text(const Value& value) {
  return value.is(Kind::string) || value.is(Kind::bytes);
}

Value base64_encode(Frame& frame, Args args) {
  if (!has_text(args[0])) return frame.no_overload("base64.encode() wants bytes, not {}", args[0]);
  const std::string_view data = args[0].text();
  return frame.made_string(absl::Base64Escape(absl::string_view(data.data(), data.size())));
}

Value base64_decode(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return frame.no_overload("base64.decode() wants a string, not {}", args[0]);
  const std::string_view text = args[0].text();
  std::string data;
  // White space, which the library would skip, and the dot, which it takes for padding, are no base64.
  const bool clean = text.find_first_of(" \t\r\n\v\f.") == std::string_view::npos;
  if (!clean || !absl::Base64Unescape(absl::string_view(text.data(), text.size()), &data)) {
    return frame.fail(ErrorKind::invalid_argument, "{} is no base64", args[0]);
  }
  return frame.made_bytes(data);
}

Value hex_encode(Frame& frame, Args args) {
  if (!has_text(args[0])) return frame.no_overload("hex.encode() wants bytes or a string, not {}", args[0]);
  const std::string_view data = args[0].text();
  return frame.made_string(absl::BytesToHexString(absl::string_view(data.data(), data.size())));
}

Value hex_decode(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return frame.no_overload("hex.decode() wants a string, not {}", args[0]);
  const std::string_view text = args[0].text();
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
    return frame.fail(ErrorKind::invalid_argument, "{} is no hexadecimal", args[0]);
  }
  return frame.made_bytes(absl::HexStringToBytes(absl::string_view(text.data(), text.size())));
}

Value json_parse(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return frame.no_overload("json.parse() wants a string, not {}", args[0]);
  const Value value = from_json(args[0].text(), frame.arena);
  if (value.is_error()) return frame.fail(value.error_kind(), "{} is no JSON", args[0]);
  return value;
}

Value json_string(Frame& frame, Args args) {
  const JsonText json = to_json(args[0], frame.arena);
  if (json.error != ErrorKind::none) return frame.fail(json.error, "JSON cannot hold {}", args[0]);
  if (json.text.size() > frame.state.bytes_left) return frame.fail(ErrorKind::result_too_large, "the text is too long");
  frame.state.bytes_left -= json.text.size();
  return Value::string(json.text);
}

// All but the last `keep` characters become stars.
Value mask(Frame& frame, Args args) {
  if (!args[0].is(Kind::string) || (args.size() == 2 && !args[1].is(Kind::integer))) {
    return frame.no_overload("mask() wants a string and an int, not {}", args[0]);
  }
  const int64_t keep = args.size() == 2 ? args[1].as_int() : 0;
  if (keep < 0) return frame.fail(ErrorKind::invalid_argument, "mask() cannot keep {} characters", args[1]);
  const std::string_view text = args[0].text();
  const size_t count = count_code_points(text);
  const size_t hidden = static_cast<uint64_t>(keep) >= count ? 0 : count - static_cast<size_t>(keep);
  return frame.made_string(std::string(hidden, '*') + std::string(text.substr(byte_of_code_point(text, hidden))));
}

constexpr Function kFunctions[] = {
    {"base64.encode", false, 1, 1, Kind::string, Growth::multiply, base64_encode},
    {"base64.decode", false, 1, 1, Kind::bytes, Growth::copy, base64_decode},
    {"hex.encode", false, 1, 1, Kind::string, Growth::multiply, hex_encode},
    {"hex.decode", false, 1, 1, Kind::bytes, Growth::copy, hex_decode},
    {"json.parse", false, 1, 1, Kind::absent, Growth::multiply, json_parse},
    {"json.string", false, 1, 1, Kind::string, Growth::multiply, json_string},
    {"mask", false, 1, 2, Kind::string, Growth::copy, mask},
};

}  // namespace

std::span<const Function> encode_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
