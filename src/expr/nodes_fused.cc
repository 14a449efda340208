#include "expr/nodes_fused.h"

#include <re2/re2.h>

#include <algorithm>

#include "expr/value_ops.h"

namespace millrace::expr {

bool ConstantTable::suits(const Value& constant) {
  return constant.is(Kind::string) || is_number(constant) || constant.is(Kind::boolean) || constant.is(Kind::null);
}

void ConstantTable::grow() {
  std::vector<Entry> old = std::move(entries_);
  entries_.assign(std::max<size_t>(16, old.size() * 2), Entry());
  for (const Entry& entry : old) {
    if (entry.number < 0) continue;
    size_t at = entry.hash & (entries_.size() - 1);
    while (entries_[at].number >= 0) at = (at + 1) & (entries_.size() - 1);
    entries_[at] = entry;
  }
}

size_t ConstantTable::place(const Value& value, uint64_t hash, Arena& arena) const {
  size_t at = hash & (entries_.size() - 1);
  while (entries_[at].number >= 0 && !(entries_[at].hash == hash && equal(entries_[at].constant, value, arena))) {
    at = (at + 1) & (entries_.size() - 1);
  }
  return at;
}

void ConstantTable::add(const Value& constant, int number, Arena& arena) {
  if ((count_ + 1) * 2 > entries_.size()) grow();
  const uint64_t hash = hash_value(constant, arena);
  Entry& entry = entries_[place(constant, hash, arena)];
  if (entry.number >= 0) return;  // an earlier one wins
  entry = {hash, constant, number};
  ++count_;
  if (constant.is(Kind::string)) longest_ = std::max(longest_, constant.text().size());
}

int ConstantTable::find(const Value& value, Arena& arena) const {
  if (!suits(value) || entries_.empty()) return -1;
  if (value.is(Kind::string) && value.text().size() > longest_) return -1;
  return entries_[place(value, hash_value(value, arena), arena)].number;
}

namespace {

// The field, or null after the error of its absence was noted.
class FieldTest : public TestNode {
 public:
  explicit FieldTest(const Built& field) : slot_(static_cast<uint16_t>(field.slot)), text_(field.text) {}

 protected:
  const Value* field(Frame& frame) const {
    const Value& value = frame.scope.fields[slot_];
    if (!value.is_absent()) return &value;
    frame.fail(ErrorKind::no_such_field, "no such field: {}", Value::string(text_));
    return nullptr;
  }

  const uint16_t slot_;
  const std::string text_;
};

Truth truth(bool holds) {
  return holds ? Truth::yes : Truth::no;
}

class FieldEqualsText final : public FieldTest {
 public:
  FieldEqualsText(bool wanted, const Built& field, const Value& constant)
      : FieldTest(field), wanted_(wanted), constant_(constant), wanted_text_(constant.text()) {}
  Truth test(Frame& frame) const override {
    const Value* value = field(frame);
    if (value == nullptr) return Truth::error;
    return truth(is_text(*value, wanted_text_) == wanted_);
  }
  [[nodiscard]] FlatTest flat() const override { return {FlatTest::Is::text, wanted_, slot_, 0, 0, {&constant_, 1}}; }
  [[nodiscard]] Shape shape() const override {
    if (!wanted_) return {};
    return {Shape::Is::equality, slot_, {&constant_, 1}, {}};
  }
  [[nodiscard]] std::string describe() const override {
    return "field_text" + std::string(wanted_ ? "==" : "!=") + "(" + text_ + ", " + value_for_message(constant_) + ")";
  }

 private:
  const bool wanted_;
  const Value constant_;
  const std::string_view wanted_text_;
};

class FieldEquals final : public FieldTest {
 public:
  FieldEquals(bool wanted, const Built& field, const Value& constant)
      : FieldTest(field), wanted_(wanted), constant_(constant) {}
  Truth test(Frame& frame) const override {
    const Value* value = field(frame);
    if (value == nullptr) return Truth::error;
    if (value->is(Kind::integer) && constant_.is(Kind::integer)) {
      return truth((value->as_int() == constant_.as_int()) == wanted_);
    }
    return truth(equal(*value, constant_, frame.arena) == wanted_);
  }
  [[nodiscard]] FlatTest flat() const override {
    if (constant_.is(Kind::boolean)) {
      return {FlatTest::Is::boolean, wanted_ == constant_.as_bool(), slot_, 0, 0, {}};
    }
    if (!constant_.is(Kind::integer)) return {};
    return {FlatTest::Is::integer, wanted_, slot_, constant_.as_int(), 0, {}};
  }
  [[nodiscard]] Shape shape() const override {
    if (!wanted_) return {};
    return {Shape::Is::equality, slot_, {&constant_, 1}, {}};
  }
  [[nodiscard]] std::string describe() const override {
    return "field" + std::string(wanted_ ? "==" : "!=") + "(" + text_ + ", " + value_for_message(constant_) + ")";
  }

 private:
  const bool wanted_;
  const Value constant_;
};

class FieldCompare final : public FieldTest {
 public:
  FieldCompare(Op op, const Built& field, const Value& constant) : FieldTest(field), op_(op), constant_(constant) {}
  Truth test(Frame& frame) const override {
    const Value* value = field(frame);
    if (value == nullptr) return Truth::error;
    if (value->is(Kind::integer) && constant_.is(Kind::integer))
      return truth(holds(value->as_int(), constant_.as_int()));
    if (value->is(Kind::floating) && constant_.is(Kind::floating)) {
      return truth(holds(value->as_double(), constant_.as_double()));
    }
    return ordered(frame, op_, *value, constant_);
  }
  [[nodiscard]] FlatTest flat() const override {
    if (!constant_.is(Kind::integer)) return {};
    const int64_t limit = constant_.as_int();
    // From the smallest integer up to the limit, or not so.
    const uint64_t below = static_cast<uint64_t>(limit) - static_cast<uint64_t>(INT64_MIN);
    const bool up_to = op_ == Op::less || op_ == Op::less_equal;
    const bool inclusive = op_ == Op::less_equal || op_ == Op::greater;
    if (!inclusive && below == 0) return {};
    return {FlatTest::Is::integer, up_to, slot_, INT64_MIN, inclusive ? below : below - 1, {}};
  }
  [[nodiscard]] std::string describe() const override {
    return "field" + std::string(to_string(op_)) + "(" + text_ + ", " + value_for_message(constant_) + ")";
  }

 private:
  template <typename T>
  bool holds(T a, T b) const {
    switch (op_) {
      case Op::less:
        return a < b;
      case Op::less_equal:
        return a <= b;
      case Op::greater:
        return a > b;
      default:
        return a >= b;
    }
  }

  const Op op_;
  const Value constant_;
};

class FieldIn final : public FieldTest {
 public:
  FieldIn(const Built& field, const Value& list, Arena& arena) : FieldTest(field), list_(list) {
    for (uint32_t i = 0; i < list.count(); ++i) table_.add(list.items()[i], 0, arena);
  }
  Truth test(Frame& frame) const override {
    const Value* value = field(frame);
    if (value == nullptr) return Truth::error;
    return truth(table_.find(*value, frame.arena) >= 0);
  }
  [[nodiscard]] FlatTest flat() const override {
    constexpr uint32_t kFew = 4;  // more are looked up faster
    const std::span<const Value> items(list_.items(), list_.count());
    if (items.empty() || items.size() > kFew) return {};
    if (!std::all_of(items.begin(), items.end(), [](const Value& item) { return item.is(Kind::string); })) return {};
    return {FlatTest::Is::text, true, slot_, 0, 0, items};
  }
  [[nodiscard]] Shape shape() const override {
    return {Shape::Is::equality, slot_, {list_.items(), list_.count()}, {}};
  }
  [[nodiscard]] std::string describe() const override {
    return "field_in_set(" + text_ + ", " + std::to_string(list_.count()) + " constants)";
  }

 private:
  const Value list_;
  ConstantTable table_;
};

class InSet final : public TestNode {
 public:
  InSet(NodePtr needle, const Value& list, Arena& arena) : needle_(std::move(needle)), count_(list.count()) {
    for (uint32_t i = 0; i < list.count(); ++i) table_.add(list.items()[i], 0, arena);
  }
  Truth test(Frame& frame) const override {
    const Value value = needle_->eval(frame);
    if (value.is_error()) return Truth::error;
    return truth(table_.find(value, frame.arena) >= 0);
  }
  [[nodiscard]] std::string describe() const override {
    return "in_set(" + needle_->describe() + ", " + std::to_string(count_) + " constants)";
  }

 private:
  const NodePtr needle_;
  const uint32_t count_;
  ConstantTable table_;
};

enum class TextTest : uint8_t { begins, ends, holds, is };

class FieldText final : public FieldTest {
 public:
  FieldText(TextTest what, const Built& field, std::string text)
      : FieldTest(field), what_(what), wanted_(std::move(text)) {}
  Truth test(Frame& frame) const override {
    const Value* value = field(frame);
    if (value == nullptr) return Truth::error;
    if (!value->is(Kind::string)) {
      frame.no_overload("a string is expected, not {}", *value);
      return Truth::error;
    }
    switch (what_) {
      case TextTest::begins:
        return truth(value->text().starts_with(wanted_));
      case TextTest::ends:
        return truth(value->text().ends_with(wanted_));
      case TextTest::holds:
        return truth(value->text().find(wanted_) != std::string_view::npos);
      case TextTest::is:
        return truth(value->text() == wanted_);
    }
    return Truth::error;
  }
  [[nodiscard]] std::string describe() const override {
    static constexpr const char* kNames[] = {"begins", "ends", "holds", "is"};
    return std::string("field_") + kNames[static_cast<size_t>(what_)] + "(" + text_ + ", " +
           value_for_message(Value::string(wanted_)) + ")";
  }

 private:
  const TextTest what_;
  const std::string wanted_;
};

class FieldMatches final : public FieldTest {
 public:
  FieldMatches(const Built& field, std::unique_ptr<re2::RE2> regex) : FieldTest(field), regex_(std::move(regex)) {}
  Truth test(Frame& frame) const override {
    const Value* value = field(frame);
    if (value == nullptr) return Truth::error;
    if (!value->is(Kind::string)) {
      frame.no_overload("a regular expression works on strings, not on {}", *value);
      return Truth::error;
    }
    return truth(re2::RE2::PartialMatch({value->text().data(), value->text().size()}, *regex_));
  }
  [[nodiscard]] Shape shape() const override { return {Shape::Is::regex, slot_, {}, regex_->pattern()}; }
  [[nodiscard]] std::string describe() const override {
    return "field_matches(" + text_ + ", " + value_for_message(Value::string(regex_->pattern())) + ")";
  }

 private:
  const std::unique_ptr<re2::RE2> regex_;
};

Op mirrored(Op op) {
  switch (op) {
    case Op::less:
      return Op::greater;
    case Op::less_equal:
      return Op::greater_equal;
    case Op::greater:
      return Op::less;
    default:
      return Op::less_equal;
  }
}

}  // namespace

NodePtr make_field_equal(bool wanted, const Built& field, const Built& constant, Arena& /*constants*/) {
  if (field.slot < 0 || !constant.constant || !ConstantTable::suits(constant.value)) return nullptr;
  if (constant.value.is(Kind::string)) return std::make_unique<FieldEqualsText>(wanted, field, constant.value);
  return std::make_unique<FieldEquals>(wanted, field, constant.value);
}

NodePtr make_field_compare(Op op, const Built& left, const Built& right) {
  if (left.slot >= 0 && right.constant) return std::make_unique<FieldCompare>(op, left, right.value);
  if (right.slot >= 0 && left.constant) return std::make_unique<FieldCompare>(mirrored(op), right, left.value);
  return nullptr;
}

NodePtr make_in_set(Built& needle, const Built& haystack, Arena& constants) {
  if (!haystack.constant || !haystack.value.is(Kind::list)) return nullptr;
  for (uint32_t i = 0; i < haystack.value.count(); ++i) {
    if (!ConstantTable::suits(haystack.value.items()[i])) return nullptr;
  }
  if (needle.slot >= 0) return std::make_unique<FieldIn>(needle, haystack.value, constants);
  return std::make_unique<InSet>(std::move(needle.node), haystack.value, constants);
}

NodePtr make_field_text(std::string_view function, const Built& field, const Built& constant) {
  if (field.slot < 0 || !constant.constant || !constant.value.is(Kind::string)) return nullptr;
  const std::string text(constant.value.text());
  if (function == "startsWith") return std::make_unique<FieldText>(TextTest::begins, field, text);
  if (function == "endsWith") return std::make_unique<FieldText>(TextTest::ends, field, text);
  if (function == "contains") return std::make_unique<FieldText>(TextTest::holds, field, text);
  return nullptr;
}

NodePtr make_field_matches(const Built& field, std::unique_ptr<re2::RE2> regex) {
  std::string text = regex->pattern();
  const bool begin = text.starts_with('^');
  if (begin) text.erase(0, 1);
  const bool end = text.ends_with('$');
  if (end) text.pop_back();
  if (text.find_first_of("\\.+*?()|[]{}^$") != std::string::npos) {
    return std::make_unique<FieldMatches>(field, std::move(regex));
  }
  TextTest what = TextTest::holds;
  if (begin) what = TextTest::begins;
  if (end) what = begin ? TextTest::is : TextTest::ends;
  return std::make_unique<FieldText>(what, field, text);
}

}  // namespace millrace::expr
