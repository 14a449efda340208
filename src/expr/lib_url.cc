// URLs and their parts.
#include "expr/ast.h"
#include "expr/functions.h"
#include "expr/opaque.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

Value make_url(Frame& frame, Args args) {
  if (args[0].is(Kind::opaque) && args[0].tag() == kOpaqueUrl) return args[0];
  if (!args[0].is(Kind::string)) return frame.no_overload("url() wants a string, not {}", args[0]);
  Url url;
  if (!parse_url(args[0].text(), url)) return frame.fail(ErrorKind::invalid_argument, "{} is no absolute URL", args[0]);
  return Value::opaque(kOpaqueUrl, frame.arena.make(url));
}
Value is_url(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return frame.no_overload("isURL() wants a string, not {}", args[0]);
  Url url;
  return Value::boolean(parse_url(args[0].text(), url));
}

bool is_url_value(Frame& frame, const Value& value) {
  if (value.is(Kind::opaque) && value.tag() == kOpaqueUrl) return true;
  frame.no_overload("{} is no URL", value);
  return false;
}

template <std::string_view Url::*part>
Value get(Frame& frame, Args args) {
  if (!is_url_value(frame, args[0])) return frame.noted();
  return Value::string(static_cast<const Url*>(args[0].pointer())->*part);
}

// Characters that a path may hold as they are; others are written %XX.
Value escaped_path(Frame& frame, Args args) {
  if (!is_url_value(frame, args[0])) return frame.noted();
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!$&'()*+,;=:@/%";
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : static_cast<const Url*>(args[0].pointer())->path) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    out += '%';
    out += kHex[static_cast<uint8_t>(c) >> 4];
    out += kHex[static_cast<uint8_t>(c) & 15];
  }
  return frame.made_string(out);
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// %XX and + undone; text that is broken stays as it is.
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// A map from each name to the list of its values.
Value get_query(Frame& frame, Args args) {
  if (!is_url_value(frame, args[0])) return frame.noted();
  std::string_view rest = static_cast<const Url*>(args[0].pointer())->query;
  std::vector<Value> names;
  std::vector<std::vector<Value>> values;
  std::vector<Value> pairs;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const Value name = frame.made_string(unescaped(pair.substr(0, equals)));
    const Value value = frame.made_string(equals == std::string_view::npos ? "" : unescaped(pair.substr(equals + 1)));
    if (name.is_error() || value.is_error()) return frame.noted();
    pairs.push_back(name);
    pairs.push_back(value);
  }
  names.reserve(pairs.size());
  ValueIndex index(pairs.size(), frame.arena);
  for (size_t i = 0; i < pairs.size(); i += 2) {
    bool is_new = false;
    const size_t position = index.add(pairs[i], is_new);
    if (is_new) {
      names.push_back(pairs[i]);
      values.emplace_back();
    }
    values[position].push_back(pairs[i + 1]);
  }
  MapEntry* entries = frame.make_entries(names.size());
  if (entries == nullptr) return frame.noted();
  for (size_t i = 0; i < names.size(); ++i) {
    entries[i] = {names[i], frame.made_list(values[i])};
    if (entries[i].value.is_error()) return entries[i].value;
  }
  return Value::map(entries, static_cast<uint32_t>(names.size()));
}

constexpr Function kFunctions[] = {
    {"url", false, 1, 1, Kind::opaque, Growth::walk, make_url},
    {"isURL", false, 1, 1, Kind::boolean, Growth::walk, is_url},
    {"getScheme", true, 1, 1, Kind::string, Growth::fixed, get<&Url::scheme>},
    {"getHost", true, 1, 1, Kind::string, Growth::fixed, get<&Url::host>},
    {"getHostname", true, 1, 1, Kind::string, Growth::fixed, get<&Url::hostname>},
    {"getPort", true, 1, 1, Kind::string, Growth::fixed, get<&Url::port>},
    {"getEscapedPath", true, 1, 1, Kind::string, Growth::multiply, escaped_path},
    {"getQuery", true, 1, 1, Kind::map, Growth::multiply, get_query},
};

}  // namespace

std::span<const Function> url_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
