#include "stage/value_editor.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "expr/json_text.h"

namespace millrace {

namespace {

bool inside(const expr::FieldPath& inner, const expr::FieldPath& outer) {
  return outer.size() < inner.size() && std::equal(outer.begin(), outer.end(), inner.begin());
}

std::string name_of(const expr::FieldPath& path) {
  std::string name = "value";
  for (const std::string& part : path) name += "." + part;
  return name;
}

ValueEditor::Outcome rejected(RejectReason reason, std::string_view error, StageContext& context) {
  return {nullptr, reason, context.arena.copy(error)};
}

bool is_object(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && expr::is_json_space(text[at])) ++at;
  return at < text.size() && text[at] == '{';
}

}  // namespace

ValueEditor::ValueEditor(const expr::FieldPlan& plan) : slots_(plan.size()) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const auto& own = plan.wanted()[i];
    slots_[i].name = name_of(own.path);
    slots_[i].read = own.read;
    for (size_t k = 0; k < slots_.size(); ++k) {
      const auto& other = plan.wanted()[k];
      const bool above = inside(own.path, other.path);
      if (!above && !inside(other.path, own.path)) continue;
      slots_[i].related.push_back(static_cast<uint16_t>(k));
      slots_[i].read_again = slots_[i].read_again || (above ? other.whole : other.read);
      if (!above || other.path.empty()) continue;
      slots_[i].ancestors.push_back(static_cast<uint16_t>(k));
      if (other.read) slots_[i].kinds.push_back(static_cast<uint16_t>(k));
    }
    std::sort(slots_[i].ancestors.begin(), slots_[i].ancestors.end(),
              [&plan](uint16_t a, uint16_t b) { return plan.wanted()[a].path.size() < plan.wanted()[b].path.size(); });
  }
}

bool ValueEditor::related(uint16_t a, uint16_t b) const {
  const auto& all = slots_[a].related;
  return std::find(all.begin(), all.end(), b) != all.end();
}

const expr::Edit* ValueEditor::pending(const Item& item, uint16_t slot) const {
  for (const expr::Edit& edit : item.edits) {
    if (edit.slot == slot) return &edit;
  }
  return nullptr;
}

ValueEditor::Outcome ValueEditor::prepare(const Item& item, std::span<const uint16_t> slots,
                                          StageContext& context) const {
  if (item.decoded->spans.empty() || context.encoder == nullptr) {
    if (item.record.value.is_null()) return rejected(RejectReason::not_an_object, "the value is null", context);
    return rejected(RejectReason::not_decodable, "the value was not decoded", context);
  }
  if (!is_object(item.decoded->text)) {
    const bool null = item.record.value.is_null();
    return rejected(RejectReason::not_an_object, null ? "the value is null" : "the value is no JSON object", context);
  }
  for (const expr::Edit& edit : item.edits) {
    for (const uint16_t slot : slots) {
      if (related(slot, edit.slot)) return write_and_read(item, context);
    }
  }
  return {&item, RejectReason::none, {}};
}

bool ValueEditor::present(const Item& item, uint16_t slot) const {
  if (const expr::Edit* edit = pending(item, slot)) return !edit->remove;
  return item.decoded->spans[slot].present();
}

std::string_view ValueEditor::raw(const Item& item, uint16_t slot) const {
  if (const expr::Edit* edit = pending(item, slot)) return edit->json;
  if (item.decoded->spans.empty()) return {};
  const expr::FieldSpan span = item.decoded->spans[slot];
  if (!span.present()) return {};
  return item.decoded->text.substr(span.value_begin, span.value_end - span.value_begin);
}

int32_t ValueEditor::blocked(const Item& item, uint16_t slot) const {
  for (const uint16_t ancestor : slots_[slot].ancestors) {
    const expr::FieldSpan span = item.decoded->spans[ancestor];
    if (span.present() && item.decoded->text[span.value_begin] != '{') return ancestor;
  }
  return -1;
}

bool ValueEditor::changes_a_kind(const Item& item, const ValueChange& change) const {
  if (change.remove) return false;
  const auto& kinds = slots_[change.slot].kinds;
  return std::any_of(kinds.begin(), kinds.end(), [&](uint16_t k) { return !item.decoded->spans[k].present(); });
}

ValueEditor::Outcome ValueEditor::write_and_read(const Item& item, StageContext& context) const {
  const expr::EncodeResult written = context.encoder->encode(*item.decoded, item.edits, context.arena);
  if (written.reason != RejectReason::none) return rejected(written.reason, written.detail, context);
  auto* decoded = context.arena.make(expr::DecodedRecord());
  const expr::DecodeResult read = context.decoder->decode(written.bytes, context.arena, *decoded);
  if (read.reason != RejectReason::none) {
    return rejected(read.reason, fmt::format("the changed value: {}", read.detail), context);
  }
  Item changed = item;
  changed.record.value = Bytes(written.bytes);
  changed.decoded = decoded;
  changed.fields = decoded->fields;
  changed.edits = {};
  return {context.arena.make(changed), RejectReason::none, {}};
}

ValueEditor::Outcome ValueEditor::apply(const Item& item, std::span<const ValueChange> changes,
                                        StageContext& context) const {
  const std::span<expr::Edit> edits = context.arena.make_array<expr::Edit>(item.edits.size() + changes.size());
  std::copy(item.edits.begin(), item.edits.end(), edits.begin());
  size_t count = item.edits.size();
  bool read = false;
  bool read_again = false;
  bool changed_any = false;
  for (const ValueChange& change : changes) {
    const Slot& slot = slots_[change.slot];
    const int32_t block = blocked(item, change.slot);
    if (block >= 0 && !change.remove) {
      return rejected(RejectReason::not_an_object,
                      fmt::format("{} is no object", slots_[static_cast<size_t>(block)].name), context);
    }
    if (change.remove && (block >= 0 || !present(item, change.slot))) continue;
    changed_any = true;
    read = read || slot.read;
    read_again = read_again || slot.read_again || changes_a_kind(item, change);
    const expr::Edit edit{change.slot, change.remove, change.json};
    const auto end = edits.begin() + static_cast<std::ptrdiff_t>(count);
    const auto same = std::find_if(edits.begin(), end, [&](const expr::Edit& e) { return e.slot == change.slot; });
    if (same == end) ++count;
    *same = edit;
  }
  if (!changed_any) return {&item, RejectReason::none, {}};
  Item changed = item;
  changed.edits = edits.first(count);
  if (read_again) return write_and_read(changed, context);
  if (read) {
    const std::span<expr::Value> fields = context.arena.make_array<expr::Value>(item.fields.size());
    std::copy(item.fields.begin(), item.fields.end(), fields.begin());
    for (const ValueChange& change : changes) fields[change.slot] = change.remove ? expr::Value() : change.value;
    changed.fields = fields;
  }
  return {context.arena.make(changed), RejectReason::none, {}};
}

bool make_change(const expr::Value& value, uint16_t slot, StageContext& context, ValueChange& change) {
  const expr::JsonText json = expr::to_json(value, context.arena);
  if (json.error != expr::ErrorKind::none) {
    context.evaluator.set_error(json.error);
    return false;
  }
  change = {slot, false, json.text, value};
  switch (value.kind()) {
    case expr::Kind::null:
    case expr::Kind::boolean:
    case expr::Kind::integer:
    case expr::Kind::floating:
    case expr::Kind::string:
    case expr::Kind::json_array:
    case expr::Kind::json_object:
      return true;
    default:
      break;
  }
  // What JSON has no word for (a timestamp, an unsigned number) reads back as something else.
  expr::JsonReader reader(json.text);
  CHECK(reader.shallow(change.value, context.arena, expr::kLastKeyWins));
  return true;
}

}  // namespace millrace
