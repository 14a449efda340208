// Strings as sequences of code points.
#include <algorithm>

#include "expr/functions.h"
#include "expr/utf8.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;
constexpr size_t kNone = std::string_view::npos;

Value wrong(Frame& frame, const char* text, Args args) {
  return frame.no_overload(text, args[0], args.size() > 1 ? args[1] : Value());
}
Value no_index(Frame& frame, const Value& index) {
  return frame.fail(ErrorKind::out_of_range, "the string has no character number {}", index);
}

// Byte of the character that an index names; the end of the text is one too.
bool byte_of(const Value& index, std::string_view text, size_t& byte) {
  if (index.as_int() < 0) return false;
  byte = byte_of_code_point(text, static_cast<size_t>(index.as_int()));
  return byte != kNone;
}

Value char_at(Frame& frame, Args args) {
  if (!args[0].is(Kind::string) || !args[1].is(Kind::integer)) return wrong(frame, "no charAt for {} and {}", args);
  const std::string_view text = args[0].text();
  size_t byte = 0;
  if (!byte_of(args[1], text, byte)) return no_index(frame, args[1]);
  if (byte == text.size()) return Value::string("");
  return Value::string(text.substr(byte, decode_utf8(text, byte).length));
}

int64_t code_points_before(std::string_view text, size_t byte) {
  return static_cast<int64_t>(count_code_points(text.substr(0, byte)));
}

// Of lists: the position of an equal element.
Value list_position(Frame& frame, Args args, bool last) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (args.size() > 2) return frame.no_overload("a list's indexOf() takes one argument");
  int64_t found = -1;
  for (uint32_t i = 0; i < list.count() && (last || found < 0); ++i) {
    if (equal(list.items()[i], args[1], frame.arena)) found = i;
  }
  return Value::integer(found);
}

bool is_list(const Value& value) {
  return value.is(Kind::list) || value.is(Kind::json_array);
}

Value index_of(Frame& frame, Args args) {
  if (is_list(args[0])) return list_position(frame, args, false);
  if (!args[0].is(Kind::string) || !args[1].is(Kind::string)) return wrong(frame, "no indexOf for {} and {}", args);
  const std::string_view text = args[0].text();
  size_t from = 0;
  if (args.size() == 3) {
    if (!args[2].is(Kind::integer)) return wrong(frame, "no indexOf for {} and {}", args.subspan(1));
    if (!byte_of(args[2], text, from)) return no_index(frame, args[2]);
  }
  const size_t found = text.find(args[1].text(), from);
  return Value::integer(found == kNone ? -1 : code_points_before(text, found));
}

Value last_index_of(Frame& frame, Args args) {
  if (is_list(args[0])) return list_position(frame, args, true);
  if (!args[0].is(Kind::string) || !args[1].is(Kind::string)) return wrong(frame, "no lastIndexOf for {} and {}", args);
  const std::string_view text = args[0].text();
  size_t from = kNone;
  if (args.size() == 3) {
    if (!args[2].is(Kind::integer)) return wrong(frame, "no lastIndexOf for {} and {}", args.subspan(1));
    if (!byte_of(args[2], text, from)) return no_index(frame, args[2]);
  }
  const size_t found = text.rfind(args[1].text(), from);
  return Value::integer(found == kNone ? -1 : code_points_before(text, found));
}

Value join(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (args.size() == 2 && !args[1].is(Kind::string)) return wrong(frame, "no join for {} and {}", args);
  const std::string_view between = args.size() == 2 ? args[1].text() : std::string_view();
  size_t size = 0;
  for (uint32_t i = 0; i < list.count(); ++i) {
    if (!list.items()[i].is(Kind::string))
      return frame.no_overload("join() wants a list of strings; {} is none", list.items()[i]);
    size += list.items()[i].text().size() + (i > 0 ? between.size() : 0);
  }
  char* to = frame.make_text(size);
  if (to == nullptr) return frame.noted();
  char* at = to;
  const auto put = [&](std::string_view text) { at = std::copy(text.begin(), text.end(), at); };
  for (uint32_t i = 0; i < list.count(); ++i) {
    if (i > 0) put(between);
    put(list.items()[i].text());
  }
  return Value::string({to, size});
}

Value split(Frame& frame, Args args) {
  if (!args[0].is(Kind::string) || !args[1].is(Kind::string)) return wrong(frame, "no split for {} and {}", args);
  if (args.size() == 3 && !args[2].is(Kind::integer)) return wrong(frame, "no split for {} and {}", args.subspan(1));
  int64_t limit = args.size() == 3 ? args[2].as_int() : -1;
  if (limit < 0) limit = INT64_MAX;
  std::vector<Value> parts;
  std::string_view rest = args[0].text();
  const std::string_view separator = args[1].text();
  if (limit == 0) return Value::list(nullptr, 0);
  while (static_cast<int64_t>(parts.size()) + 1 < limit) {
    size_t end = 0;
    if (separator.empty()) {
      if (rest.empty()) break;
      end = decode_utf8(rest, 0).length;
      if (end == rest.size()) break;
    } else {
      end = rest.find(separator);
      if (end == kNone) break;
    }
    parts.push_back(Value::string(rest.substr(0, end)));
    rest.remove_prefix(end + separator.size());
  }
  if (!(separator.empty() && rest.empty())) parts.push_back(Value::string(rest));
  if (!frame.pay(parts.size())) return frame.noted();
  return frame.made_list(parts);
}

Value replace(Frame& frame, Args args) {
  if (!args[0].is(Kind::string) || !args[1].is(Kind::string) || !args[2].is(Kind::string)) {
    return wrong(frame, "no replace for {} and {}", args);
  }
  if (args.size() == 4 && !args[3].is(Kind::integer)) return wrong(frame, "no replace for {} and {}", args.subspan(2));
  int64_t limit = args.size() == 4 ? args[3].as_int() : -1;
  if (limit < 0) limit = INT64_MAX;
  const std::string_view text = args[0].text();
  const std::string_view from = args[1].text();
  const std::string_view to = args[2].text();
  std::string out;
  size_t at = 0;
  for (int64_t done = 0; done < limit; ++done) {
    const size_t found = text.find(from, at);
    if (found == kNone) break;
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    if (from.empty()) {
      // Between any two characters, and at both ends.
      if (at >= text.size()) break;
      const size_t length = decode_utf8(text, at).length;
      out += text.substr(at, length);
      at += length;
    }
    if (out.size() > frame.state.bytes_left) break;
  }
  out += text.substr(std::min(at, text.size()));
  if (!frame.pay(out.size() / 10)) return frame.noted();
  return frame.made_string(out);
}

Value substring(Frame& frame, Args args) {
  if (!args[0].is(Kind::string) || !args[1].is(Kind::integer)) return wrong(frame, "no substring for {} and {}", args);
  if (args.size() == 3 && !args[2].is(Kind::integer))
    return wrong(frame, "no substring for {} and {}", args.subspan(1));
  const std::string_view text = args[0].text();
  size_t begin = 0;
  size_t end = text.size();
  if (!byte_of(args[1], text, begin)) return no_index(frame, args[1]);
  if (args.size() == 3 && !byte_of(args[2], text, end)) return no_index(frame, args[2]);
  if (end < begin)
    return frame.fail(ErrorKind::out_of_range, "a substring cannot end at {} and begin at {}", args[2], args[1]);
  return Value::string(text.substr(begin, end - begin));
}

bool is_space(uint32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

Value trim(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return wrong(frame, "no trim for {}", args);
  std::string_view text = args[0].text();
  while (!text.empty()) {
    const CodePoint first = decode_utf8(text, 0);
    if (!is_space(first.value)) break;
    text.remove_prefix(first.length);
  }
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && (static_cast<uint8_t>(text[last]) & 0xC0) == 0x80) --last;
    if (!is_space(decode_utf8(text, last).value)) break;
    text = text.substr(0, last);
  }
  return Value::string(text);
}

template <char first, char last>
Value change_case(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return wrong(frame, "no change of case for {}", args);
  const std::string_view text = args[0].text();
  char* to = frame.make_text(text.size());
  if (to == nullptr) return frame.noted();
  std::transform(text.begin(), text.end(), to,
                 [](char c) { return c >= first && c <= last ? static_cast<char>(c ^ 0x20) : c; });
  return Value::string({to, text.size()});
}

Value reverse(Frame& frame, Args args) {
  if (is_list(args[0])) {
    const Value list = list_of(frame, args[0]);
    if (list.is_error()) return list;
    Value* to = frame.make_values(list.count());
    if (to == nullptr) return frame.noted();
    std::reverse_copy(list.items(), list.items() + list.count(), to);
    return Value::list(to, list.count());
  }
  if (!args[0].is(Kind::string)) return wrong(frame, "no reverse for {}", args);
  const std::string_view text = args[0].text();
  char* to = frame.make_text(text.size());
  if (to == nullptr) return frame.noted();
  char* at = to + text.size();
  for (size_t i = 0; i < text.size();) {
    const size_t length = decode_utf8(text, i).length;
    at -= length;
    std::copy_n(text.data() + i, length, at);
    i += length;
  }
  return Value::string({to, text.size()});
}

Value quote(Frame& frame, Args args) {
  if (!args[0].is(Kind::string)) return wrong(frame, "no strings.quote for {}", args);
  static constexpr std::string_view kFrom = "\a\b\f\n\r\t\v\\\"";
  static constexpr std::string_view kTo = "abfnrtv\\\"";
  const std::string_view text = args[0].text();
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    if (const size_t simple = kFrom.find(text[at]); simple != kNone) {
      out += '\\';
      out += kTo[simple];
    } else if (point.value == kBadCodePoint) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(at, point.length);
    }
    at += point.length;
  }
  return frame.made_string(out + "\"");
}

constexpr Function kFunctions[] = {
    {"charAt", true, 2, 2, Kind::string, Growth::walk, char_at},
    {"indexOf", true, 2, 3, Kind::integer, Growth::walk, index_of},
    {"lastIndexOf", true, 2, 3, Kind::integer, Growth::walk, last_index_of},
    {"join", true, 1, 2, Kind::string, Growth::multiply, join},
    {"split", true, 2, 3, Kind::list, Growth::multiply, split},
    {"replace", true, 3, 4, Kind::string, Growth::multiply, replace},
    {"substring", true, 2, 3, Kind::string, Growth::walk, substring},
    {"trim", true, 1, 1, Kind::string, Growth::walk, trim},
    {"lowerAscii", true, 1, 1, Kind::string, Growth::copy, change_case<'A', 'Z'>},
    {"upperAscii", true, 1, 1, Kind::string, Growth::copy, change_case<'a', 'z'>},
    {"reverse", true, 1, 1, Kind::absent, Growth::copy, reverse},
    {"strings.quote", false, 1, 1, Kind::string, Growth::copy, quote},
};

}  // namespace

std::span<const Function> string_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
