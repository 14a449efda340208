// The generic nodes: one for each form of the language, on values of any type. Made by the builder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "expr/ast.h"
#include "expr/functions.h"
#include "expr/node.h"
#include "expr/table.h"

namespace millrace::expr {

enum class RecordVariable : uint8_t { key, headers, topic, partition, offset, time, now };

// The steps from the root of the record's value to a member. Slots of the way are there only when it has to be known
// why the member is absent: for has() and for optional steps.
struct ValuePath {
  uint16_t slot = 0;
  std::vector<uint16_t> way;         // slots of the root and of each step before the last
  size_t first_optional = SIZE_MAX;  // the first step written with `?`
  std::string text;                  // "value.a.b"
  std::string last;                  // "b"
};

// What the builder knows about a piece of the expression.
struct Built {
  NodePtr node;
  Kind type = Kind::absent;  // absent: known only when it runs
  bool constant = false;
  Value value;        // when constant
  double cost = 0;    // worst case, in units of about one simple operation
  double bytes = 16;  // worst size of the result
  int slot = -1;      // for a member of the record's value
  std::string text;   // and its path
};

NodePtr make_literal(const Value& value);
NodePtr make_local(size_t index, const std::string& name);
NodePtr make_bound(size_t index, const std::string& name);
NodePtr make_field(uint16_t slot, const std::string& text);
NodePtr make_optional_field(ValuePath path);
NodePtr make_has_field(ValuePath path);
NodePtr make_record_variable(RecordVariable variable, const char* name);
NodePtr make_header(const std::string& name, bool optional);
NodePtr make_has_header(const std::string& name);
NodePtr make_failure(ErrorKind kind, const std::string& text);

NodePtr make_select(NodePtr operand, const std::string& field, bool optional);
NodePtr make_has(NodePtr operand, const std::string& field);
NodePtr make_index(NodePtr operand, NodePtr key, bool optional);
NodePtr make_not(NodePtr operand);
NodePtr make_negate(NodePtr operand);
NodePtr make_arithmetic(Op op, NodePtr left, NodePtr right, bool strict);
NodePtr make_equal(bool wanted, Built left, Built right, Arena& constants);
NodePtr make_compare(Op op, Built left, Built right);
NodePtr make_in(Built needle, Built haystack, Arena& constants);
// x.startsWith('a') and its kin: null when the parts are not a field and a constant string.
NodePtr make_field_text(std::string_view function, const Built& field, const Built& constant);
// x.matches('...') on a field; text tests where the pattern is plain text.
NodePtr make_field_matches(const Built& field, std::unique_ptr<re2::RE2> regex);
NodePtr make_and(std::vector<NodePtr> terms);
NodePtr make_or(std::vector<NodePtr> terms);
NodePtr make_conditional(NodePtr condition, NodePtr yes, NodePtr no);
NodePtr make_list(std::vector<NodePtr> items, std::vector<bool> optional);
NodePtr make_map(std::vector<NodePtr> entries, std::vector<bool> optional);
NodePtr make_call(const Function& function, std::vector<NodePtr> arguments);
// `regex` is null when the pattern is not constant.
NodePtr make_regex_call(const Function& function, std::unique_ptr<re2::RE2> regex, std::vector<NodePtr> arguments,
                        const Limits& limits);
NodePtr make_lookup(const Table& table, const std::string& name, NodePtr key);
NodePtr make_or_value(NodePtr optional, NodePtr other);
NodePtr make_optional_or(NodePtr optional, NodePtr other);

struct MacroParts {
  Macro macro = Macro::all;
  NodePtr range;
  std::vector<NodePtr> bodies;
  size_t first_local = 0;  // variables are locals first_local, first_local + 1
  size_t variables = 1;
  uint64_t step_cost = 1;  // of one iteration
};
NodePtr make_macro(MacroParts parts);

}  // namespace millrace::expr
