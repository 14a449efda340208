// Lists: parts, order, sums.
#include <algorithm>

#include "expr/ast.h"
#include "expr/functions.h"
#include "expr/node.h"
#include "expr/value_ops.h"

namespace millrace::expr {

Value list_of(Frame& frame, const Value& value) {
  const Value list = expanded(value, frame.arena);
  if (list.is(Kind::list)) return list;
  if (list.is_error()) return frame.fail(list.error_kind(), "a list does not parse");
  return frame.no_overload("a list is expected, not {}", value);
}

namespace {

using Args = std::span<const Value>;

Value slice(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (!args[1].is(Kind::integer) || !args[2].is(Kind::integer)) {
    return frame.no_overload("slice() wants two ints, not {} and {}", args[1], args[2]);
  }
  const int64_t begin = args[1].as_int();
  const int64_t end = args[2].as_int();
  if (begin < 0 || end < begin || end > list.count()) {
    return frame.fail(ErrorKind::out_of_range, "the list has no slice from {} to {}", args[1], args[2]);
  }
  return Value::list(list.items() + begin, static_cast<uint32_t>(end - begin));
}

bool flatten_into(Frame& frame, const Value& list, int64_t depth, std::vector<Value>& out) {
  for (uint32_t i = 0; i < list.count(); ++i) {
    const Value item = expanded(list.items()[i], frame.arena);
    if (item.is(Kind::list) && depth > 0) {
      if (!flatten_into(frame, item, depth - 1, out)) return false;
      continue;
    }
    if (!frame.pay(1)) return false;
    out.push_back(list.items()[i]);
  }
  return true;
}

Value flatten(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (args.size() == 2 && !args[1].is(Kind::integer))
    return frame.no_overload("flatten() wants an int, not {}", args[1]);
  const int64_t depth = args.size() == 2 ? args[1].as_int() : 1;
  if (depth < 0)
    return frame.fail(ErrorKind::invalid_argument, "flatten() wants a depth of 0 or more, not {}", args[1]);
  std::vector<Value> out;
  if (!flatten_into(frame, list, depth, out)) return frame.noted();
  return frame.made_list(out);
}

Value distinct(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  ValueIndex seen(list.count(), frame.arena);
  std::vector<Value> out;
  for (uint32_t i = 0; i < list.count(); ++i) {
    bool is_new = false;
    seen.add(list.items()[i], is_new);
    if (is_new) out.push_back(list.items()[i]);
  }
  return frame.made_list(out);
}

// All of one kind that has an order; false: noted.
bool sortable(Frame& frame, const Value& list) {
  for (uint32_t i = 0; i < list.count(); ++i) {
    if (compare(list.items()[0], list.items()[i]) == Ordering::incomparable) {
      frame.no_overload("{} and {} have no order", list.items()[0], list.items()[i]);
      return false;
    }
  }
  return true;
}

Value sort(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (!sortable(frame, list) || !frame.pay(list.count() * 2ULL)) return frame.noted();
  const Value sorted = frame.made_list({list.items(), list.count()});
  if (sorted.is_error()) return sorted;
  auto* items = const_cast<Value*>(sorted.items());
  std::stable_sort(items, items + sorted.count(),
                   [](const Value& a, const Value& b) { return compare(a, b) == Ordering::less; });
  return sorted;
}

Value is_sorted(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (!sortable(frame, list)) return frame.noted();
  for (uint32_t i = 1; i < list.count(); ++i) {
    if (compare(list.items()[i], list.items()[i - 1]) == Ordering::less) return Value::boolean(false);
  }
  return Value::boolean(true);
}

Value range(Frame& frame, Args args) {
  if (!args[0].is(Kind::integer)) return frame.no_overload("lists.range() wants an int, not {}", args[0]);
  const int64_t count = std::max<int64_t>(0, args[0].as_int());
  if (count > static_cast<int64_t>(frame.state.bytes_left / sizeof(Value))) {
    return frame.fail(ErrorKind::result_too_large, "a list of {} elements is too large", args[0]);
  }
  if (!frame.pay(static_cast<uint64_t>(count) / 10)) return frame.noted();
  Value* items = frame.make_values(static_cast<size_t>(count));
  if (items == nullptr) return frame.noted();
  for (int64_t i = 0; i < count; ++i) items[i] = Value::integer(i);
  return Value::list(items, static_cast<uint32_t>(count));
}

template <bool last>
Value end_of(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (list.count() == 0) return Value::optional_none();
  return frame.made_optional(list.items()[last ? list.count() - 1 : 0]);
}

Value sum(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (list.count() == 0) return Value::integer(0);
  Value total = list.items()[0];
  if (!is_number(total) && !total.is(Kind::duration))
    return frame.no_overload("sum() wants numbers or durations, not {}", total);
  for (uint32_t i = 1; i < list.count() && !total.is_error(); ++i) {
    const Value& item = list.items()[i];
    if (!is_number(item) && !item.is(Kind::duration))
      return frame.no_overload("sum() wants numbers or durations, not {}", item);
    total = arithmetic(frame, Op::add, total, item, false);
  }
  return total;
}

template <Ordering better>
Value extreme(Frame& frame, Args args) {
  const Value list = list_of(frame, args[0]);
  if (list.is_error()) return list;
  if (list.count() == 0) return frame.fail(ErrorKind::invalid_argument, "an empty list has no min() and no max()");
  if (!sortable(frame, list)) return frame.noted();
  Value best = list.items()[0];
  for (uint32_t i = 1; i < list.count(); ++i) {
    if (compare(list.items()[i], best) == better) best = list.items()[i];
  }
  return best;
}

constexpr Function kFunctions[] = {
    {"slice", true, 3, 3, Kind::list, Growth::walk, slice},
    {"flatten", true, 1, 2, Kind::list, Growth::multiply, flatten},
    {"distinct", true, 1, 1, Kind::list, Growth::copy, distinct},
    {"sort", true, 1, 1, Kind::list, Growth::copy, sort},
    {"isSorted", true, 1, 1, Kind::boolean, Growth::walk, is_sorted},
    {"lists.range", false, 1, 1, Kind::list, Growth::multiply, range},
    {"first", true, 1, 1, Kind::optional, Growth::walk, end_of<false>},
    {"last", true, 1, 1, Kind::optional, Growth::walk, end_of<true>},
    {"sum", true, 1, 1, Kind::absent, Growth::walk, sum},
    {"min", true, 1, 1, Kind::absent, Growth::walk, extreme<Ordering::less>},
    {"max", true, 1, 1, Kind::absent, Growth::walk, extreme<Ordering::greater>},
};

}  // namespace

std::span<const Function> list_functions() {
  return kFunctions;
}

}  // namespace millrace::expr
