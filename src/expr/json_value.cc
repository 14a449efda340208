// Values as JSON text and back.
#include <absl/strings/escaping.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "expr/decoder.h"
#include "expr/json_text.h"
#include "expr/time_text.h"

namespace millrace::expr {

namespace {

// Expressions build no deeper nesting than their own depth plus that of what they parse.
constexpr int kMaxWriteDepth = 512;

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

void write_string(std::string_view text, std::string& to) {
  static constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  for (const char c : text) {
    if (!needs_escape(c)) {
      to += c;
      continue;
    }
    to += '\\';
    switch (c) {
      case '"':
      case '\\':
        to += c;
        break;
      case '\b':
        to += 'b';
        break;
      case '\f':
        to += 'f';
        break;
      case '\n':
        to += 'n';
        break;
      case '\r':
        to += 'r';
        break;
      case '\t':
        to += 't';
        break;
      default:
        to += "u00";
        to += kHex[static_cast<unsigned char>(c) >> 4];
        to += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  to += '"';
}

// The shortest digits that read back as the same number; always with a point or an exponent, so that what reads it
// again finds a double and no integer.
void write_double(double number, std::string& to) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  to += text;
  if (text.find_first_of(".e") == std::string_view::npos) to += ".0";
}

ErrorKind write_value(const Value& value, int depth, std::string& to);

ErrorKind write_map(const Value& map, int depth, std::string& to) {
  to += '{';
  for (uint32_t i = 0; i < map.count(); ++i) {
    const MapEntry& entry = map.entries()[i];
    if (i > 0) to += ',';
    switch (entry.key.kind()) {
      case Kind::string:
        if (!is_valid_utf8(entry.key.text())) return ErrorKind::not_json;
        write_string(entry.key.text(), to);
        break;
      case Kind::boolean:
      case Kind::integer:
      case Kind::uinteger:
        to += '"';
        if (const ErrorKind error = write_value(entry.key, depth, to); error != ErrorKind::none) return error;
        to += '"';
        break;
      default:
        return ErrorKind::not_json;
    }
    to += ':';
    if (const ErrorKind error = write_value(entry.value, depth + 1, to); error != ErrorKind::none) return error;
  }
  to += '}';
  return ErrorKind::none;
}

ErrorKind write_list(const Value& list, int depth, std::string& to) {
  to += '[';
  for (uint32_t i = 0; i < list.count(); ++i) {
    if (i > 0) to += ',';
    if (const ErrorKind error = write_value(list.items()[i], depth + 1, to); error != ErrorKind::none) return error;
  }
  to += ']';
  return ErrorKind::none;
}

ErrorKind write_value(const Value& value, int depth, std::string& to) {
  if (depth > kMaxWriteDepth) return ErrorKind::not_json;
  switch (value.kind()) {
    case Kind::null:
      to += "null";
      return ErrorKind::none;
    case Kind::boolean:
      to += value.as_bool() ? "true" : "false";
      return ErrorKind::none;
    case Kind::integer:
      to += std::to_string(value.as_int());
      return ErrorKind::none;
    case Kind::uinteger:
      to += std::to_string(value.as_uint());
      return ErrorKind::none;
    case Kind::floating:
      if (!std::isfinite(value.as_double())) return ErrorKind::not_json;
      write_double(value.as_double(), to);
      return ErrorKind::none;
    case Kind::string:
      if (!is_valid_utf8(value.text())) return ErrorKind::not_json;
      write_string(value.text(), to);
      return ErrorKind::none;
    case Kind::bytes:
      to += '"';
      to += absl::Base64Escape({value.text().data(), value.text().size()});
      to += '"';
      return ErrorKind::none;
    case Kind::json_array:
    case Kind::json_object:
      to += value.text();
      return ErrorKind::none;
    case Kind::timestamp:
      to += '"' + timestamp_text(value.seconds(), value.nanos()) + '"';
      return ErrorKind::none;
    case Kind::duration:
      to += '"' + duration_text(value.duration_ns()) + '"';
      return ErrorKind::none;
    case Kind::list:
      return write_list(value, depth, to);
    case Kind::map:
      return write_map(value, depth, to);
    case Kind::optional:
      return value.inside() == nullptr ? ErrorKind::not_json : write_value(*value.inside(), depth + 1, to);
    case Kind::absent:
    case Kind::type:
    case Kind::opaque:
    case Kind::error:
      return ErrorKind::not_json;
  }
  return ErrorKind::not_json;
}

// A high bit in `marks` where one of eight characters may need an escape (a borrow may mark a character too many, then
// the slow way finds nothing to do); the high bits of the characters gather in `high`.
void look_at_eight(uint64_t word, uint64_t& marks, uint64_t& high) {
  constexpr uint64_t kOnes = 0x0101010101010101ULL;
  const auto zero_bytes = [](uint64_t x) { return (x - kOnes) & ~x; };
  marks |= ((word - kOnes * 0x20) & ~word) | zero_bytes(word ^ (kOnes * '"')) | zero_bytes(word ^ (kOnes * '\\'));
  high |= word;
}

// Text with nothing to escape, which is nearly all text, goes into the arena at once.
JsonText string_to_json(std::string_view text, Arena& arena) {
  constexpr uint64_t kHighBits = 0x8080808080808080ULL;
  uint64_t marks = 0;
  uint64_t high = 0;
  uint64_t word = 0;
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::memcpy(&word, text.data() + at, 8);
    look_at_eight(word, marks, high);
  }
  if (at < text.size()) {
    word = kHighBits >> 2;  // spaces behind the end
    std::memcpy(&word, text.data() + at, text.size() - at);
    look_at_eight(word, marks, high);
  }
  if ((high & kHighBits) != 0 && !is_valid_utf8(text)) return {ErrorKind::not_json, {}};
  const bool plain = (marks & kHighBits) == 0;
  if (!plain) {
    std::string made;
    write_string(text, made);
    return {ErrorKind::none, arena.copy(made)};
  }
  char* to = static_cast<char*>(arena.allocate(text.size() + 2, 1));
  to[0] = '"';
  std::memcpy(to + 1, text.data(), text.size());
  to[text.size() + 1] = '"';
  return {ErrorKind::none, {to, text.size() + 2}};
}

template <typename Integer>
JsonText integer_to_json(Integer number, Arena& arena) {
  constexpr size_t kRoom = 24;
  char* to = static_cast<char*>(arena.allocate(kRoom, 1));
  const auto size = static_cast<size_t>(std::to_chars(to, to + kRoom, number).ptr - to);
  arena.shrink_last(to, kRoom, size);
  return {ErrorKind::none, {to, size}};
}

// Collects the members of open containers in two stacks and moves them into the arena as each container closes.
class Builder {
 public:
  explicit Builder(Arena& arena) : arena_(arena) {}

  void item(const Value& value) { items_.push_back(value); }
  void entry(std::string_view key, const Value& value) { entries_.push_back({Value::string(key), value}); }
  [[nodiscard]] size_t items() const { return items_.size(); }
  [[nodiscard]] size_t entries() const { return entries_.size(); }

  Value close_list(size_t first) {
    const auto count = static_cast<uint32_t>(items_.size() - first);
    const std::span<Value> made = arena_.make_array<Value>(count);
    std::copy(items_.begin() + static_cast<std::ptrdiff_t>(first), items_.end(), made.begin());
    items_.resize(first);
    return Value::list(made.data(), count);
  }

  // Equal keys become one entry, where the first of them stood.
  Value close_map(size_t first, bool first_wins) {
    drop_repeated(first, first_wins);
    const auto count = static_cast<uint32_t>(entries_.size() - first);
    const std::span<MapEntry> made = arena_.make_array<MapEntry>(count);
    std::copy(entries_.begin() + static_cast<std::ptrdiff_t>(first), entries_.end(), made.begin());
    entries_.resize(first);
    return Value::map(made.data(), count);
  }

 private:
  void drop_repeated(size_t first, bool first_wins) {
    std::vector<size_t> order(entries_.size() - first);
    for (size_t i = 0; i < order.size(); ++i) order[i] = first + i;
    std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
      const int compared = entries_[a].key.text().compare(entries_[b].key.text());
      return compared != 0 ? compared < 0 : a < b;
    });
    std::vector<size_t> dropped;
    for (size_t i = 0; i + 1 < order.size();) {
      size_t next = i + 1;
      while (next < order.size() && entries_[order[next]].key.text() == entries_[order[i]].key.text()) {
        dropped.push_back(order[next++]);
      }
      if (!first_wins) entries_[order[i]].value = entries_[order[next - 1]].value;
      i = next;
    }
    if (dropped.empty()) return;
    std::sort(dropped.begin(), dropped.end());
    size_t kept = dropped.front();
    for (size_t i = kept, d = 0; i < entries_.size(); ++i) {
      if (d < dropped.size() && dropped[d] == i) {
        ++d;
      } else {
        entries_[kept++] = entries_[i];
      }
    }
    entries_.resize(kept);
  }

  Arena& arena_;
  std::vector<Value> items_;
  std::vector<MapEntry> entries_;
};

bool read_deep(JsonReader& reader, Builder& builder, Arena& arena, uint32_t depth, Value& value) {
  const char c = reader.peek();
  if (c != '{' && c != '[') return reader.shallow(value, arena, kLastKeyWins);
  if (depth == JsonReader::kMaxDepth) return false;
  const bool is_map = reader.take('{');
  if (!is_map) (void)reader.take('[');
  const char closer = is_map ? '}' : ']';
  const size_t first = is_map ? builder.entries() : builder.items();
  if (!reader.take(closer)) {
    do {
      std::string_view key;
      if (is_map && (reader.peek() != '"' || !reader.string(key) || !reader.take(':'))) return false;
      Value member;
      if (!read_deep(reader, builder, arena, depth + 1, member)) return false;
      if (is_map) {
        builder.entry(json_unescape(key, arena), member);
      } else {
        builder.item(member);
      }
    } while (reader.take(','));
    if (!reader.take(closer)) return false;
  }
  value = is_map ? builder.close_map(first, false) : builder.close_list(first);
  return true;
}

}  // namespace

JsonText to_json(const Value& value, Arena& arena) {
  switch (value.kind()) {
    case Kind::string:
      return string_to_json(value.text(), arena);
    case Kind::integer:
      return integer_to_json(value.as_int(), arena);
    case Kind::uinteger:
      return integer_to_json(value.as_uint(), arena);
    case Kind::json_array:
    case Kind::json_object:
      return {ErrorKind::none, value.text()};
    case Kind::boolean:
      return {ErrorKind::none, std::string_view(value.as_bool() ? "true" : "false", value.as_bool() ? 4 : 5)};
    case Kind::null:
      return {ErrorKind::none, "null"};
    default:
      break;
  }
  std::string made;
  const ErrorKind error = write_value(value, 0, made);
  if (error != ErrorKind::none) return {error, {}};
  return {ErrorKind::none, arena.copy(made)};
}

Value from_json(std::string_view text, Arena& arena) {
  if (!is_valid_utf8(text)) return Value::error(ErrorKind::not_json);
  JsonReader reader(text);
  Builder builder(arena);
  Value value;
  if (!read_deep(reader, builder, arena, 0, value) || !reader.done()) return Value::error(ErrorKind::not_json);
  return value;
}

Value expand_json(const Value& unread, Arena& arena) {
  CHECK(unread.is(Kind::json_array) || unread.is(Kind::json_object));
  const bool is_map = unread.is(Kind::json_object);
  const char closer = is_map ? '}' : ']';
  JsonReader reader(unread.text());
  Builder builder(arena);
  const Value broken = Value::error(ErrorKind::not_json);
  if (!reader.take(is_map ? '{' : '[')) return broken;
  if (!reader.take(closer)) {
    do {
      std::string_view key;
      if (is_map && (reader.peek() != '"' || !reader.string(key) || !reader.take(':'))) return broken;
      Value member;
      if (!reader.shallow(member, arena, unread.tag())) return broken;
      if (is_map) {
        builder.entry(json_unescape(key, arena), member);
      } else {
        builder.item(member);
      }
    } while (reader.take(','));
    if (!reader.take(closer)) return broken;
  }
  return is_map ? builder.close_map(0, unread.tag() == kFirstKeyWins) : builder.close_list(0);
}

}  // namespace millrace::expr
