// What the language says about any two values: equality, order, hashes, members, types, and their text. Any thread;
// made values go into the arena that is passed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "expr/value.h"

namespace millrace::expr {

// Names of types, as type() gives them.
std::string_view type_name(const Value& value);
std::string_view kind_name(Kind kind);

inline bool is_number(const Value& value) {
  return value.is(Kind::integer) || value.is(Kind::uinteger) || value.is(Kind::floating);
}

// Never fails. Unread JSON is expanded where it has to be.
bool equal(const Value& a, const Value& b, Arena& arena);

// Equal values have equal hashes (numbers of all three types included).
uint64_t hash_value(const Value& value, Arena& arena);

enum class Ordering : uint8_t { less, equal, greater, unordered, incomparable };
// incomparable: the kinds have no order; unordered: a NaN.
Ordering compare(const Value& a, const Value& b);
Ordering compare_numbers(const Value& a, const Value& b);

// Unread JSON arrays and objects become lists and maps of one level; anything else stays as it is.
Value expanded(const Value& value, Arena& arena);

// The entry with this key, or null. `map` is a Kind::map.
const MapEntry* find_entry(const Value& map, const Value& key);
const MapEntry* find_entry(const Value& map, std::string_view key);

// A key of another numeric type in the form that maps have: a whole double as an int.
bool is_map_key(const Value& value);

// For messages and for format("%s"): strings as they are, lists and maps in brackets.
std::string value_text(const Value& value, Arena& arena);

// For messages: one line, cut to a sensible length, strings in quotes.
std::string value_for_message(const Value& value);

// A set of values by the language's equality, for repeated keys, distinct(), sets and large maps.
class ValueIndex {
 public:
  // Room for `capacity` values, in the arena.
  ValueIndex(size_t capacity, Arena& arena);
  // Position of an equal value that was added before, or of this one when it is new.
  size_t add(const Value& value, bool& is_new);
  [[nodiscard]] std::optional<size_t> find(const Value& value) const;

 private:
  struct Entry {
    uint64_t hash = 0;
    const Value* value = nullptr;
    size_t position = 0;
  };
  [[nodiscard]] Entry* place(const Value& value, uint64_t hash) const;

  Arena& arena_;
  Entry* entries_;
  size_t mask_;
  size_t count_ = 0;
};

}  // namespace millrace::expr
