// List and map literals, calls of functions, lookups, and the optional's `or`, whose other side may not be needed.
#include <array>

#include "expr/nodes.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

class ListLiteral final : public Node {
 public:
  ListLiteral(std::vector<NodePtr> items, std::vector<bool> optional)
      : items_(std::move(items)), optional_(std::move(optional)) {}
  Value eval(Frame& frame) const override {
    Value* to = frame.make_values(items_.size());
    if (to == nullptr) return frame.noted();
    uint32_t count = 0;
    for (size_t i = 0; i < items_.size(); ++i) {
      Value value = items_[i]->eval(frame);
      if (value.is_error()) return value;
      if (optional_[i]) {
        if (!value.is(Kind::optional)) return frame.no_overload("[?x] wants an optional, not {}", value);
        if (value.inside() == nullptr) continue;
        value = *value.inside();
      }
      to[count++] = value;
    }
    return Value::list(to, count);
  }
  [[nodiscard]] std::string describe() const override { return describe_all("list", items_); }

 private:
  const std::vector<NodePtr> items_;
  const std::vector<bool> optional_;
};

class MapLiteral final : public Node {
 public:
  MapLiteral(std::vector<NodePtr> entries, std::vector<bool> optional)
      : entries_(std::move(entries)), optional_(std::move(optional)) {}
  Value eval(Frame& frame) const override {
    MapEntry* to = frame.make_entries(optional_.size());
    if (to == nullptr) return frame.noted();
    ValueIndex keys(optional_.size(), frame.arena);
    uint32_t count = 0;
    for (size_t i = 0; i < optional_.size(); ++i) {
      const Value key = entries_[2 * i]->eval(frame);
      if (key.is_error()) return key;
      if (!is_map_key(key)) return frame.fail(ErrorKind::no_such_overload, "{} cannot be the key of a map", key);
      Value value = entries_[2 * i + 1]->eval(frame);
      if (value.is_error()) return value;
      if (optional_[i]) {
        if (!value.is(Kind::optional)) return frame.no_overload("{?k: x} wants an optional, not {}", value);
        if (value.inside() == nullptr) continue;
        value = *value.inside();
      }
      to[count] = {key, value};
      bool is_new = false;
      keys.add(to[count].key, is_new);
      if (!is_new) return frame.fail(ErrorKind::duplicate_key, "the key {} stands in the map twice", key);
      ++count;
    }
    return Value::map(to, count);
  }
  [[nodiscard]] std::string describe() const override { return describe_all("map", entries_); }

 private:
  const std::vector<NodePtr> entries_;
  const std::vector<bool> optional_;
};

class Call final : public Node {
 public:
  Call(const Function& function, std::vector<NodePtr> arguments)
      : function_(function), arguments_(std::move(arguments)) {}
  Value eval(Frame& frame) const override {
    std::array<Value, 6> few;
    Value* values = few.data();
    if (arguments_.size() > few.size()) values = frame.arena.make_array<Value>(arguments_.size()).data();
    for (size_t i = 0; i < arguments_.size(); ++i) {
      values[i] = arguments_[i]->eval(frame);
      if (values[i].is_error()) return values[i];
    }
    if (function_.growth != Growth::fixed && !frame.pay(1 + size_of_all({values, arguments_.size()}) / 10)) {
      return frame.noted();
    }
    return function_.call(frame, {values, arguments_.size()});
  }
  [[nodiscard]] std::string describe() const override {
    return describe_all(std::string(function_.name).c_str(), arguments_);
  }

 private:
  static uint64_t size_of_all(std::span<const Value> values) {
    uint64_t size = 0;
    for (const Value& value : values) {
      switch (value.kind()) {
        case Kind::string:
        case Kind::bytes:
        case Kind::json_array:
        case Kind::json_object:
          size += value.text().size();
          break;
        case Kind::list:
        case Kind::map:
          size += value.count() * 10ULL;
          break;
        default:
          break;
      }
    }
    return size;
  }

  const Function& function_;
  const std::vector<NodePtr> arguments_;
};

class Lookup final : public Node {
 public:
  Lookup(const Table& table, std::string name, NodePtr key)
      : table_(table), name_(std::move(name)), key_(std::move(key)) {}
  Value eval(Frame& frame) const override {
    Value key = key_->eval(frame);
    if (key.is_error()) return key;
    if (key.is(Kind::optional)) {
      if (key.inside() == nullptr) return key;
      key = *key.inside();
    }
    const Value row = table_.find(key);
    return row.is_absent() ? Value::optional_none() : frame.made_optional(row);
  }
  [[nodiscard]] std::string describe() const override { return "lookup(" + name_ + ", " + key_->describe() + ")"; }

 private:
  const Table& table_;
  const std::string name_;
  const NodePtr key_;
};

// a.orValue(b) and a.or(b): b is looked at only when a is none.
class OrElse final : public Node {
 public:
  OrElse(NodePtr optional, NodePtr other, bool unwrap)
      : optional_(std::move(optional)), other_(std::move(other)), unwrap_(unwrap) {}
  Value eval(Frame& frame) const override {
    const Value value = optional_->eval(frame);
    if (value.is_error()) return value;
    if (!value.is(Kind::optional)) {
      return frame.no_overload(unwrap_ ? "orValue() wants an optional, not {}" : "or() wants an optional, not {}",
                               value);
    }
    if (value.inside() != nullptr) return unwrap_ ? *value.inside() : value;
    const Value other = other_->eval(frame);
    if (!unwrap_ && !other.is_error() && !other.is(Kind::optional)) {
      return frame.no_overload("or() wants an optional, not {}", other);
    }
    return other;
  }
  [[nodiscard]] std::string describe() const override {
    return std::string(unwrap_ ? "or_value(" : "or_optional(") + optional_->describe() + ", " + other_->describe() +
           ")";
  }

 private:
  const NodePtr optional_;
  const NodePtr other_;
  const bool unwrap_;
};

}  // namespace

NodePtr make_list(std::vector<NodePtr> items, std::vector<bool> optional) {
  return std::make_unique<ListLiteral>(std::move(items), std::move(optional));
}
NodePtr make_map(std::vector<NodePtr> entries, std::vector<bool> optional) {
  return std::make_unique<MapLiteral>(std::move(entries), std::move(optional));
}
NodePtr make_call(const Function& function, std::vector<NodePtr> arguments) {
  return std::make_unique<Call>(function, std::move(arguments));
}
NodePtr make_lookup(const Table& table, const std::string& name, NodePtr key) {
  return std::make_unique<Lookup>(table, name, std::move(key));
}
NodePtr make_or_value(NodePtr optional, NodePtr other) {
  return std::make_unique<OrElse>(std::move(optional), std::move(other), true);
}
NodePtr make_optional_or(NodePtr optional, NodePtr other) {
  return std::make_unique<OrElse>(std::move(optional), std::move(other), false);
}

}  // namespace millrace::expr
