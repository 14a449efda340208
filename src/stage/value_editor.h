// ValueEditor: puts a stage's changes of the value onto an item. The bytes are not touched: edits are collected and
// written once, at the destination; expressions of later stages see them as an overlay of fields. Only where an
// overlay cannot tell the truth (a change inside of an object that somebody reads as a whole, or the other way round)
// is the value written and read again at once.
//
// One for each stage and worker; used by that worker only. The plan must be complete when it is made.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "expr/decoder.h"
#include "expr/field_plan.h"
#include "stage/stage.h"

namespace millrace {

// One change. `value` is what expressions see from now on: the value of `json` as the decoder would read it.
struct ValueChange {
  uint16_t slot = 0;
  bool remove = false;
  std::string_view json;  // in the arena, or of the stage
  expr::Value value;
};

class ValueEditor {
 public:
  // Plain data: the paths of the plan, and which of them lie inside each other.
  explicit ValueEditor(const expr::FieldPlan& plan);

  struct Outcome {
    const Item* item = nullptr;  // null: rejected
    RejectReason reason = RejectReason::none;
    std::string_view error;  // in the arena
  };

  // The item in a form in which present(), raw() and apply() can be asked about `slots`: usually the same item. Rejects
  // a value that is no JSON object.
  Outcome prepare(const Item& item, std::span<const uint16_t> slots, StageContext& context) const;

  [[nodiscard]] bool present(const Item& item, uint16_t slot) const;

  // The member's JSON text as it stands; empty when it is not there or its place is not known.
  [[nodiscard]] std::string_view raw(const Item& item, uint16_t slot) const;

  // A new item with the changes on top; the same item when they change nothing. Rejects when something on the way to a
  // member is there and no object.
  Outcome apply(const Item& item, std::span<const ValueChange> changes, StageContext& context) const;

 private:
  struct Slot {
    std::vector<uint16_t> ancestors;  // in the plan, outermost first
    std::vector<uint16_t> related;    // ancestors and descendants
    std::string name;                 // for messages: value.user.tier
    bool read = false;
    bool read_again = false;  // something inside is read by an expression, or something around it as a whole
    // Objects around it of which an expression reads the kind: that changes only when they are made.
    std::vector<uint16_t> kinds;
  };

  [[nodiscard]] bool related(uint16_t a, uint16_t b) const;
  [[nodiscard]] const expr::Edit* pending(const Item& item, uint16_t slot) const;
  // Whether the objects on the way are objects or missing; -1: they are; else the slot that is none.
  [[nodiscard]] int32_t blocked(const Item& item, uint16_t slot) const;
  [[nodiscard]] bool changes_a_kind(const Item& item, const ValueChange& change) const;
  Outcome write_and_read(const Item& item, StageContext& context) const;

  std::vector<Slot> slots_;
};

// `value` as JSON and as it reads back; false: it cannot be written (the evaluator's error is set).
bool make_change(const expr::Value& value, uint16_t slot, StageContext& context, ValueChange& change);

}  // namespace millrace
