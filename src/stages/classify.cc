// classify: the first rule that holds gives a record its category: a port of the stage and, if asked for, a member.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "stage/expression.h"
#include "stage/value_editor.h"

namespace millrace {

namespace {

struct Category {
  std::string name;
  std::string json;  // the name as the member's text
};

// What all instances share; constant.
struct Classification {
  std::unique_ptr<const expr::RuleSet> rules;
  std::vector<std::string> rule_names;
  std::vector<size_t> rule_ports;
  std::vector<Category> categories;    // by port
  std::optional<size_t> default_port;  // empty: `drop`
  std::optional<uint16_t> field;       // the member's slot
};

class Classify final : public Stage {
 public:
  // Shared, because every worker's instance runs the same rules.
  Classify(std::shared_ptr<const Classification> shared, const expr::FieldPlan& plan)
      : shared_(std::move(shared)), editor_(plan) {}

  void process(std::span<const Item* const> in, StageContext& context, StageOutput& out) override {
    for (const Item* item : in) {
      int failed = 0;
      const int rule = shared_->rules->first_match(context.scope(*item), context.evaluator, failed);
      if (rule == expr::RuleSet::kError) {
        const std::string& name = shared_->rule_names[static_cast<size_t>(failed)];
        reject_failed(item, fmt::format("rule `{}`", name), context, out);
      } else if (rule != expr::RuleSet::kNone) {
        settle(item, shared_->rule_ports[static_cast<size_t>(rule)], context, out);
      } else if (shared_->default_port) {
        settle(item, *shared_->default_port, context, out);
      } else {
        out.unmatched(item);
      }
    }
  }

 private:
  void settle(const Item* item, size_t port, StageContext& context, StageOutput& out) const {
    if (!shared_->field) return out.emit(port, item);
    const uint16_t slot = *shared_->field;
    ValueEditor::Outcome outcome = editor_.prepare(*item, std::span<const uint16_t>(&slot, 1), context);
    if (outcome.item != nullptr) {
      const Category& category = shared_->categories[port];
      const ValueChange change{slot, false, category.json, expr::Value::string(category.name)};
      outcome = editor_.apply(*outcome.item, std::span<const ValueChange>(&change, 1), context);
    }
    if (outcome.item == nullptr) return out.reject(item, outcome.reason, outcome.error);
    out.emit(port, outcome.item);
  }

  const std::shared_ptr<const Classification> shared_;  // constant once built; the stages of all workers share it
  const ValueEditor editor_;
};

constexpr std::string_view kDrop = "drop";

bool valid_category(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

class ClassifyReader {
 public:
  explicit ClassifyReader(StageSetup& setup) : setup_(setup), made_(std::make_shared<Classification>()) {}

  StagePlan read() {
    config::Reader reader(setup_.body, setup_.what + ": `classify`", setup_.diagnostics);
    if (const config::Node* rules = reader.get("rules", true)) read_rules(*rules);
    read_default(reader);
    read_field(reader);
    reader.finish();
    compile();
    StagePlan plan;
    for (const Category& category : made_->categories) plan.ports.push_back(category.name);
    plan.edits_value = made_->field.has_value();
    plan.keep_port = made_->default_port;
    if (made_->rules != nullptr && !failed_) {
      // Shared by the stages of all workers, and constant from here on.
      plan.make = [shared = std::shared_ptr<const Classification>(made_), &fields = setup_.plan] {
        return std::make_unique<Classify>(shared, fields);
      };
    }
    return plan;
  }

 private:
  void error(const config::Node& node, const std::string& problem) {
    setup_.diagnostics.error(node.position, setup_.what + ": " + problem);
    failed_ = true;
  }

  size_t port(const std::string& name) {
    auto& all = made_->categories;
    const auto found = std::find_if(all.begin(), all.end(), [&](const Category& c) { return c.name == name; });
    if (found != all.end()) return static_cast<size_t>(found - all.begin());
    all.push_back({name, '"' + name + '"'});
    return all.size() - 1;
  }

  void read_rules(const config::Node& rules) {
    if (!rules.is_list() || rules.items.empty()) {
      return error(rules, "`rules` must be a list of rules, each `- category: condition`; the first that holds wins");
    }
    for (const config::Node& rule : rules.items) {
      if (!rule.is_map() || rule.members.size() != 1) {
        error(rule, "a rule must be one `category: condition`");
        continue;
      }
      const auto& [name, condition] = rule.members.front();
      if (!valid_category(name.text)) {
        error(name, fmt::format("the category \"{}\" must be made of letters, digits, `-` and `_`: it is the name of "
                                "a port and may become part of a topic's",
                                escape_for_log(name.text, 80)));
        continue;
      }
      if (name.text == kDrop) {
        error(name, "`drop` cannot be a category: as `default` it means that a record ends here");
        continue;
      }
      const std::string what = fmt::format("{}: rule `{}`", setup_.what, name.text);
      const auto text = config::expression_of(condition, what, setup_.diagnostics);
      failed_ = failed_ || !text;
      made_->rule_names.push_back(name.text);
      made_->rule_ports.push_back(port(name.text));
      nodes_.push_back(&condition);
      texts_.push_back(text ? text->text : "true");
    }
  }

  void read_default(config::Reader& reader) {
    const config::Node* node = reader.get("default");
    if (node == nullptr) {
      return error(setup_.body,
                   "`classify` needs a `default`: the category of records that no rule holds for, or "
                   "`default: drop` to end them here, counted as unmatched");
    }
    const auto name = config::scalar_of(*node, setup_.what + ": `default`", setup_.diagnostics);
    if (!name) {
      failed_ = true;
    } else if (name->text == kDrop) {
      made_->default_port.reset();
    } else if (!valid_category(name->text)) {
      error(*node, "`default` must be a category (letters, digits, `-` and `_`) or `drop`");
    } else {
      made_->default_port = port(name->text);
    }
  }

  void read_field(config::Reader& reader) {
    const config::Node* node = reader.get("field");
    if (node == nullptr) return;
    if (!node->is_scalar() || node->text.empty()) {
      return error(*node, "`field` must be the name of the member that the category is written to");
    }
    made_->field = setup_.plan.slot_with_span({node->text});
  }

  void compile() {
    if (texts_.empty()) return;
    std::vector<expr::Compiler::RuleError> errors;
    made_->rules = setup_.compiler.compile_rules(texts_, errors);
    for (const auto& problem : errors) {
      setup_.diagnostics.error(
          nodes_[problem.rule]->position_of(problem.error.offset),
          fmt::format("{}: rule `{}`: {}", setup_.what, made_->rule_names[problem.rule], problem.error.message));
    }
    failed_ = failed_ || !errors.empty();
  }

  StageSetup& setup_;
  std::shared_ptr<Classification> made_;  // handed to every worker's stage when it is built
  std::vector<std::string> texts_;
  std::vector<const config::Node*> nodes_;
  bool failed_ = false;
};

StagePlan read_classify(StageSetup& setup) {
  return ClassifyReader(setup).read();
}

}  // namespace

extern const StageKind classify_stage;
const StageKind classify_stage{
    "classify", "Gives each record a category: the first rule that holds wins. Each category is a port of the stage.",
    R"(classify:
  rules:
    - huge: |-
        value.delta > 1000 || value.delta < -1000
    - small: |-
        value.delta < 100 && value.delta > -100
  default: middle     # or `drop`: ends here, counted as unmatched
  field: size         # writes the category into the record; without it, ports only
)",
    &read_classify};

}  // namespace millrace
