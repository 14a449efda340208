#include "expr/value_ops.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "expr/decoder.h"
#include "expr/opaque.h"

namespace millrace::expr {
namespace {

constexpr size_t kSmallMap = 16;  // up to here a walk is faster than a table

bool equal_numbers(const Value& a, const Value& b) {
  return compare_numbers(a, b) == Ordering::equal;
}

bool equal_lists(const Value& a, const Value& b, Arena& arena) {
  if (a.count() != b.count()) return false;
  for (uint32_t i = 0; i < a.count(); ++i) {
    if (!equal(a.items()[i], b.items()[i], arena)) return false;
  }
  return true;
}

bool equal_maps(const Value& a, const Value& b, Arena& arena) {
  if (a.count() != b.count()) return false;
  if (a.count() <= kSmallMap) {
    for (uint32_t i = 0; i < a.count(); ++i) {
      const MapEntry* other = find_entry(b, a.entries()[i].key);
      if (other == nullptr || !equal(a.entries()[i].value, other->value, arena)) return false;
    }
    return true;
  }
  ValueIndex index(b.count(), arena);
  bool is_new = false;
  for (uint32_t i = 0; i < b.count(); ++i) index.add(b.entries()[i].key, is_new);
  for (uint32_t i = 0; i < a.count(); ++i) {
    const auto position = index.find(a.entries()[i].key);
    if (!position || !equal(a.entries()[i].value, b.entries()[*position].value, arena)) return false;
  }
  return true;
}

uint64_t mix(uint64_t h) {
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ULL;
  return h ^ (h >> 33);
}

double as_double(const Value& value) {
  if (value.is(Kind::integer)) return static_cast<double>(value.as_int());
  if (value.is(Kind::uinteger)) return static_cast<double>(value.as_uint());
  return value.as_double();
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::absent:
      return "absent";
    case Kind::null:
      return "null_type";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::uinteger:
      return "uint";
    case Kind::floating:
      return "double";
    case Kind::string:
      return "string";
    case Kind::bytes:
      return "bytes";
    case Kind::list:
    case Kind::json_array:
      return "list";
    case Kind::map:
    case Kind::json_object:
      return "map";
    case Kind::timestamp:
      return "google.protobuf.Timestamp";
    case Kind::duration:
      return "google.protobuf.Duration";
    case Kind::type:
      return "type";
    case Kind::optional:
      return "optional_type";
    case Kind::opaque:
      return "opaque";
    case Kind::error:
      return "error";
  }
  return "";
}

std::string_view type_name(const Value& value) {
  return value.is(Kind::opaque) ? opaque_type_name(value.tag()) : kind_name(value.kind());
}

Value expanded(const Value& value, Arena& arena) {
  if (value.is(Kind::json_array) || value.is(Kind::json_object)) return expand_json(value, arena);
  return value;
}

bool equal(const Value& a_in, const Value& b_in, Arena& arena) {
  if (is_number(a_in) && is_number(b_in)) return equal_numbers(a_in, b_in);
  const Value a = expanded(a_in, arena);
  const Value b = expanded(b_in, arena);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::null:
      return true;
    case Kind::boolean:
      return a.as_bool() == b.as_bool();
    case Kind::string:
    case Kind::bytes:
    case Kind::type:
      return a.text() == b.text();
    case Kind::list:
      return equal_lists(a, b, arena);
    case Kind::map:
      return equal_maps(a, b, arena);
    case Kind::timestamp:
      return a.seconds() == b.seconds() && a.nanos() == b.nanos();
    case Kind::duration:
      return a.duration_ns() == b.duration_ns();
    case Kind::optional:
      if (a.inside() == nullptr || b.inside() == nullptr) return a.inside() == b.inside();
      return equal(*a.inside(), *b.inside(), arena);
    case Kind::opaque:
      return opaque_equal(a, b);
    default:
      return false;
  }
}

uint64_t hash_value(const Value& value_in, Arena& arena) {
  const Value value = expanded(value_in, arena);
  switch (value.kind()) {
    case Kind::boolean:
      return value.as_bool() ? 11 : 12;
    case Kind::integer:
    case Kind::uinteger:
    case Kind::floating: {
      double number = as_double(value);
      if (number == 0) number = 0;  // -0.0 equals 0.0
      uint64_t bits = 0;
      std::memcpy(&bits, &number, sizeof bits);
      return mix(bits);
    }
    case Kind::string:
    case Kind::bytes:
    case Kind::type:
      return XXH3_64bits(value.text().data(), value.text().size());
    case Kind::list: {
      uint64_t h = 17;
      for (uint32_t i = 0; i < value.count(); ++i) h = mix(h * 31 + hash_value(value.items()[i], arena));
      return h;
    }
    case Kind::map: {
      uint64_t h = 19;
      for (uint32_t i = 0; i < value.count(); ++i) {
        h += mix(hash_value(value.entries()[i].key, arena) * 31 + hash_value(value.entries()[i].value, arena));
      }
      return h;
    }
    case Kind::timestamp:
      return mix(static_cast<uint64_t>(value.seconds()) * 31 + value.nanos());
    case Kind::duration:
      return mix(static_cast<uint64_t>(value.duration_ns()));
    case Kind::optional:
      return value.inside() == nullptr ? 23 : mix(hash_value(*value.inside(), arena));
    case Kind::opaque:
      return opaque_hash(value);
    default:
      return 5;
  }
}

namespace {

template <typename T>
Ordering order(T a, T b) {
  if (a < b) return Ordering::less;
  return a == b ? Ordering::equal : Ordering::greater;
}

Ordering reversed(Ordering ordering) {
  if (ordering == Ordering::less) return Ordering::greater;
  return ordering == Ordering::greater ? Ordering::less : ordering;
}

Ordering int_uint(int64_t a, uint64_t b) {
  if (a < 0) return Ordering::less;
  return order(static_cast<uint64_t>(a), b);
}

// An integer against a double is compared as doubles, which loses digits above 2^53; so says the definition.
Ordering double_int(double a, int64_t b) {
  if (std::isnan(a)) return Ordering::unordered;
  if (a < -9223372036854775808.0) return Ordering::less;
  if (a > 9223372036854775808.0) return Ordering::greater;
  return order(a, static_cast<double>(b));
}
Ordering double_uint(double a, uint64_t b) {
  if (std::isnan(a)) return Ordering::unordered;
  if (a < 0) return Ordering::less;
  if (a > 18446744073709551616.0) return Ordering::greater;
  return order(a, static_cast<double>(b));
}

}  // namespace

Ordering compare_numbers(const Value& a, const Value& b) {
  switch (a.kind()) {
    case Kind::integer:
      if (b.is(Kind::integer)) return order(a.as_int(), b.as_int());
      if (b.is(Kind::uinteger)) return int_uint(a.as_int(), b.as_uint());
      return reversed(double_int(b.as_double(), a.as_int()));
    case Kind::uinteger:
      if (b.is(Kind::uinteger)) return order(a.as_uint(), b.as_uint());
      if (b.is(Kind::integer)) return reversed(int_uint(b.as_int(), a.as_uint()));
      return reversed(double_uint(b.as_double(), a.as_uint()));
    default:
      if (b.is(Kind::integer)) return double_int(a.as_double(), b.as_int());
      if (b.is(Kind::uinteger)) return double_uint(a.as_double(), b.as_uint());
      if (std::isnan(a.as_double()) || std::isnan(b.as_double())) return Ordering::unordered;
      return order(a.as_double(), b.as_double());
  }
}

Ordering compare(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) return compare_numbers(a, b);
  if (a.kind() != b.kind()) return Ordering::incomparable;
  switch (a.kind()) {
    case Kind::boolean:
      return order(a.as_bool(), b.as_bool());
    case Kind::string:
    case Kind::bytes:
      return order(a.text().compare(b.text()), 0);
    case Kind::timestamp:
      if (a.seconds() != b.seconds()) return order(a.seconds(), b.seconds());
      return order(a.nanos(), b.nanos());
    case Kind::duration:
      return order(a.duration_ns(), b.duration_ns());
    default:
      return Ordering::incomparable;
  }
}

const MapEntry* find_entry(const Value& map, std::string_view key) {
  for (uint32_t i = 0; i < map.count(); ++i) {
    const Value& other = map.entries()[i].key;
    if (other.is(Kind::string) && other.text() == key) return &map.entries()[i];
  }
  return nullptr;
}

const MapEntry* find_entry(const Value& map, const Value& key) {
  if (key.is(Kind::string)) return find_entry(map, key.text());
  for (uint32_t i = 0; i < map.count(); ++i) {
    const Value& other = map.entries()[i].key;
    const bool same = key.is(Kind::boolean) ? other.is(Kind::boolean) && other.as_bool() == key.as_bool()
                                            : is_number(key) && is_number(other) && equal_numbers(key, other);
    if (same) return &map.entries()[i];
  }
  return nullptr;
}

bool is_map_key(const Value& value) {
  return value.is(Kind::string) || value.is(Kind::integer) || value.is(Kind::uinteger) || value.is(Kind::boolean);
}

ValueIndex::ValueIndex(size_t capacity, Arena& arena) : arena_(arena) {
  size_t size = 8;
  while (size < capacity * 2) size *= 2;
  entries_ = arena.make_array<Entry>(size).data();
  mask_ = size - 1;
}

ValueIndex::Entry* ValueIndex::place(const Value& value, uint64_t hash) const {
  for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
    Entry& entry = entries_[at];
    if (entry.value == nullptr) return &entry;
    if (entry.hash == hash && equal(*entry.value, value, arena_)) return &entry;
  }
}

size_t ValueIndex::add(const Value& value, bool& is_new) {
  const uint64_t hash = hash_value(value, arena_);
  Entry* entry = place(value, hash);
  is_new = entry->value == nullptr;
  if (is_new) *entry = {hash, &value, count_++};
  return entry->position;
}

std::optional<size_t> ValueIndex::find(const Value& value) const {
  const Entry* entry = place(value, hash_value(value, arena_));
  if (entry->value == nullptr) return {};
  return entry->position;
}

}  // namespace millrace::expr
