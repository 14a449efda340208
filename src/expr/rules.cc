#include "expr/rules.h"

namespace millrace::expr {
namespace {

class Sequence final : public RuleSet {
 public:
  explicit Sequence(std::vector<std::unique_ptr<const CompiledProgram>> rules) : rules_(std::move(rules)) {}

  int first_match(const Scope& scope, Evaluator& evaluator, int& failed_rule) const override {
    for (size_t i = 0; i < rules_.size(); ++i) {
      const Truth truth = rules_[i]->test(scope, evaluator);
      if (truth == Truth::yes) return static_cast<int>(i);
      if (truth == Truth::error) {
        failed_rule = static_cast<int>(i);
        return kError;
      }
    }
    return kNone;
  }

 private:
  const std::vector<std::unique_ptr<const CompiledProgram>> rules_;
};

}  // namespace

std::unique_ptr<const RuleSet> make_rule_set(std::vector<std::unique_ptr<const CompiledProgram>> rules,
                                             const Limits& /*limits*/) {
  return std::make_unique<Sequence>(std::move(rules));
}

}  // namespace millrace::expr
