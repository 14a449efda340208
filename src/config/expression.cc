// expression_of: an expression as YAML hands it over, and the traps in between.
#include <fmt/core.h>

#include <array>

#include "config/node.h"
#include "config/quantity.h"

namespace millrace::config {

namespace {

constexpr std::string_view kAdvice = "write the expression after `|-`, on a line of its own";

// Where a string literal that begins at `at` (a quote) ends: behind its closing quote, or the text's size + 1 when it
// is not closed.
size_t end_of_literal(std::string_view text, size_t at, bool raw) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool triple = text.substr(at).starts_with(three);
  const std::string_view closing = std::string_view(three).substr(0, triple ? 3 : 1);
  for (size_t i = at + closing.size(); i < text.size(); ++i) {
    if (text[i] == '\\' && !raw) {
      ++i;
    } else if (text.substr(i).starts_with(closing)) {
      return i + closing.size();
    }
  }
  return text.size() + 1;
}

// Whether the text stops inside a literal or a bracket: a sign that YAML cut it.
bool ends_open(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\'' || c == '"') {
      const bool raw = i > 0 && (text[i - 1] == 'r' || text[i - 1] == 'R');
      i = end_of_literal(text, i, raw);
      if (i > text.size()) return true;
      continue;
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    ++i;
  }
  return depth > 0;
}

std::string problem_of(const Node& node) {
  if (node.is_map() || node.is_list())
    return fmt::format("must be an expression; YAML reads {} here: {}", kind_text(node), kAdvice);
  if (node.is_null()) return fmt::format("is an empty expression; {}", kAdvice);
  if (node.text.find_first_not_of(" \t\n") == std::string::npos)
    return fmt::format("is an empty expression; {}", kAdvice);
  if (node.style != Node::Style::plain || !ends_open(node.text)) return {};
  if (node.in_flow) {
    return fmt::format(
        "is cut to {}: inside `{{...}}` and `[...]` YAML ends it at a comma or bracket; {}, outside of "
        "brackets",
        in_ticks(node.text), kAdvice);
  }
  return fmt::format("is cut to {}: in YAML ` #` begins a comment; {}", in_ticks(node.text), kAdvice);
}

}  // namespace

std::optional<ExpressionText> expression_of(const Node& node, const std::string& what, Diagnostics& diagnostics) {
  // Loading has said already what a tag does.
  if (!node.tag.empty() && node.tag != "!!str" && node.tag != "!") return std::nullopt;
  const std::string problem = problem_of(node);
  if (!problem.empty()) {
    diagnostics.error(node.position, fmt::format("{} {}", what, problem));
    return std::nullopt;
  }
  return ExpressionText{node.text, &node};
}

}  // namespace millrace::config
