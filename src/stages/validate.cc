// validate: records that keep every rule go on; one that breaks a rule is rejected with the rule's name.
#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "stage/expression.h"

namespace millrace {

namespace {

struct Rule {
  std::string name;
  SharedProgram condition;
};

class Validate final : public Stage {
 public:
  explicit Validate(std::vector<Rule> rules) : rules_(std::move(rules)) {}

  void process(std::span<const Item* const> in, StageContext& context, StageOutput& out) override {
    for (const Item* item : in) {
      const Rule* broken = nullptr;
      expr::Truth truth = expr::Truth::yes;
      for (const Rule& rule : rules_) {
        truth = rule.condition->test(context.scope(*item), context.evaluator);
        if (truth == expr::Truth::yes) continue;
        broken = &rule;
        break;
      }
      if (broken == nullptr) {
        out.emit(0, item);
      } else if (truth == expr::Truth::error) {
        reject_failed(item, fmt::format("rule `{}`", broken->name), context, out);
      } else {
        out.reject(item, RejectReason::rule_broken, context.arena.copy(fmt::format("rule `{}`", broken->name)));
      }
    }
  }

 private:
  const std::vector<Rule> rules_;
};

StagePlan read_validate(StageSetup& setup) {
  StagePlan plan;
  plan.ports = {""};
  config::Reader reader(setup.body, setup.what + ": `validate`", setup.diagnostics);
  const config::Node* rules = reader.get("rules", true);
  reader.finish();
  if (rules == nullptr) return plan;
  if (!rules->is_list() || rules->items.empty()) {
    setup.diagnostics.error(rules->position,
                            setup.what + ": `rules` must be a list of rules, each `- name: condition`");
    return plan;
  }
  std::vector<Rule> made;
  for (const config::Node& rule : rules->items) {
    if (!rule.is_map() || rule.members.size() != 1) {
      setup.diagnostics.error(rule.position, setup.what + ": a rule must be one `name: condition`");
      continue;
    }
    const auto& [name, condition] = rule.members.front();
    const std::string what = fmt::format("{}: rule `{}`", setup.what, escape_for_log(name.text, 80));
    SharedProgram program = compile_expression(setup, condition, expr::Want::condition, what);
    if (program != nullptr) made.push_back({name.text, std::move(program)});
  }
  if (made.size() == rules->items.size()) plan.make = [made] { return std::make_unique<Validate>(made); };
  return plan;
}

}  // namespace

extern const StageKind validate_stage;
const StageKind validate_stage{
    "validate", "Lets records through that keep every rule; one that breaks a rule is rejected with the rule's name.",
    R"(validate:
  rules:              # tried in order; the first that does not hold rejects the record
    - has-page: |-
        has(value.page) && value.page != ''
    - plausible-delta: |-
        value.delta > -10000000 && value.delta < 10000000
)",
    &read_validate};

}  // namespace millrace
