// FieldPlan: which members of a record's value the expressions and decorations of a pipeline touch.
//
// One for each pipeline. Filled while the YAML is compiled (main thread), constant afterwards, read by every worker.
// A decoder walks a record once along the plan and puts each member into its slot.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::expr {

// Member names from the root of the value down; empty: the value itself.
using FieldPath = std::vector<std::string>;

class FieldPlan {
 public:
  // The slot of this path, made when it is new. Slots count from 0.
  uint16_t slot(const FieldPath& path);

  // The same for an expression that only asks what sort of thing stands there (is it there, is it an object).
  uint16_t slot_for_kind(const FieldPath& path);

  // Marks a path whose place in the text is needed too, because a stage writes or removes it: the decoder then fills
  // `DecodedRecord::spans` for it and for each object on the way to it.
  uint16_t slot_with_span(const FieldPath& path);

  // The slot of a path that a stage writes without looking whether it is there.
  uint16_t slot_unread(const FieldPath& path);

  struct Wanted {
    FieldPath path;
    bool read = false;   // an expression reads its value; otherwise only its place is wanted
    bool whole = false;  // and not only its kind: a change anywhere inside of it matters
    bool span = false;
  };
  [[nodiscard]] const std::vector<Wanted>& wanted() const { return wanted_; }
  [[nodiscard]] size_t size() const { return wanted_.size(); }

 private:
  std::vector<Wanted> wanted_;
};

}  // namespace millrace::expr
