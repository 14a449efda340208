// Lists taken as sets, and maps.
#include "expr/functions.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using Args = std::span<const Value>;

// Both arguments as lists and an index of the second; false: noted.
bool open(Frame& frame, Args args, Value& a, Value& b) {
  a = list_of(frame, args[0]);
  if (a.is_error()) return false;
  b = list_of(frame, args[1]);
  return !b.is_error();
}

size_t count_in(Frame& frame, const Value& wanted, const Value& list) {
  ValueIndex index(list.count(), frame.arena);
  bool is_new = false;
  for (uint32_t i = 0; i < list.count(); ++i) index.add(list.items()[i], is_new);
  size_t count = 0;
  for (uint32_t i = 0; i < wanted.count(); ++i) count += index.find(wanted.items()[i]).has_value() ? 1 : 0;
  return count;
}

Value contains(Frame& frame, Args args) {
  Value a;
  Value b;
  if (!open(frame, args, a, b)) return frame.noted();
  return Value::boolean(count_in(frame, b, a) == b.count());
}
Value equivalent(Frame& frame, Args args) {
  Value a;
  Value b;
  if (!open(frame, args, a, b)) return frame.noted();
  return Value::boolean(count_in(frame, a, b) == a.count() && count_in(frame, b, a) == b.count());
}
Value intersects(Frame& frame, Args args) {
  Value a;
  Value b;
  if (!open(frame, args, a, b)) return frame.noted();
  return Value::boolean(count_in(frame, a, b) > 0);
}

Value map_of(Frame& frame, const Value& value) {
  const Value map = expanded(value, frame.arena);
  if (map.is(Kind::map)) return map;
  if (map.is_error()) return frame.fail(map.error_kind(), "a map does not parse");
  return frame.no_overload("a map is expected, not {}", value);
}

Value keys(Frame& frame, Args args) {
  const Value map = map_of(frame, args[0]);
  if (map.is_error()) return map;
  Value* items = frame.make_values(map.count());
  if (items == nullptr) return frame.noted();
  for (uint32_t i = 0; i < map.count(); ++i) items[i] = map.entries()[i].key;
  return Value::list(items, map.count());
}

Value values(Frame& frame, Args args) {
  const Value map = map_of(frame, args[0]);
  if (map.is_error()) return map;
  Value* items = frame.make_values(map.count());
  if (items == nullptr) return frame.noted();
  for (uint32_t i = 0; i < map.count(); ++i) items[i] = map.entries()[i].value;
  return Value::list(items, map.count());
}

// Entries of both; the second map's win.
Value merge(Frame& frame, Args args) {
  const Value a = map_of(frame, args[0]);
  if (a.is_error()) return a;
  const Value b = map_of(frame, args[1]);
  if (b.is_error()) return b;
  const size_t most = size_t{a.count()} + b.count();
  MapEntry* to = frame.make_entries(most);
  if (to == nullptr) return frame.noted();
  ValueIndex index(most, frame.arena);
  uint32_t count = 0;
  for (const Value* map : {&a, &b}) {
    for (uint32_t i = 0; i < map->count(); ++i) {
      bool is_new = false;
      const size_t position = index.add(map->entries()[i].key, is_new);
      if (is_new) ++count;
      to[position] = map->entries()[i];
    }
  }
  return Value::map(to, count);
}

constexpr Function kSetFunctions[] = {
    {"sets.contains", false, 2, 2, Kind::boolean, Growth::walk, contains},
    {"sets.equivalent", false, 2, 2, Kind::boolean, Growth::walk, equivalent},
    {"sets.intersects", false, 2, 2, Kind::boolean, Growth::walk, intersects},
};
constexpr Function kMapFunctions[] = {
    {"keys", true, 1, 1, Kind::list, Growth::copy, keys},
    {"values", true, 1, 1, Kind::list, Growth::copy, values},
    {"merge", true, 2, 2, Kind::map, Growth::copy, merge},
};

}  // namespace

std::span<const Function> set_functions() {
  return kSetFunctions;
}
std::span<const Function> map_functions() {
  return kMapFunctions;
}

}  // namespace millrace::expr
