#include "expr/field_plan.h"

#include "base/check.h"

namespace millrace::expr {

uint16_t FieldPlan::slot(const FieldPath& path) {
  const uint16_t index = slot_for_kind(path);
  wanted_[index].whole = true;
  return index;
}

uint16_t FieldPlan::slot_for_kind(const FieldPath& path) {
  const uint16_t index = slot_unread(path);
  wanted_[index].read = true;
  return index;
}

uint16_t FieldPlan::slot_unread(const FieldPath& path) {
  for (size_t i = 0; i < wanted_.size(); ++i) {
    if (wanted_[i].path == path) return static_cast<uint16_t>(i);
  }
  CHECK(wanted_.size() < UINT16_MAX);
  wanted_.push_back({path, false, false, false});
  return static_cast<uint16_t>(wanted_.size() - 1);
}

uint16_t FieldPlan::slot_with_span(const FieldPath& path) {
  FieldPath parent;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    parent.push_back(path[i]);
    wanted_[slot_unread(parent)].span = true;
  }
  const uint16_t index = slot_unread(path);
  wanted_[index].span = true;
  return index;
}

}  // namespace millrace::expr
