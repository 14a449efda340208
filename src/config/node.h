// Node and Reader: a YAML document with positions, and the way to read one map of it.
//
// The document owns its nodes; they are constant after loading (load.h). A Reader remembers which keys were asked for,
// so that finish() can name the unknown ones. Used by the thread that loads a config.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/diagnostic.h"

namespace millrace::config {

class Secrets;  // config/secrets.h

class Node {
 public:
  enum class Kind { null, scalar, list, map };
  enum class Style { plain, single_quoted, double_quoted, literal, folded };  // of a scalar

  // The tag of a node that stands for an alias: loading has refused it, and nobody else needs to.
  static constexpr const char* kAlias = "*";

  // Where the byte `offset` of a scalar's text stands in the file.
  struct Landmark {
    size_t offset = 0;
    Position position;
  };

  struct Member;  // a key and its value

  Kind kind = Kind::null;
  Style style = Style::plain;
  Position position;                 // of a quoted or block scalar: the quote, the `|`
  std::string text;                  // of a scalar, as written: ${...} is resolved by the Reader
  std::string tag;                   // as written, "" when there is none; kAlias for an alias
  std::vector<Member> members;       // of a map, in the order of the file; keys are scalars
  std::vector<Node> items;           // of a list
  bool flow = false;                 // written as {...} or [...]
  bool in_flow = false;              // stands inside {...} or [...]
  std::vector<Landmark> landmarks;   // of a scalar: one for each line, and behind each escape
  const Secrets* secrets = nullptr;  // resolves ${...}; null: nobody does. Outlives the document

  [[nodiscard]] bool is_map() const { return kind == Kind::map; }
  [[nodiscard]] bool is_list() const { return kind == Kind::list; }
  [[nodiscard]] bool is_scalar() const { return kind == Kind::scalar; }
  [[nodiscard]] bool is_null() const { return kind == Kind::null; }
  [[nodiscard]] const Node* find(std::string_view key) const;
  // The place in the file of the byte `offset` of a scalar's text.
  [[nodiscard]] Position position_of(size_t offset) const;
};

struct Node::Member {
  Node key;
  Node value;
};

// An expression as it stands in the file.
struct ExpressionText {
  std::string text;
  const Node* node = nullptr;
};

// A scalar after ${...} substitution. `known` is false when a reference in it was not resolved (nobody resolves, as in
// `millrace check`): then `text` still holds the reference, and must not be judged.
struct ScalarText {
  std::string text;
  bool known = true;
  Position position;
};

class Reader {
 public:
  // `what` names the map in messages, as in "stage `size`"; empty for the file's top. A node that is no map is an error
  // (once); nothing at all counts as an empty map.
  Reader(const Node& node, std::string what, Diagnostics& diagnostics);

  [[nodiscard]] bool has(std::string_view key);
  // The member, or null; `required` makes its absence an error at the map's position.
  const Node* get(std::string_view key, bool required = false);

  std::string text(std::string_view key, std::string fallback);
  std::optional<std::string> text(std::string_view key);
  std::string required_text(std::string_view key);
  std::optional<ScalarText> scalar(std::string_view key, bool required = false);
  bool flag(std::string_view key, bool fallback);
  std::optional<int64_t> integer(std::string_view key, int64_t min, int64_t max);
  std::optional<double> number(std::string_view key, double min, double max);
  // Values with units; a bare number is an error that shows the spelling.
  std::optional<int64_t> duration_ms(std::string_view key, int64_t min, int64_t max);
  std::optional<int64_t> bytes(std::string_view key, int64_t min, int64_t max);
  std::optional<double> rate(std::string_view key);
  // One of `names`, or an error that lists them and suggests the nearest.
  std::string choice(std::string_view key, const std::vector<std::string>& names, std::string fallback);
  // A scalar, or a list of scalars.
  std::vector<ScalarText> texts(std::string_view key, bool required = false);
  // The same for names of the house, in which ${...} means nothing.
  std::vector<std::pair<std::string, Position>> names(std::string_view key, bool required = false);
  // A CEL expression (checked for what YAML does to them: tags, empty scalars, flow maps that cut them).
  std::optional<ExpressionText> expression(std::string_view key, bool required = false);
  // A key that a later version brings: an error when it is there.
  void not_yet(std::string_view key);
  // An error about this key's value, "stage `size`: `field` <problem>", at the value's place (the map's without one).
  void wrong(std::string_view key, const std::string& problem);

  // Names the keys that nobody asked for, with a suggestion. Call once, last.
  void finish();

  [[nodiscard]] const Node& node() const { return node_; }
  [[nodiscard]] Diagnostics& diagnostics() { return diagnostics_; }
  [[nodiscard]] const std::string& what() const { return what_; }

 private:
  std::vector<const Node*> scalars(std::string_view key, bool required);
  template <typename Read>
  auto quantity(std::string_view key, const Read& read) -> std::optional<decltype(read(std::string_view()).value)>;

  const Node& node_;
  std::string what_;
  Diagnostics& diagnostics_;
  std::set<std::string, std::less<>> asked_;
  std::set<std::string, std::less<>> later_;
  bool cut_ = false;  // an expression was cut by the flow map: what follows it is no key
};

// The same checks for nodes that are not found under a fixed key (a rule of classify, a member of decorate). `what`
// names the value: "stage `size`: rule `huge`".
std::optional<ExpressionText> expression_of(const Node& node, const std::string& what, Diagnostics& diagnostics);
std::optional<ScalarText> scalar_of(const Node& node, const std::string& what, Diagnostics& diagnostics);

// "a map", "a list", "text", "nothing": for messages.
std::string_view kind_text(const Node& node);

}  // namespace millrace::config
