// Nodes for the tests that filters are made of: a field of the record against constants, read from its slot and decided
// by its type, without an intermediate value. Null: the parts do not fit, the generic node does it.
#pragma once

#include "expr/nodes.h"

namespace millrace::expr {

NodePtr make_field_equal(bool wanted, const Built& field, const Built& constant, Arena& constants);
NodePtr make_field_compare(Op op, const Built& left, const Built& right);
// The needle may be anything; with a field it needs no intermediate value.
NodePtr make_in_set(Built& needle, const Built& haystack, Arena& constants);

// Constants by value -> the smallest number given with an equal one. Open addressing; strings, numbers, bools, null.
class ConstantTable {
 public:
  static bool suits(const Value& constant);
  void add(const Value& constant, int number, Arena& arena);
  // The number, or -1. Values of other kinds are never found.
  [[nodiscard]] int find(const Value& value, Arena& arena) const;

 private:
  struct Entry {
    uint64_t hash = 0;
    Value constant;
    int number = -1;
  };
  void grow();
  [[nodiscard]] size_t place(const Value& value, uint64_t hash, Arena& arena) const;

  std::vector<Entry> entries_;
  size_t count_ = 0;
  size_t longest_ = 0;  // text longer than any constant is not worth a hash
};

}  // namespace millrace::expr
