#include "expr/rules.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>

#include "expr/nodes_fused.h"

namespace millrace::expr {
namespace {

using Rules = std::vector<std::unique_ptr<const CompiledProgram>>;
constexpr size_t kWorthIt = 3;  // rules of one kind in a row that are worth a table or an automaton

// A run of rules that is decided at once. `match` gives a rule's number, RuleSet::kNone or kError.
class Segment {
 public:
  virtual ~Segment() = default;
  virtual int match(const Scope& scope, Evaluator& evaluator, int& failed_rule) const = 0;
};

class OneByOne final : public Segment {
 public:
  OneByOne(const Rules& rules, size_t begin, size_t end) : rules_(rules), begin_(begin), end_(end) {}
  int match(const Scope& scope, Evaluator& evaluator, int& failed_rule) const override {
    for (size_t i = begin_; i < end_; ++i) {
      const Truth truth = rules_[i]->test(scope, evaluator);
      if (truth == Truth::yes) return static_cast<int>(i);
      if (truth == Truth::error) {
        failed_rule = static_cast<int>(i);
        return RuleSet::kError;
      }
    }
    return RuleSet::kNone;
  }

 private:
  const Rules& rules_;
  const size_t begin_;
  const size_t end_;
};

// Rules that compare one field with constants. A field that is absent fails the first of them, as it would alone.
class EqualityTable final : public Segment {
 public:
  EqualityTable(const Rules& rules, size_t begin, size_t end)
      : first_(rules, begin, begin + 1), slot_(rules[begin]->root().shape().slot) {
    Arena arena;
    for (size_t i = begin; i < end; ++i) {
      for (const Value& constant : rules[i]->root().shape().constants) table_.add(constant, static_cast<int>(i), arena);
    }
  }
  int match(const Scope& scope, Evaluator& evaluator, int& failed_rule) const override {
    const Value& value = scope.fields[slot_];
    if (value.is_absent()) return first_.match(scope, evaluator, failed_rule);
    return table_.find(value, evaluator.arena());
  }

 private:
  const OneByOne first_;
  const uint16_t slot_;
  ConstantTable table_;
};

// Rules that match one field with regular expressions: one pass over the text for all of them.
class PatternSet final : public Segment {
 public:
  PatternSet(const Rules& rules, size_t begin, size_t end, std::unique_ptr<re2::RE2::Set> set)
      : all_(rules, begin, end),
        first_(rules, begin, begin + 1),
        begin_(static_cast<int>(begin)),
        slot_(rules[begin]->root().shape().slot),
        set_(std::move(set)) {}

  static std::unique_ptr<re2::RE2::Set> compile(const Rules& rules, size_t begin, size_t end, const Limits& limits) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(static_cast<int64_t>(limits.regex_max_memory_bytes));
    auto set = std::make_unique<re2::RE2::Set>(options, re2::RE2::UNANCHORED);
    for (size_t i = begin; i < end; ++i) {
      const std::string_view pattern = rules[i]->root().shape().pattern;
      if (set->Add({pattern.data(), pattern.size()}, nullptr) < 0) return nullptr;
    }
    return set->Compile() ? std::move(set) : nullptr;
  }

  int match(const Scope& scope, Evaluator& evaluator, int& failed_rule) const override {
    const Value& value = scope.fields[slot_];
    if (!value.is(Kind::string)) return first_.match(scope, evaluator, failed_rule);
    std::vector<int>& matched = evaluator.state().matched;
    re2::RE2::Set::ErrorInfo info{};
    matched.clear();
    if (set_->Match({value.text().data(), value.text().size()}, &matched, &info)) {
      return begin_ + *std::min_element(matched.begin(), matched.end());
    }
    // The automaton may run out of its memory on some text; then each pattern is tried alone.
    if (info.kind != re2::RE2::Set::kNoError) return all_.match(scope, evaluator, failed_rule);
    return RuleSet::kNone;
  }

 private:
  const OneByOne all_;
  const OneByOne first_;
  const int begin_;
  const uint16_t slot_;
  const std::unique_ptr<re2::RE2::Set> set_;
};

class Segments final : public RuleSet {
 public:
  Segments(Rules rules, const Limits& limits) : rules_(std::move(rules)) {
    for (size_t begin = 0; begin < rules_.size();) {
      const Shape first = rules_[begin]->root().shape();
      size_t end = begin + 1;
      while (end < rules_.size() && alike(first, rules_[end]->root().shape())) ++end;
      add(first, begin, end, limits);
      begin = end;
    }
  }

  int first_match(const Scope& scope, Evaluator& evaluator, int& failed_rule) const override {
    for (const auto& segment : segments_) {
      const int found = segment->match(scope, evaluator, failed_rule);
      if (found != kNone) return found;
    }
    return kNone;
  }

 private:
  static bool alike(const Shape& a, const Shape& b) {
    return a.is == b.is && (a.is == Shape::Is::other || a.slot == b.slot);
  }

  void add(const Shape& shape, size_t begin, size_t end, const Limits& limits) {
    if (end - begin >= kWorthIt && shape.is == Shape::Is::equality) {
      segments_.push_back(std::make_unique<EqualityTable>(rules_, begin, end));
      return;
    }
    if (end - begin >= kWorthIt && shape.is == Shape::Is::regex && end - begin <= limits.regex_max_patterns) {
      if (auto set = PatternSet::compile(rules_, begin, end, limits)) {
        segments_.push_back(std::make_unique<PatternSet>(rules_, begin, end, std::move(set)));
        return;
      }
    }
    segments_.push_back(std::make_unique<OneByOne>(rules_, begin, end));
  }

  const Rules rules_;
  std::vector<std::unique_ptr<Segment>> segments_;
};

}  // namespace

std::unique_ptr<const RuleSet> make_rule_set(std::vector<std::unique_ptr<const CompiledProgram>> rules,
                                             const Limits& limits) {
  return std::make_unique<Segments>(std::move(rules), limits);
}

}  // namespace millrace::expr
