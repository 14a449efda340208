#include "expr/macros.h"

#include <array>

#include "expr/lexer.h"

namespace millrace::expr {
namespace {

struct Form {
  std::string_view name;
  std::string_view usage;
  Macro macro;
  uint8_t variables;
  uint8_t bodies_min;
  uint8_t bodies_max;
};

// Calls on a receiver: `range.name(variables..., bodies...)`.
constexpr std::array<Form, 16> kForms = {{
    {"all", "x.all(v, condition)", Macro::all, 1, 1, 1},
    {"exists", "x.exists(v, condition)", Macro::exists, 1, 1, 1},
    {"exists_one", "x.exists_one(v, condition)", Macro::exists_one, 1, 1, 1},
    {"existsOne", "x.existsOne(k, v, condition)", Macro::exists_one, 1, 1, 1},
    {"map", "x.map(v, result) or x.map(v, condition, result)", Macro::map, 1, 1, 2},
    {"filter", "x.filter(v, condition)", Macro::filter, 1, 1, 1},
    {"all", "x.all(v, condition)", Macro::all, 2, 1, 1},
    {"exists", "x.exists(v, condition)", Macro::exists, 2, 1, 1},
    {"exists_one", "x.exists_one(v, condition)", Macro::exists_one, 2, 1, 1},
    {"existsOne", "x.existsOne(k, v, condition)", Macro::exists_one, 2, 1, 1},
    {"transformList", "x.transformList(k, v, result) or x.transformList(k, v, condition, result)",
     Macro::transform_list, 2, 1, 2},
    {"transformMap", "x.transformMap(k, v, result) or x.transformMap(k, v, condition, result)", Macro::transform_map, 2,
     1, 2},
    {"transformMapEntry", "x.transformMapEntry(k, v, {key: result})", Macro::transform_map_entry, 2, 1, 2},
    {"sortBy", "x.sortBy(v, key)", Macro::sort_by, 1, 1, 1},
    {"optMap", "x.optMap(v, result)", Macro::opt_map, 1, 1, 1},
    {"optFlatMap", "x.optFlatMap(v, optional)", Macro::opt_flat_map, 1, 1, 1},
}};

bool fail(const AstNode& at, std::string message, CompileError& error) {
  error = {at.offset, at.length, std::move(message)};
  return false;
}

bool take_variable(const Ast& ast, AstId id, AstNode& node, CompileError& error) {
  const AstNode& name = ast.at(id);
  if (name.kind != AstKind::name || name.root_scope) {
    return fail(name, "a simple name is expected here: the variable of " + node.text + "()", error);
  }
  if (name.text == "__result__" || name.text == "@result") {
    return fail(name, "'" + name.text + "' cannot be the name of a variable", error);
  }
  for (const std::string& other : node.names) {
    if (other == name.text) return fail(name, "two variables of the same name '" + other + "'", error);
  }
  node.names.push_back(name.text);
  return true;
}

bool expand_has(const Ast& ast, AstNode& node, CompileError& error) {
  const AstNode& argument = ast.at(node.children[0]);
  if (argument.kind != AstKind::select || argument.optional) {
    return fail(argument, "has() wants a field as in has(value.name); for a key in brackets write 'name' in value",
                error);
  }
  node.kind = AstKind::has;
  node.text = argument.text;
  node.quoted = argument.quoted;
  node.children = argument.children;
  return true;
}

bool expand_bind(const Ast& ast, AstNode& node, CompileError& error) {
  node.text = "cel.bind";
  if (!take_variable(ast, node.children[1], node, error)) return false;
  node.children = {node.children[2], node.children[3]};
  node.macro = Macro::bind;
  return true;
}

// default(a.b, c) is a.?b.orValue(c), with every step of the first argument made optional.
bool expand_default(Ast& ast, AstNode& node, CompileError& error) {
  AstId step = node.children[0];
  const auto is_step = [&] { return ast.at(step).kind == AstKind::select || ast.at(step).kind == AstKind::index; };
  if (!is_step()) {
    return fail(ast.at(step), "default() wants a field first, as in default(value.name, 'none')", error);
  }
  for (; is_step(); step = ast.at(step).children[0]) ast.at(step).optional = true;
  node.macro = Macro::fall_back;
  return true;
}

void finish(AstNode& node) {
  node.kind = AstKind::macro;
  node.has_target = false;
  node.text.clear();
}

}  // namespace

bool expand_macro(Ast& ast, AstNode& node, CompileError& error) {
  const size_t count = node.children.size();
  if (!node.has_target) {
    if (node.root_scope) return true;
    if (node.text == "has" && count == 1) return expand_has(ast, node, error);
    if (node.text == "default" && count == 2) {
      if (!expand_default(ast, node, error)) return false;
      finish(node);
    }
    return true;
  }
  const AstNode& target = ast.at(node.children[0]);
  if (node.text == "bind" && count == 4 && target.kind == AstKind::name && target.text == "cel") {
    if (!expand_bind(ast, node, error)) return false;
    finish(node);
    return true;
  }
  // With three arguments, `map` and `filter`-like forms of one variable come first, as they do in the definition.
  for (const Form& form : kForms) {
    const size_t bodies = count - 1 - form.variables;
    if (node.text != form.name || count < 1U + form.variables || bodies < form.bodies_min || bodies > form.bodies_max) {
      continue;
    }
    std::vector<AstId> children = {node.children[0]};
    for (size_t i = 1; i <= form.variables; ++i) {
      if (!take_variable(ast, node.children[i], node, error)) return false;
    }
    children.insert(children.end(), node.children.begin() + 1 + form.variables, node.children.end());
    node.children = std::move(children);
    node.macro = form.macro;
    finish(node);
    return true;
  }
  return true;
}

std::vector<std::string> macro_names() {
  std::vector<std::string> names;
  for (const Form& form : kForms) names.emplace_back(form.name);
  return names;
}

std::string_view macro_usage(std::string_view name) {
  for (const Form& form : kForms) {
    if (form.name == name) return form.usage;
  }
  return "";
}

}  // namespace millrace::expr
