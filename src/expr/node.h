// Node: a piece of a compiled expression. Immutable, shared by all workers; what changes is in the Frame.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "expr/ast.h"
#include "expr/flat_test.h"
#include "expr/frame.h"

namespace millrace::expr {

// What a rule set wants to know of a rule, so that many of a kind become one table or one automaton.
struct Shape {
  enum class Is : uint8_t { other, equality, regex };
  Is is = Is::other;
  uint16_t slot = 0;
  std::span<const Value> constants;  // equality: the field equals one of these
  std::string_view pattern;          // regex: the field matches this
};

class Node {
 public:
  virtual ~Node() = default;

  virtual Value eval(Frame& frame) const = 0;

  // As a condition. On Truth::error the frame has the note. Nodes that are conditions by nature override this and let
  // eval() follow from it.
  virtual Truth test(Frame& frame) const { return truth_of(frame, eval(frame)); }

  [[nodiscard]] virtual Shape shape() const { return {}; }

  // The same test as data. It refers to this node.
  [[nodiscard]] virtual FlatTest flat() const { return {}; }

  // The compiled form for --explain, without a line end.
  [[nodiscard]] virtual std::string describe() const = 0;

  static Truth truth_of(Frame& frame, const Value& value) {
    if (value.is(Kind::boolean)) return value.as_bool() ? Truth::yes : Truth::no;
    if (!value.is_error()) frame.no_overload("a condition must be true or false, it is {}", value);
    return Truth::error;
  }
  static Value value_of(Frame& frame, Truth truth) {
    return truth == Truth::error ? frame.noted() : Value::boolean(truth == Truth::yes);
  }
};

using NodePtr = std::unique_ptr<const Node>;

// Conditions: eval() follows from test().
class TestNode : public Node {
 public:
  Value eval(Frame& frame) const final { return value_of(frame, test(frame)); }
  Truth test(Frame& frame) const override = 0;
};

std::string describe_all(const char* name, const std::vector<NodePtr>& nodes);

// The operators on values, for the generic nodes and for folding of constants.
Value select_field(Frame& frame, const Value& operand, std::string_view field, bool optional);
Truth has_field(Frame& frame, const Value& operand, std::string_view field);
Value select_index(Frame& frame, const Value& operand, const Value& key, bool optional);
Value arithmetic(Frame& frame, Op op, const Value& a, const Value& b, bool strict);
Value negate(Frame& frame, const Value& a);
// One of < <= > >=.
Truth ordered(Frame& frame, Op op, const Value& a, const Value& b);
Truth contains_value(Frame& frame, const Value& needle, const Value& haystack);

}  // namespace millrace::expr
