// Ast: the tree of one parsed expression, with the place of every node in the text. Made by the parser, read by the
// builder; main thread only. Nodes live in one vector and refer to each other by index, so nothing here recurses.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "expr/value.h"

namespace millrace::expr {

using AstId = uint32_t;

enum class AstKind : uint8_t {
  literal,
  name,         // `text`; root_scope: written `.name`
  select,       // child 0 . `text`; optional: `.?`
  has,          // has(child 0 . `text`)
  index,        // child 0 [ child 1 ]; optional: `[?`
  call,         // `text`(children); with has_target child 0 is the receiver
  op,           // `op` on one or two children
  logic_and,    // two or more children
  logic_or,     // two or more children
  conditional,  // children: condition, then, else
  list,         // children; flags: written with `?`
  map,          // children: key, value, key, value...; flags for each pair
  message,      // `text`{names: children}
  macro,        // `macro` with `names` as variables; child 0 is the range, then the bodies
};

enum class Op : uint8_t {
  logic_not,
  negate,
  multiply,
  divide,
  modulo,
  add,
  subtract,
  less,
  less_equal,
  greater,
  greater_equal,
  equal,
  not_equal,
  in,
};

enum class Macro : uint8_t {
  all,
  exists,
  exists_one,
  map,     // children: range, transform  or  range, condition, transform
  filter,  // children: range, condition
  transform_list,
  transform_map,
  transform_map_entry,
  sort_by,
  bind,          // children: value, body
  opt_map,       // children: optional, body
  opt_flat_map,  // children: optional, body
  fall_back,     // default(child 0, child 1)
};

struct AstNode {
  AstKind kind = AstKind::literal;
  Op op = Op::logic_not;
  Macro macro = Macro::all;
  bool optional = false;
  bool root_scope = false;
  bool has_target = false;
  bool quoted = false;  // the field was written in backticks
  uint16_t height = 1;
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t name_offset = 0;  // of a call with a target: where the method's name stands
  Value literal;
  std::string text;
  std::vector<AstId> children;
  std::vector<std::string> names;
  std::vector<bool> flags;
};

class Ast {
 public:
  AstId add(AstNode node);
  [[nodiscard]] const AstNode& at(AstId id) const { return nodes_[id]; }
  [[nodiscard]] AstNode& at(AstId id) { return nodes_[id]; }
  [[nodiscard]] size_t size() const { return nodes_.size(); }
  // Keeps text for as long as the tree lives.
  std::string_view keep(std::string text) { return strings_.emplace_back(std::move(text)); }

  AstId root = 0;

 private:
  std::vector<AstNode> nodes_;
  std::deque<std::string> strings_;
};

std::string_view to_string(Op op);        // "+", "in"
std::string_view to_string(Macro macro);  // as written: "exists", "cel.bind"

// The tree in the notation of calls, `_+_(a,1)`, in which the parser's tests are written.
std::string print_calls(const Ast& ast, AstId id);

// Text that parses to the same tree, with only the parentheses that it needs.
std::string print_source(const Ast& ast, AstId id);

// Same shape, names and literals; places do not count.
bool same_tree(const Ast& a, AstId a_id, const Ast& b, AstId b_id);

// "..." with escapes, as a string literal of the language.
std::string quote_string(std::string_view text);
std::string quote_bytes(std::string_view data);

}  // namespace millrace::expr
