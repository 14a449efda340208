// Macros: the loops of the language, over lists and maps, and cel.bind. Every iteration is paid for.
#include <algorithm>

#include "expr/nodes.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

// The range of a loop: elements of a list, or keys of a map; with two variables index and element, or key and value.
struct Range {
  Value whole;
  uint32_t count = 0;

  [[nodiscard]] bool is_map() const { return whole.is(Kind::map); }
};

class Loop : public Node {
 public:
  explicit Loop(MacroParts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] std::string describe() const final {
    std::string text = std::string(to_string(parts_.macro)) + "(" + parts_.range->describe();
    for (const NodePtr& body : parts_.bodies) text += ", " + body->describe();
    return text + ")";
  }

 protected:
  // False: noted.
  bool open(Frame& frame, Range& range) const {
    const Value value = parts_.range->eval(frame);
    if (value.is_error()) return false;
    if (value.is(Kind::json_array) || value.is(Kind::json_object)) {
      if (!open_unread(frame, value, range.whole)) return false;
    } else {
      range.whole = value;
    }
    if (range.whole.is_error()) {
      frame.fail(range.whole.error_kind(), "a value does not parse");
      return false;
    }
    if (!range.whole.is(Kind::list) && !range.whole.is(Kind::map)) {
      frame.no_overload("a macro wants a list or a map, not {}", value);
      return false;
    }
    range.count = range.whole.count();
    return true;
  }

  // Reading text is paid for by its length.
  static bool open_unread(Frame& frame, const Value& unread, Value& whole) {
    constexpr uint64_t kBytesForOne = 32;
    for (const Evaluator::State::Opened& opened : frame.state.opened) {
      if (opened.unread.kind() == unread.kind() && opened.unread.pointer() == unread.pointer() &&
          opened.unread.count() == unread.count()) {
        whole = opened.whole;
        return true;
      }
    }
    if (!frame.pay(unread.text().size() / kBytesForOne)) return false;
    whole = expanded(unread, frame.arena);
    frame.state.opened[frame.state.next_opened++ % frame.state.opened.size()] = {unread, whole};
    return true;
  }

  // Sets the variables for iteration `i`; false when the budget is spent (noted).
  bool step(Frame& frame, const Range& range, uint32_t i) const {
    if (!frame.iterate(parts_.step_cost)) return false;
    Value* variables = frame.locals + parts_.first_local;
    if (range.is_map()) {
      variables[0] = range.whole.entries()[i].key;
      if (parts_.variables == 2) variables[1] = range.whole.entries()[i].value;
    } else if (parts_.variables == 2) {
      variables[0] = Value::integer(i);
      variables[1] = range.whole.items()[i];
    } else {
      variables[0] = range.whole.items()[i];
    }
    return true;
  }

  const MacroParts parts_;
};

// all and exists: && and || over the elements, absorbing errors as they do.
class Quantifier final : public Loop {
 public:
  using Loop::Loop;
  Value eval(Frame& frame) const override { return value_of(frame, test(frame)); }
  Truth test(Frame& frame) const override {
    const Truth stop = parts_.macro == Macro::all ? Truth::no : Truth::yes;
    Range range;
    if (!open(frame, range)) return Truth::error;
    bool failed = false;
    ErrorNote first;
    for (uint32_t i = 0; i < range.count; ++i) {
      if (!step(frame, range, i)) return Truth::error;
      const Truth truth = parts_.bodies[0]->test(frame);
      if (truth == stop) return stop;
      if (truth == Truth::error && !failed) {
        failed = true;
        first = frame.state.note;
      }
    }
    if (failed) {
      frame.state.note = first;
      return Truth::error;
    }
    return stop == Truth::no ? Truth::yes : Truth::no;
  }
};

class ExistsOne final : public Loop {
 public:
  using Loop::Loop;
  Value eval(Frame& frame) const override { return value_of(frame, test(frame)); }
  Truth test(Frame& frame) const override {
    Range range;
    if (!open(frame, range)) return Truth::error;
    size_t count = 0;
    for (uint32_t i = 0; i < range.count; ++i) {
      if (!step(frame, range, i)) return Truth::error;
      const Truth truth = parts_.bodies[0]->test(frame);
      if (truth == Truth::error) return truth;
      if (truth == Truth::yes) ++count;
    }
    return count == 1 ? Truth::yes : Truth::no;
  }
};

// map, filter, transformList: a list of what the last body gives where the first, if there are two, holds.
class Collect final : public Loop {
 public:
  using Loop::Loop;
  Value eval(Frame& frame) const override {
    Range range;
    if (!open(frame, range)) return frame.noted();
    Value* to = frame.make_values(range.count);
    if (to == nullptr) return frame.noted();
    const bool filter = parts_.macro == Macro::filter;
    uint32_t count = 0;
    for (uint32_t i = 0; i < range.count; ++i) {
      if (!step(frame, range, i)) return frame.noted();
      const Value element = frame.locals[parts_.first_local];
      if (filter || parts_.bodies.size() == 2) {
        const Truth truth = parts_.bodies[0]->test(frame);
        if (truth == Truth::error) return frame.noted();
        if (truth == Truth::no) continue;
      }
      const Value made = filter ? element : parts_.bodies.back()->eval(frame);
      if (made.is_error()) return made;
      to[count++] = made;
    }
    return Value::list(to, count);
  }
};

class TransformMap final : public Loop {
 public:
  using Loop::Loop;
  Value eval(Frame& frame) const override {
    Range range;
    if (!open(frame, range)) return frame.noted();
    std::vector<MapEntry> entries;
    for (uint32_t i = 0; i < range.count; ++i) {
      if (!step(frame, range, i)) return frame.noted();
      const Value key = frame.locals[parts_.first_local];
      if (parts_.bodies.size() == 2) {
        const Truth truth = parts_.bodies[0]->test(frame);
        if (truth == Truth::error) return frame.noted();
        if (truth == Truth::no) continue;
      }
      const Value made = expanded(parts_.bodies.back()->eval(frame), frame.arena);
      if (made.is_error()) return made;
      if (parts_.macro == Macro::transform_map) {
        entries.push_back({key, made});
        continue;
      }
      if (!made.is(Kind::map)) return frame.no_overload("transformMapEntry() wants a map from its body, not {}", made);
      if (!frame.pay(made.count())) return frame.noted();
      entries.insert(entries.end(), made.entries(), made.entries() + made.count());
    }
    return finish(frame, entries);
  }

 private:
  static Value finish(Frame& frame, const std::vector<MapEntry>& entries) {
    MapEntry* to = frame.make_entries(entries.size());
    if (to == nullptr) return frame.noted();
    ValueIndex keys(entries.size(), frame.arena);
    for (size_t i = 0; i < entries.size(); ++i) {
      to[i] = entries[i];
      bool is_new = false;
      keys.add(to[i].key, is_new);
      if (!is_new) return frame.fail(ErrorKind::duplicate_key, "the key {} would stand in the map twice", to[i].key);
    }
    return Value::map(to, static_cast<uint32_t>(entries.size()));
  }
};

class SortBy final : public Loop {
 public:
  using Loop::Loop;
  Value eval(Frame& frame) const override {
    Range range;
    if (!open(frame, range)) return frame.noted();
    if (range.is_map()) return frame.no_overload("sortBy() wants a list, not {}", range.whole);
    struct Pair {
      Value key;
      Value item;
    };
    std::vector<Pair> pairs;
    for (uint32_t i = 0; i < range.count; ++i) {
      if (!step(frame, range, i)) return frame.noted();
      const Value key = parts_.bodies[0]->eval(frame);
      if (key.is_error()) return key;
      // Keys of one kind have a total order (NaN apart, which stays where it is).
      if (!pairs.empty() && compare(pairs[0].key, key) == Ordering::incomparable) {
        return frame.no_overload("sortBy() cannot put {} and {} in order", pairs[0].key, key);
      }
      pairs.push_back({key, range.whole.items()[i]});
    }
    if (!frame.pay(pairs.size() * 2)) return frame.noted();
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Pair& a, const Pair& b) { return compare(a.key, b.key) == Ordering::less; });
    Value* to = frame.make_values(pairs.size());
    if (to == nullptr) return frame.noted();
    for (size_t i = 0; i < pairs.size(); ++i) to[i] = pairs[i].item;
    return Value::list(to, static_cast<uint32_t>(pairs.size()));
  }
};

// cel.bind: the value is computed once; an error in it counts only where the variable is used.
class Bind final : public Node {
 public:
  explicit Bind(MacroParts parts) : parts_(std::move(parts)) {}
  Value eval(Frame& frame) const override {
    frame.locals[parts_.first_local] = parts_.range->eval(frame);
    return parts_.bodies[0]->eval(frame);
  }
  Truth test(Frame& frame) const override {
    frame.locals[parts_.first_local] = parts_.range->eval(frame);
    return parts_.bodies[0]->test(frame);
  }
  [[nodiscard]] std::string describe() const override {
    return "bind(" + parts_.range->describe() + ", " + parts_.bodies[0]->describe() + ")";
  }

 private:
  const MacroParts parts_;
};

class OptionalMap final : public Node {
 public:
  explicit OptionalMap(MacroParts parts) : parts_(std::move(parts)) {}
  Value eval(Frame& frame) const override {
    const Value optional = parts_.range->eval(frame);
    if (optional.is_error()) return optional;
    if (!optional.is(Kind::optional)) return frame.no_overload("optMap() wants an optional, not {}", optional);
    if (optional.inside() == nullptr) return optional;
    frame.locals[parts_.first_local] = *optional.inside();
    const Value made = parts_.bodies[0]->eval(frame);
    if (made.is_error()) return made;
    if (parts_.macro == Macro::opt_map) return frame.made_optional(made);
    if (!made.is(Kind::optional))
      return frame.no_overload("optFlatMap() wants an optional from its body, not {}", made);
    return made;
  }
  [[nodiscard]] std::string describe() const override {
    return std::string(to_string(parts_.macro)) + "(" + parts_.range->describe() + ", " + parts_.bodies[0]->describe() +
           ")";
  }

 private:
  const MacroParts parts_;
};

}  // namespace

NodePtr make_macro(MacroParts parts) {
  switch (parts.macro) {
    case Macro::all:
    case Macro::exists:
      return std::make_unique<Quantifier>(std::move(parts));
    case Macro::exists_one:
      return std::make_unique<ExistsOne>(std::move(parts));
    case Macro::map:
    case Macro::filter:
    case Macro::transform_list:
      return std::make_unique<Collect>(std::move(parts));
    case Macro::transform_map:
    case Macro::transform_map_entry:
      return std::make_unique<TransformMap>(std::move(parts));
    case Macro::sort_by:
      return std::make_unique<SortBy>(std::move(parts));
    case Macro::bind:
      return std::make_unique<Bind>(std::move(parts));
    case Macro::opt_map:
    case Macro::opt_flat_map:
      return std::make_unique<OptionalMap>(std::move(parts));
    case Macro::fall_back:
      break;
  }
  return make_or_value(std::move(parts.range), std::move(parts.bodies[0]));
}

}  // namespace millrace::expr
