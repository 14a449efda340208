// decorate: writes members into the value, removes members, sets headers. Every expression sees the record as it
// entered the stage.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "stage/expression.h"
#include "stage/value_editor.h"

namespace millrace {

namespace {

enum class IfPresent { replace, keep, error, assume_absent };

struct MemberRule {
  std::string name;  // for messages: value.user.tier
  uint16_t slot = 0;
  SharedProgram program;
  // The expression is nothing but a member of the value: then its text is copied as it stands, and 1.10 stays 1.10.
  std::optional<uint16_t> copy_of;
};

struct HeaderRule {
  std::string name;
  SharedProgram program;
};

// What all instances share; constant.
struct Decoration {
  std::vector<MemberRule> members;
  std::vector<uint16_t> removed;
  std::vector<HeaderRule> headers;
  std::vector<uint16_t> slots;  // written or removed
  IfPresent if_present = IfPresent::replace;
};

class Decorate final : public Stage {
 public:
  // Shared, because every worker's instance runs the same programs.
  Decorate(std::shared_ptr<const Decoration> shared, const expr::FieldPlan& plan)
      : shared_(std::move(shared)), editor_(plan) {}

  void process(std::span<const Item* const> in, StageContext& context, StageOutput& out) override {
    for (const Item* item : in) {
      const Item* decorated = decorate(item, context, out);
      if (decorated != nullptr) out.emit(0, decorated);
    }
  }

 private:
  // Null: rejected.
  const Item* decorate(const Item* item, StageContext& context, StageOutput& out) {
    const Item* current = item;
    if (!shared_->slots.empty()) {
      const ValueEditor::Outcome ready = editor_.prepare(*item, shared_->slots, context);
      if (ready.item == nullptr) return reject(item, ready, out);
      current = ready.item;
      if (!collect_changes(item, *current, context, out)) return nullptr;
    }
    if (!shared_->headers.empty() && !collect_headers(item, context, out)) return nullptr;
    if (!changes_.empty()) {
      const ValueEditor::Outcome changed = editor_.apply(*current, changes_, context);
      if (changed.item == nullptr) return reject(item, changed, out);
      current = changed.item;
    }
    if (shared_->headers.empty()) return current;
    Item* with_headers = context.arena.make(*current);
    const std::span<Header> headers = context.arena.make_array<Header>(headers_.size());
    std::copy(headers_.begin(), headers_.end(), headers.begin());
    with_headers->record.set_headers(headers);
    return with_headers;
  }

  static const Item* reject(const Item* item, const ValueEditor::Outcome& outcome, StageOutput& out) {
    out.reject(item, outcome.reason, outcome.error);
    return nullptr;
  }

  static bool reject_present(const Item* item, std::string_view name, StageContext& context, StageOutput& out) {
    out.reject(item, RejectReason::member_present, context.arena.copy(fmt::format("{} is there already", name)));
    return false;
  }

  bool collect_changes(const Item* item, const Item& current, StageContext& context, StageOutput& out) {
    changes_.clear();
    const expr::Scope scope = context.scope(*item);
    for (const MemberRule& rule : shared_->members) {
      if (shared_->if_present == IfPresent::keep && editor_.present(current, rule.slot)) continue;
      const expr::Value value = rule.program->evaluate(scope, context.evaluator);
      if (value.is_absent()) continue;  // an optional without a value leaves the member out
      if (value.is_error()) return failed(item, rule.name, context, out);
      if (shared_->if_present == IfPresent::error && editor_.present(current, rule.slot)) {
        return reject_present(item, rule.name, context, out);
      }
      ValueChange change;
      const std::string_view text = rule.copy_of ? editor_.raw(current, *rule.copy_of) : std::string_view();
      if (!text.empty()) {
        change = {rule.slot, false, text, value};
      } else if (!make_change(value, rule.slot, context, change)) {
        return failed(item, rule.name, context, out);
      }
      changes_.push_back(change);
    }
    for (const uint16_t slot : shared_->removed) changes_.push_back({slot, true, {}, {}});
    return true;
  }

  static bool failed(const Item* item, const std::string& name, StageContext& context, StageOutput& out) {
    reject_failed(item, name, context, out);
    return false;
  }

  bool collect_headers(const Item* item, StageContext& context, StageOutput& out) {
    const auto& before = item->record.headers;
    headers_.assign(before.begin(), before.end());
    const expr::Scope scope = context.scope(*item);
    for (const HeaderRule& rule : shared_->headers) {
      const auto same = [&rule](const Header& header) { return header.name == rule.name; };
      const bool present = std::any_of(before.begin(), before.end(), same);
      if (present && shared_->if_present == IfPresent::keep) continue;
      const expr::Value value = rule.program->evaluate(scope, context.evaluator);
      if (value.is_absent()) continue;
      Bytes bytes;
      if (value.is_error() || !header_bytes(value, context, bytes)) {
        return failed(item, fmt::format("header `{}`", rule.name), context, out);
      }
      if (present && shared_->if_present == IfPresent::error) {
        return reject_present(item, fmt::format("header `{}`", rule.name), context, out);
      }
      if (shared_->if_present == IfPresent::replace) {
        headers_.erase(std::remove_if(headers_.begin(), headers_.end(), same), headers_.end());
      }
      headers_.push_back({rule.name, bytes});
    }
    return true;
  }

  // Text and bytes as they are, null as a header without a value, everything else as JSON writes it, without quotes.
  static bool header_bytes(const expr::Value& value, StageContext& context, Bytes& bytes) {
    switch (value.kind()) {
      case expr::Kind::null:
        bytes = Bytes();
        return true;
      case expr::Kind::string:
      case expr::Kind::bytes:
        bytes = Bytes(value.text());
        return true;
      default:
        break;
    }
    const expr::JsonText json = expr::to_json(value, context.arena);
    if (json.error != expr::ErrorKind::none) {
      context.evaluator.set_error(json.error);
      return false;
    }
    std::string_view text = json.text;
    if (text.starts_with('"')) text = text.substr(1, text.size() - 2);  // a timestamp or a duration: no escapes
    bytes = Bytes(text);
    return true;
  }

  const std::shared_ptr<const Decoration> shared_;  // constant once built; the stages of all workers share it
  const ValueEditor editor_;
  std::vector<ValueChange> changes_;
  std::vector<Header> headers_;
};

// The path of an expression that is nothing but `value.a.b`; empty when it is more.
expr::FieldPath plain_member(std::string_view text) {
  text = trim(text);
  expr::FieldPath path;
  const auto parts = split(text, '.');
  if (parts.size() < 2 || parts[0] != "value") return {};
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string_view part = parts[i];
    const auto word = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    if (part.empty() || (part[0] >= '0' && part[0] <= '9') || !std::all_of(part.begin(), part.end(), word)) return {};
    path.emplace_back(part);
  }
  return path;
}

bool overlap(const expr::FieldPath& a, const expr::FieldPath& b) {
  const size_t common = std::min(a.size(), b.size());
  return std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(common), b.begin());
}

class DecorateReader {
 public:
  explicit DecorateReader(StageSetup& setup) : setup_(setup), made_(std::make_shared<Decoration>()) {}

  StagePlan read() {
    config::Reader reader(setup_.body, setup_.what + ": `decorate`", setup_.diagnostics);
    const std::string choice = reader.choice("if_present", {"replace", "keep", "error", "assume_absent"}, "replace");
    if (choice == "keep") made_->if_present = IfPresent::keep;
    if (choice == "error") made_->if_present = IfPresent::error;
    if (choice == "assume_absent") made_->if_present = IfPresent::assume_absent;
    const config::Node* value = reader.get("value");
    const config::Node* remove = reader.get("remove");
    const config::Node* headers = reader.get("headers");
    reader.finish();
    if (setup_.body.is_map() && value == nullptr && remove == nullptr && headers == nullptr) {
      error(setup_.body, "`decorate` does nothing: it needs `value`, `remove` or `headers`");
    }
    if (value != nullptr) read_members(*value, {});
    if (remove != nullptr) read_removed(*remove);
    if (headers != nullptr) read_headers(*headers);
    StagePlan plan;
    plan.ports = {""};
    plan.edits_value = !made_->slots.empty();
    if (!failed_) {
      // Shared by the stages of all workers, and constant from here on.
      plan.make = [shared = std::shared_ptr<const Decoration>(made_), &fields = setup_.plan] {
        return std::make_unique<Decorate>(shared, fields);
      };
    }
    return plan;
  }

 private:
  void error(const config::Node& node, const std::string& problem) {
    setup_.diagnostics.error(node.position, setup_.what + ": " + problem);
    failed_ = true;
  }

  static std::string describe(const expr::FieldPath& path) {
    std::string name = "value";
    for (const std::string& part : path) name += "." + part;
    return name;
  }

  SharedProgram compile(const config::Node& node, const std::string& name, std::string& text) {
    const std::string what = fmt::format("{}: `{}`", setup_.what, name);
    const auto found = config::expression_of(node, what, setup_.diagnostics);
    if (found) text = found->text;
    SharedProgram program = found ? compile_expression(setup_, *found, expr::Want::value, what) : nullptr;
    failed_ = failed_ || program == nullptr;
    return program;
  }

  void read_members(const config::Node& map, const expr::FieldPath& above) {
    if (!map.is_map() || map.members.empty()) {
      return error(map, fmt::format("`{}` must be a map of members to write: `name: expression`", describe(above)));
    }
    for (const auto& [key, node] : map.members) {
      expr::FieldPath path = above;
      path.push_back(key.text);
      if (node.is_map() && !node.members.empty()) {
        read_members(node, path);
        continue;
      }
      MemberRule rule;
      rule.name = describe(path);
      std::string text;
      rule.program = compile(node, rule.name, text);
      if (rule.program == nullptr) continue;
      rule.slot = written_slot(path);
      const expr::FieldPath source = plain_member(text);
      if (!source.empty()) rule.copy_of = setup_.plan.slot_with_span(source);
      made_->slots.push_back(rule.slot);
      if (rule.copy_of) made_->slots.push_back(*rule.copy_of);
      paths_.push_back(path);
      made_->members.push_back(std::move(rule));
    }
  }

  uint16_t written_slot(const expr::FieldPath& path) {
    if (made_->if_present != IfPresent::assume_absent) return setup_.plan.slot_with_span(path);
    const expr::FieldPath parent(path.begin(), path.end() - 1);
    if (!parent.empty()) setup_.plan.slot_with_span(parent);
    return setup_.plan.slot_unread(path);
  }

  void read_removed(const config::Node& list) {
    const std::string shape =
        "`remove` must be a list of member names; a member inside of an object is a list: "
        "`remove: [comment, [user, email]]`";
    if (!list.is_list() || list.items.empty()) return error(list, shape);
    for (const config::Node& item : list.items) {
      expr::FieldPath path;
      if (item.is_scalar()) path.push_back(item.text);
      for (const config::Node& part : item.items) {
        if (part.is_scalar()) path.push_back(part.text);
      }
      if (path.empty() || (item.is_list() && path.size() != item.items.size())) {
        error(item, shape);
        continue;
      }
      const auto clash =
          std::find_if(paths_.begin(), paths_.end(), [&](const auto& other) { return overlap(path, other); });
      if (clash != paths_.end()) {
        error(item, fmt::format("`{}` is removed here, but this stage already writes or removes `{}`", describe(path),
                                describe(*clash)));
        continue;
      }
      paths_.push_back(path);
      made_->removed.push_back(setup_.plan.slot_with_span(path));
      made_->slots.push_back(made_->removed.back());
    }
  }

  void read_headers(const config::Node& map) {
    if (!map.is_map() || map.members.empty()) {
      return error(map, "`headers` must be a map of headers to set: `name: expression`");
    }
    for (const auto& [key, node] : map.members) {
      HeaderRule rule;
      rule.name = key.text;
      std::string text;
      rule.program = compile(node, "headers." + key.text, text);
      made_->headers.push_back(std::move(rule));
    }
  }

  StageSetup& setup_;
  std::shared_ptr<Decoration> made_;  // handed to every worker's stage when it is built
  std::vector<expr::FieldPath> paths_;
  bool failed_ = false;
};

StagePlan read_decorate(StageSetup& setup) {
  return DecorateReader(setup).read();
}

}  // namespace

extern const StageKind decorate_stage;
const StageKind decorate_stage{
    "decorate", "Writes members into the value, removes members, sets headers; touches no other byte of the record.",
    R"(decorate:
  value:
    language: |-
      lookup('languages', value.channel).?language.orValue('unknown')
    user:               # a nested map writes into that object
      tier: |-
        'gold'
  remove: [comment, [user, email]]
  headers:
    handled-by: |-
      'millrace'
  if_present: replace   # keep | error | assume_absent (appends without looking)
)",
    &read_decorate};

}  // namespace millrace
