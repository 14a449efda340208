// Leaves that read the record: members of its value by their slots, key, headers and the rest.
#include "expr/nodes.h"
#include "expr/utf8.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

// Bytes from outside: text where they are UTF-8.
Value text_or_bytes(const Bytes& bytes) {
  if (bytes.is_null()) return Value::null();
  return is_utf8(bytes.view()) ? Value::string(bytes.view()) : Value::bytes(bytes.view());
}

class Field final : public Node {
 public:
  Field(uint16_t slot, std::string text) : slot_(slot), text_(std::move(text)) {}
  Value eval(Frame& frame) const override {
    const Value& value = frame.scope.fields[slot_];
    if (!value.is_absent()) return value;
    return frame.fail(ErrorKind::no_such_field, "no such field: {}", Value::string(text_));
  }
  [[nodiscard]] FlatTest flat() const override { return {FlatTest::Is::boolean, true, slot_, 0, 0, {}}; }
  [[nodiscard]] std::string describe() const override { return text_; }

 private:
  const uint16_t slot_;
  const std::string text_;
};

// Why is the member absent? `no`: it may be, for a step is optional or only the last one is missing. `error`: noted.
Truth missing(Frame& frame, const ValuePath& path, bool last_may_be_missing) {
  for (size_t step = 0; step < path.way.size(); ++step) {
    const Value& value = frame.scope.fields[path.way[step]];
    if (value.is_absent()) {
      // Step 0 is the value itself; step n was reached by the n-th name.
      if (step > path.first_optional) return Truth::no;
      frame.fail(ErrorKind::no_such_field, "no such field on the way to {}", Value::string(path.text));
      return Truth::error;
    }
    if (!value.is(Kind::json_object) && !value.is(Kind::map)) {
      frame.no_overload("{} has no fields, on the way to {}", value, Value::string(path.text));
      return Truth::error;
    }
  }
  if (last_may_be_missing || path.way.size() > path.first_optional) return Truth::no;
  frame.fail(ErrorKind::no_such_field, "no such field: {}", Value::string(path.text));
  return Truth::error;
}

class OptionalField final : public Node {
 public:
  explicit OptionalField(ValuePath path) : path_(std::move(path)) {}
  Value eval(Frame& frame) const override {
    const Value& value = frame.scope.fields[path_.slot];
    if (!value.is_absent()) return frame.made_optional(value);
    return missing(frame, path_, true) == Truth::error ? frame.noted() : Value::optional_none();
  }
  [[nodiscard]] std::string describe() const override { return "optional(" + path_.text + ")"; }

 private:
  const ValuePath path_;
};

class HasField final : public TestNode {
 public:
  explicit HasField(ValuePath path) : path_(std::move(path)) {}
  Truth test(Frame& frame) const override {
    if (!frame.scope.fields[path_.slot].is_absent()) return Truth::yes;
    return missing(frame, path_, true);
  }
  [[nodiscard]] std::string describe() const override { return "has(" + path_.text + ")"; }

 private:
  const ValuePath path_;
};

// The value of a header: text or bytes, null for a null one, a list when the name is there more than once; absent.
Value header_value(Frame& frame, std::string_view name) {
  const auto headers = frame.scope.record->headers;
  Value found;
  size_t count = 0;
  for (const Header& header : headers) {
    if (header.name != name) continue;
    if (count++ == 0) found = text_or_bytes(header.value);
  }
  if (count <= 1) return found;
  Value* items = frame.arena.make_array<Value>(count).data();
  size_t at = 0;
  for (const Header& header : headers) {
    if (header.name == name) items[at++] = text_or_bytes(header.value);
  }
  return Value::list(items, static_cast<uint32_t>(count));
}

Value all_headers(Frame& frame) {
  const auto headers = frame.scope.record->headers;
  MapEntry* entries = frame.arena.make_array<MapEntry>(headers.size()).data();
  Value* keys = frame.arena.make_array<Value>(headers.size()).data();
  ValueIndex seen(headers.size(), frame.arena);
  uint32_t count = 0;
  for (size_t i = 0; i < headers.size(); ++i) {
    keys[i] = Value::string(headers[i].name);
    bool is_new = false;
    seen.add(keys[i], is_new);
    if (is_new) entries[count++] = {keys[i], header_value(frame, headers[i].name)};
  }
  return Value::map(entries, count);
}

class RecordValue final : public Node {
 public:
  RecordValue(RecordVariable variable, const char* name) : variable_(variable), name_(name) {}
  Value eval(Frame& frame) const override {
    if (variable_ == RecordVariable::now) return time_of(frame.scope.now_ms);
    const Record* record = frame.scope.record;
    if (record == nullptr)
      return frame.fail(ErrorKind::no_such_field, "there is no record, so no {}", Value::string(name_));
    switch (variable_) {
      case RecordVariable::key:
        return text_or_bytes(record->key);
      case RecordVariable::headers:
        return all_headers(frame);
      case RecordVariable::offset:
        return Value::integer(record->offset);
      case RecordVariable::time:
        return record->timestamp_ms < 0 ? Value::null() : time_of(record->timestamp_ms);
      default:
        break;
    }
    if (record->origin == nullptr) {
      return frame.fail(ErrorKind::no_such_field, "the record comes from no topic, so no {}", Value::string(name_));
    }
    if (variable_ == RecordVariable::topic) return Value::string(record->origin->topic);
    return Value::integer(record->origin->partition);
  }
  [[nodiscard]] std::string describe() const override { return name_; }

 private:
  static Value time_of(int64_t ms) {
    int64_t seconds = ms / 1000;
    int64_t rest = ms % 1000;
    if (rest < 0) {
      rest += 1000;
      --seconds;
    }
    return Value::timestamp(seconds, static_cast<uint32_t>(rest * 1'000'000));
  }

  const RecordVariable variable_;
  const char* name_;
};

class HeaderValue final : public Node {
 public:
  HeaderValue(std::string name, bool optional) : name_(std::move(name)), optional_(optional) {}
  Value eval(Frame& frame) const override {
    const Value value = frame.scope.record == nullptr ? Value() : header_value(frame, name_);
    if (value.is_absent()) {
      if (optional_) return Value::optional_none();
      return frame.fail(ErrorKind::no_such_field, "no such header: {}", Value::string(name_));
    }
    return optional_ ? frame.made_optional(value) : value;
  }
  [[nodiscard]] std::string describe() const override { return "header(" + name_ + (optional_ ? "?)" : ")"); }

 private:
  const std::string name_;
  const bool optional_;
};

class HasHeader final : public TestNode {
 public:
  explicit HasHeader(std::string name) : name_(std::move(name)) {}
  Truth test(Frame& frame) const override {
    if (frame.scope.record == nullptr) return Truth::no;
    for (const Header& header : frame.scope.record->headers) {
      if (header.name == name_) return Truth::yes;
    }
    return Truth::no;
  }
  [[nodiscard]] std::string describe() const override { return "has_header(" + name_ + ")"; }

 private:
  const std::string name_;
};

}  // namespace

NodePtr make_field(uint16_t slot, const std::string& text) {
  return std::make_unique<Field>(slot, text);
}
NodePtr make_optional_field(ValuePath path) {
  return std::make_unique<OptionalField>(std::move(path));
}
NodePtr make_has_field(ValuePath path) {
  return std::make_unique<HasField>(std::move(path));
}
NodePtr make_record_variable(RecordVariable variable, const char* name) {
  return std::make_unique<RecordValue>(variable, name);
}
NodePtr make_header(const std::string& name, bool optional) {
  return std::make_unique<HeaderValue>(name, optional);
}
NodePtr make_has_header(const std::string& name) {
  return std::make_unique<HasHeader>(name);
}

}  // namespace millrace::expr
