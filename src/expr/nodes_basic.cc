// Leaves and operators.
#include <algorithm>
#include <array>

#include "expr/nodes.h"
#include "expr/nodes_fused.h"
#include "expr/value_ops.h"

namespace millrace::expr {

std::string describe_all(const char* name, const std::vector<NodePtr>& nodes) {
  std::string text = std::string(name) + "(";
  for (size_t i = 0; i < nodes.size(); ++i) text += (i > 0 ? ", " : "") + nodes[i]->describe();
  return text + ")";
}

namespace {

std::string describe_two(const char* name, const NodePtr& a, const NodePtr& b) {
  return std::string(name) + "(" + a->describe() + ", " + b->describe() + ")";
}

class Literal final : public Node {
 public:
  explicit Literal(const Value& value) : value_(value) {}
  Value eval(Frame& /*frame*/) const override { return value_; }
  [[nodiscard]] std::string describe() const override { return value_for_message(value_); }

 private:
  const Value value_;
};

class Local final : public Node {
 public:
  Local(size_t index, std::string name) : index_(index), name_(std::move(name)) {}
  Value eval(Frame& frame) const override {
    const Value value = frame.locals[index_];
    if (value.is_error()) return frame.fail(value.error_kind(), "the value of a variable could not be computed");
    return value;
  }
  [[nodiscard]] std::string describe() const override { return name_; }

 private:
  const size_t index_;
  const std::string name_;
};

class Bound final : public Node {
 public:
  Bound(size_t index, std::string name) : index_(index), name_(std::move(name)) {}
  Value eval(Frame& frame) const override {
    if (index_ < frame.bound.size() && !frame.bound[index_].is_absent()) return frame.bound[index_];
    return frame.fail(ErrorKind::no_such_field, "no value for the variable {}", Value::string(name_));
  }
  [[nodiscard]] std::string describe() const override { return name_; }

 private:
  const size_t index_;
  const std::string name_;
};

class Failure final : public Node {
 public:
  Failure(ErrorKind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  Value eval(Frame& frame) const override { return frame.fail(kind_, text_.c_str()); }
  [[nodiscard]] std::string describe() const override { return "fail(" + text_ + ")"; }

 private:
  const ErrorKind kind_;
  const std::string text_;
};

class Select final : public Node {
 public:
  Select(NodePtr operand, std::string field, bool optional)
      : operand_(std::move(operand)), field_(std::move(field)), optional_(optional) {}
  Value eval(Frame& frame) const override { return select_field(frame, operand_->eval(frame), field_, optional_); }
  [[nodiscard]] std::string describe() const override {
    return operand_->describe() + (optional_ ? ".?" : ".") + field_;
  }

 private:
  const NodePtr operand_;
  const std::string field_;
  const bool optional_;
};

class Has final : public TestNode {
 public:
  Has(NodePtr operand, std::string field) : operand_(std::move(operand)), field_(std::move(field)) {}
  Truth test(Frame& frame) const override { return has_field(frame, operand_->eval(frame), field_); }
  [[nodiscard]] std::string describe() const override { return "has(" + operand_->describe() + "." + field_ + ")"; }

 private:
  const NodePtr operand_;
  const std::string field_;
};

class Index final : public Node {
 public:
  Index(NodePtr operand, NodePtr key, bool optional)
      : operand_(std::move(operand)), key_(std::move(key)), optional_(optional) {}
  Value eval(Frame& frame) const override {
    const Value operand = operand_->eval(frame);
    if (operand.is_error()) return operand;
    return select_index(frame, operand, key_->eval(frame), optional_);
  }
  [[nodiscard]] std::string describe() const override {
    return operand_->describe() + (optional_ ? "[?" : "[") + key_->describe() + "]";
  }

 private:
  const NodePtr operand_;
  const NodePtr key_;
  const bool optional_;
};

class Not final : public TestNode {
 public:
  explicit Not(NodePtr operand) : operand_(std::move(operand)) {}
  Truth test(Frame& frame) const override {
    const Truth truth = operand_->test(frame);
    if (truth == Truth::error) return truth;
    return truth == Truth::yes ? Truth::no : Truth::yes;
  }
  [[nodiscard]] FlatTest flat() const override {
    FlatTest test = operand_->flat();
    test.wanted = !test.wanted;
    return test;
  }
  [[nodiscard]] std::string describe() const override { return "not(" + operand_->describe() + ")"; }

 private:
  const NodePtr operand_;
};

class Negate final : public Node {
 public:
  explicit Negate(NodePtr operand) : operand_(std::move(operand)) {}
  Value eval(Frame& frame) const override {
    const Value value = operand_->eval(frame);
    return value.is_error() ? value : negate(frame, value);
  }
  [[nodiscard]] std::string describe() const override { return "negate(" + operand_->describe() + ")"; }

 private:
  const NodePtr operand_;
};

class Arithmetic final : public Node {
 public:
  Arithmetic(Op op, NodePtr left, NodePtr right, bool strict)
      : op_(op), left_(std::move(left)), right_(std::move(right)), strict_(strict) {}
  Value eval(Frame& frame) const override {
    const Value left = left_->eval(frame);
    if (left.is_error()) return left;
    const Value right = right_->eval(frame);
    if (right.is_error()) return right;
    return arithmetic(frame, op_, left, right, strict_);
  }
  [[nodiscard]] std::string describe() const override {
    return describe_two(std::string(to_string(op_)).c_str(), left_, right_);
  }

 private:
  const Op op_;
  const NodePtr left_;
  const NodePtr right_;
  const bool strict_;
};

class Equal final : public TestNode {
 public:
  Equal(bool wanted, NodePtr left, NodePtr right) : wanted_(wanted), left_(std::move(left)), right_(std::move(right)) {}
  Truth test(Frame& frame) const override {
    const Value left = left_->eval(frame);
    if (left.is_error()) return Truth::error;
    const Value right = right_->eval(frame);
    if (right.is_error()) return Truth::error;
    return equal(left, right, frame.arena) == wanted_ ? Truth::yes : Truth::no;
  }
  [[nodiscard]] std::string describe() const override { return describe_two(wanted_ ? "==" : "!=", left_, right_); }

 private:
  const bool wanted_;
  const NodePtr left_;
  const NodePtr right_;
};

class Compare final : public TestNode {
 public:
  Compare(Op op, NodePtr left, NodePtr right) : op_(op), left_(std::move(left)), right_(std::move(right)) {}
  Truth test(Frame& frame) const override {
    const Value left = left_->eval(frame);
    if (left.is_error()) return Truth::error;
    const Value right = right_->eval(frame);
    if (right.is_error()) return Truth::error;
    return ordered(frame, op_, left, right);
  }
  [[nodiscard]] std::string describe() const override {
    return describe_two(std::string(to_string(op_)).c_str(), left_, right_);
  }

 private:
  const Op op_;
  const NodePtr left_;
  const NodePtr right_;
};

class In final : public TestNode {
 public:
  In(NodePtr needle, NodePtr haystack) : needle_(std::move(needle)), haystack_(std::move(haystack)) {}
  Truth test(Frame& frame) const override {
    const Value needle = needle_->eval(frame);
    if (needle.is_error()) return Truth::error;
    const Value haystack = haystack_->eval(frame);
    if (haystack.is_error()) return Truth::error;
    return contains_value(frame, needle, haystack);
  }
  [[nodiscard]] std::string describe() const override { return describe_two("in", needle_, haystack_); }

 private:
  const NodePtr needle_;
  const NodePtr haystack_;
};

// && and ||: `stop` decides at once; an error counts only when nothing decides. Flat tests are tried first; where
// one of them cannot decide, everything goes the long way.
class Junction final : public TestNode {
 public:
  Junction(Truth stop, std::vector<NodePtr> terms) : stop_(stop), terms_(std::move(terms)) {
    for (const NodePtr& term : terms_) {
      const FlatTest test = term->flat();
      if (test.is == FlatTest::Is::other) continue;
      flat_.push_back(test);
    }
  }
  Truth test(Frame& frame) const override {
    for (const FlatTest& flat : flat_) {
      const Truth truth = decide(flat, frame.scope.fields[flat.slot]);
      if (truth == stop_) return stop_;
      if (truth == Truth::error) return one_by_one(frame);
    }
    if (flat_.size() == terms_.size()) return stop_ == Truth::no ? Truth::yes : Truth::no;
    return one_by_one(frame);
  }
  [[nodiscard]] std::string describe() const override {
    return describe_all(stop_ == Truth::no ? "and" : "or", terms_);
  }

 private:
  Truth one_by_one(Frame& frame) const {
    for (size_t i = 0; i < terms_.size(); ++i) {
      const Truth truth = terms_[i]->test(frame);
      if (truth == stop_) return stop_;
      if (truth == Truth::error) return after_error(frame, i + 1);
    }
    return stop_ == Truth::no ? Truth::yes : Truth::no;
  }

  Truth after_error(Frame& frame, size_t next) const {
    const ErrorNote first = frame.state.note;
    for (; next < terms_.size(); ++next) {
      if (terms_[next]->test(frame) == stop_) return stop_;
    }
    frame.state.note = first;
    return Truth::error;
  }

  const Truth stop_;
  const std::vector<NodePtr> terms_;
  std::vector<FlatTest> flat_;  // of those terms that have one
};

class Conditional final : public Node {
 public:
  Conditional(NodePtr condition, NodePtr yes, NodePtr no)
      : condition_(std::move(condition)), yes_(std::move(yes)), no_(std::move(no)) {}
  Value eval(Frame& frame) const override {
    const Truth truth = condition_->test(frame);
    if (truth == Truth::error) return frame.noted();
    return truth == Truth::yes ? yes_->eval(frame) : no_->eval(frame);
  }
  Truth test(Frame& frame) const override {
    const Truth truth = condition_->test(frame);
    if (truth == Truth::error) return truth;
    return truth == Truth::yes ? yes_->test(frame) : no_->test(frame);
  }
  [[nodiscard]] std::string describe() const override {
    return "if(" + condition_->describe() + ", " + yes_->describe() + ", " + no_->describe() + ")";
  }

 private:
  const NodePtr condition_;
  const NodePtr yes_;
  const NodePtr no_;
};

}  // namespace

NodePtr make_literal(const Value& value) {
  return std::make_unique<Literal>(value);
}
NodePtr make_local(size_t index, const std::string& name) {
  return std::make_unique<Local>(index, name);
}
NodePtr make_bound(size_t index, const std::string& name) {
  return std::make_unique<Bound>(index, name);
}
NodePtr make_failure(ErrorKind kind, const std::string& text) {
  return std::make_unique<Failure>(kind, text);
}
NodePtr make_select(NodePtr operand, const std::string& field, bool optional) {
  return std::make_unique<Select>(std::move(operand), field, optional);
}
NodePtr make_has(NodePtr operand, const std::string& field) {
  return std::make_unique<Has>(std::move(operand), field);
}
NodePtr make_index(NodePtr operand, NodePtr key, bool optional) {
  return std::make_unique<Index>(std::move(operand), std::move(key), optional);
}
NodePtr make_not(NodePtr operand) {
  return std::make_unique<Not>(std::move(operand));
}
NodePtr make_negate(NodePtr operand) {
  return std::make_unique<Negate>(std::move(operand));
}
NodePtr make_arithmetic(Op op, NodePtr left, NodePtr right, bool strict) {
  return std::make_unique<Arithmetic>(op, std::move(left), std::move(right), strict);
}
NodePtr make_equal(bool wanted, Built left, Built right, Arena& constants) {
  if (left.slot < 0) std::swap(left, right);  // a field goes left
  if (NodePtr fused = make_field_equal(wanted, left, right, constants)) return fused;
  return std::make_unique<Equal>(wanted, std::move(left.node), std::move(right.node));
}
NodePtr make_compare(Op op, Built left, Built right) {
  if (NodePtr fused = make_field_compare(op, left, right)) return fused;
  return std::make_unique<Compare>(op, std::move(left.node), std::move(right.node));
}
NodePtr make_in(Built needle, Built haystack, Arena& constants) {
  if (NodePtr fused = make_in_set(needle, haystack, constants)) return fused;
  return std::make_unique<In>(std::move(needle.node), std::move(haystack.node));
}
NodePtr make_and(std::vector<NodePtr> terms) {
  return std::make_unique<Junction>(Truth::no, std::move(terms));
}
NodePtr make_or(std::vector<NodePtr> terms) {
  return std::make_unique<Junction>(Truth::yes, std::move(terms));
}
NodePtr make_conditional(NodePtr condition, NodePtr yes, NodePtr no) {
  return std::make_unique<Conditional>(std::move(condition), std::move(yes), std::move(no));
}

}  // namespace millrace::expr
