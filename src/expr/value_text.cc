// Values as text: for string(), format() and messages.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "expr/number_text.h"
#include "expr/opaque.h"
#include "expr/time_text.h"
#include "expr/utf8.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

std::string joined_text(const Value& value, Arena& arena) {
  std::string out;
  if (value.is(Kind::list)) {
    for (uint32_t i = 0; i < value.count(); ++i) {
      out += (i > 0 ? ", " : "") + value_text(value.items()[i], arena);
    }
    return "[" + out + "]";
  }
  std::vector<std::pair<std::string, std::string>> entries;
  for (uint32_t i = 0; i < value.count(); ++i) {
    entries.emplace_back(value_text(value.entries()[i].key, arena), value_text(value.entries()[i].value, arena));
  }
  std::sort(entries.begin(), entries.end());
  for (const auto& [key, text] : entries) out += (out.empty() ? "" : ", ") + key + ": " + text;
  return "{" + out + "}";
}

// Bytes as text; each run of bytes that is no UTF-8 becomes one replacement character.
std::string repaired(std::string_view data) {
  std::string out;
  bool broken = false;
  for (size_t at = 0; at < data.size();) {
    const CodePoint point = decode_utf8(data, at);
    if (point.value == kBadCodePoint) {
      if (!broken) out += "\xEF\xBF\xBD";
      broken = true;
    } else {
      out += data.substr(at, point.length);
      broken = false;
    }
    at += point.length;
  }
  return out;
}

}  // namespace

std::string value_text(const Value& value_in, Arena& arena) {
  const Value value = expanded(value_in, arena);
  switch (value.kind()) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return value.as_bool() ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.as_int());
    case Kind::uinteger:
      return std::to_string(value.as_uint());
    case Kind::floating:
      return double_text(value.as_double());
    case Kind::string:
    case Kind::type:
      return std::string(value.text());
    case Kind::bytes:
      return repaired(value.text());
    case Kind::list:
    case Kind::map:
      return joined_text(value, arena);
    case Kind::timestamp:
      return timestamp_text(value.seconds(), value.nanos());
    case Kind::duration:
      return duration_text(value.duration_ns());
    case Kind::optional:
      return value.inside() == nullptr ? "none" : "optional(" + value_text(*value.inside(), arena) + ")";
    case Kind::opaque:
      return opaque_text(value);
    default:
      return std::string(kind_name(value.kind()));
  }
}

std::string value_for_message(const Value& value) {
  switch (value.kind()) {
    case Kind::string:
    case Kind::bytes:
      return "'" + escape_for_log(value.text(), 64) + "'";
    case Kind::list:
    case Kind::map:
    case Kind::json_array:
    case Kind::json_object:
      return "a " + std::string(kind_name(value.kind()));
    default: {
      Arena arena;
      return value_text(value, arena);
    }
  }
}

}  // namespace millrace::expr
