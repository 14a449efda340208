// Calls and macros.
#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"
#include "expr/builder.h"
#include "expr/macros.h"
#include "expr/value_ops.h"

namespace millrace::expr {

Built Builder::call(AstId id) {
  const AstNode& node = ast_.at(id);
  bool done = false;
  Built special = special_call(node, done);
  if (done) return special;
  if (!node.has_target) {
    if (const Function* function = find_function(node.text, false, node.children.size())) {
      return known_call(*function, node.children);
    }
    return unknown_function(node, node.text);
  }
  const std::string space = dotted_name(node.children[0]);
  if (!space.empty()) {
    const std::string full = space + "." + node.text;
    if (const Function* function = find_function(full, false, node.children.size() - 1)) {
      return known_call(*function, {node.children.begin() + 1, node.children.end()});
    }
    if (!argument_counts(full, false).empty() || ast_.at(node.children[0]).kind == AstKind::name) {
      return unknown_function(node, full);
    }
  }
  if (const Function* function = find_function(node.text, true, node.children.size())) {
    return known_call(*function, node.children);
  }
  return unknown_function(node, node.text);
}

// `or` and `orValue` look at their argument only when they need it; lookup() needs its table when it is compiled.
Built Builder::special_call(const AstNode& node, bool& done) {
  done = true;
  if (!node.has_target && node.text == "lookup" && node.children.size() == 2) return lookup(node);
  const bool or_value = node.text == "orValue";
  if (node.has_target && node.children.size() == 2 && (or_value || node.text == "or")) {
    Built optional = build(node.children[0]);
    Built other = build(node.children[1]);
    Built built;
    built.cost = optional.cost + other.cost + 1;
    built.bytes = std::max(optional.bytes, other.bytes);
    built.node = or_value ? make_or_value(std::move(optional.node), std::move(other.node))
                          : make_optional_or(std::move(optional.node), std::move(other.node));
    return built;
  }
  done = false;
  return {};
}

Built Builder::lookup(const AstNode& node) {
  const AstNode& name = ast_.at(node.children[0]);
  if (name.kind != AstKind::literal || !name.literal.is(Kind::string)) {
    return failed(name, "the name of the table must be a constant, as in lookup('users', value.id)");
  }
  const std::string table_name(name.literal.text());
  const Table* table = tables_ == nullptr ? nullptr : tables_->find(table_name);
  if (table == nullptr) {
    std::vector<std::string> known;
    if (tables_ != nullptr) {
      for (const auto& [other, unused] : tables_->all()) known.push_back(other);
    }
    const std::string near = nearest(table_name, known);
    return failed(name, "no table `" + table_name + "`" +
                            (near.empty() ? std::string(known.empty() ? "; none is declared under `tables`" : "")
                                          : "; did you mean `" + near + "`?"));
  }
  Built key = build(node.children[1]);
  Built built;
  built.type = Kind::optional;
  built.cost = key.cost + 10;
  built.bytes = 64 * 1024;
  built.node = make_lookup(*table, table_name, std::move(key.node));
  return built;
}

Built Builder::unknown_function(const AstNode& node, const std::string& full_name) {
  const bool method = node.has_target && full_name == node.text;
  std::string message;
  bool is_macro = false;
  const std::string counts = argument_counts(full_name, method);
  if (!counts.empty()) {
    const size_t given = node.children.size() - (node.has_target ? 1 : 0);
    message = "`" + full_name + "` takes " + counts + (counts == "1" ? " argument" : " arguments") + ", not " +
              std::to_string(given);
  } else if (!argument_counts(full_name, !method).empty() && full_name == node.text) {
    message = method ? "`" + full_name + "` is called as " + full_name + "(x)"
                     : "`" + full_name + "` is called on a value, as in x." + full_name + "()";
  } else if (method && !macro_usage(full_name).empty()) {
    message = "`" + full_name + "` is written " + std::string(macro_usage(full_name));
    is_macro = true;
  } else {
    std::vector<std::string> names = function_names(method);
    const std::vector<std::string> macros = method ? macro_names() : std::vector<std::string>();
    names.insert(names.end(), macros.begin(), macros.end());
    const std::string near = nearest(full_name, names);
    is_macro = argument_counts(near, method).empty() && !macro_usage(near).empty();
    message = "no function `" + full_name + "`" + (near.empty() ? "" : "; did you mean `" + near + "`?");
  }
  // The arguments may be wrong too, unless they were meant for a macro; and the receiver may be the real mistake.
  if (!environment_.lenient) {
    const size_t first = node.has_target && !method ? 1 : 0;
    const size_t end = is_macro ? 1 : node.children.size();
    for (size_t i = first; i < end; ++i) build(node.children[i]);
  }
  if (method && !environment_.lenient) {
    errors_.push_back({node.name_offset, node.text.size(), message});
    return Built();
  }
  return mistake(node, ErrorKind::no_such_overload, message);
}

Built Builder::known_call(const Function& function, std::vector<AstId> arguments) {
  if (function.call_regex != nullptr) return regex_call(function, std::move(arguments));
  Built built;
  built.type = function.result;
  bool constant = true;
  double bytes = 0;
  Built first;  // its place in the record only
  NodePtr fused;
  std::vector<NodePtr> nodes;
  for (const AstId argument : arguments) {
    Built part = build(argument);
    constant = constant && part.constant;
    built.cost += part.cost;
    bytes += part.bytes;
    if (nodes.size() == 1 && arguments.size() == 2) fused = make_field_text(function.name, first, part);
    if (nodes.empty()) {
      first.slot = part.slot;
      first.text = part.text;
    }
    nodes.push_back(std::move(part.node));
  }
  built.cost += 1;
  if (fused != nullptr) {
    built.node = std::move(fused);
    return built;
  }
  const auto most = static_cast<double>(options_.limits.max_result_bytes);
  if (function.growth != Growth::fixed) built.cost += bytes * 0.1;
  if (function.growth == Growth::copy) built.bytes = std::min(bytes, most);
  if (function.growth == Growth::multiply) built.bytes = most;
  if (function.growth != Growth::fixed && !constant) metered_ = true;
  built.node = make_call(function, std::move(nodes));
  return constant ? folded(std::move(built)) : std::move(built);
}

Built Builder::regex_call(const Function& function, std::vector<AstId> arguments) {
  Built built;
  built.type = function.result;
  bool constant = true;
  double bytes = 0;
  double pattern_bytes = 0;
  std::unique_ptr<re2::RE2> regex;
  std::vector<Built> parts;
  for (size_t i = 0; i < arguments.size(); ++i) {
    Built part = build(arguments[i]);
    constant = constant && part.constant;
    built.cost += part.cost;
    bytes += part.bytes;
    if (i == function.pattern) {
      const AstNode& at = ast_.at(arguments[i]);
      pattern_bytes = part.bytes;
      if (part.constant && part.value.is(Kind::string)) {
        std::string problem;
        regex = compile_regex(part.value.text(), options_.limits, problem);
        if (regex == nullptr) return failed(at, problem);
      } else if (!options_.limits.dynamic_patterns && !part.constant && !environment_.lenient) {
        return failed(at, "the pattern must be a constant (or set expressions.dynamic_patterns: true)");
      }
    }
    parts.push_back(std::move(part));
  }
  // A byte costs the automaton about the same, however long the pattern is; short ones are a little cheaper.
  built.cost += 1 + (bytes + 1) * 0.1 * std::clamp(pattern_bytes * 0.25, 1.0, 4.0);
  if (function.growth == Growth::copy) built.bytes = bytes;
  if (function.growth == Growth::multiply) built.bytes = static_cast<double>(options_.limits.max_result_bytes);
  if (function.name == "matches" && regex != nullptr && parts[0].slot >= 0) {
    built.node = make_field_matches(parts[0], std::move(regex));
    return built;
  }
  metered_ = metered_ || !constant;
  std::vector<NodePtr> nodes;
  for (Built& part : parts) nodes.push_back(std::move(part.node));
  built.node = make_regex_call(function, std::move(regex), std::move(nodes), options_.limits);
  return constant ? folded(std::move(built)) : std::move(built);
}

namespace {

bool is_loop(Macro macro) {
  return macro != Macro::bind && macro != Macro::opt_map && macro != Macro::opt_flat_map && macro != Macro::fall_back;
}

// Nodes that one iteration visits, inner loops' bodies apart: they pay for themselves.
uint64_t weight(const Ast& ast, AstId id) {
  uint64_t total = 0;
  std::vector<AstId> open = {id};
  while (!open.empty()) {
    const AstNode& node = ast.at(open.back());
    open.pop_back();
    ++total;
    const bool loop = node.kind == AstKind::macro && is_loop(node.macro);
    const size_t count = loop ? 1 : node.children.size();
    for (size_t i = 0; i < count; ++i) open.push_back(node.children[i]);
  }
  return total;
}

Kind result_type(Macro macro) {
  switch (macro) {
    case Macro::all:
    case Macro::exists:
    case Macro::exists_one:
      return Kind::boolean;
    case Macro::map:
    case Macro::filter:
    case Macro::transform_list:
    case Macro::sort_by:
      return Kind::list;
    case Macro::transform_map:
    case Macro::transform_map_entry:
      return Kind::map;
    case Macro::opt_map:
    case Macro::opt_flat_map:
      return Kind::optional;
    default:
      return Kind::absent;
  }
}

}  // namespace

Built Builder::macro(const AstNode& node) {
  Built range = build(node.children[0]);
  const bool loop = is_loop(node.macro);
  if (loop && loops_ >= options_.limits.max_comprehension_nesting) {
    return failed(node, "macros are nested deeper than " + std::to_string(options_.limits.max_comprehension_nesting) +
                            " (expressions.max_comprehension_nesting)");
  }
  // How often the bodies run, and the share of the range's bytes that each run sees.
  double runs = 1;
  double share = range.bytes;
  if (loop) {
    metered_ = true;
    const auto most = static_cast<double>(options_.limits.max_iterations);
    const bool counted = range.constant && (range.value.is(Kind::list) || range.value.is(Kind::map));
    runs = counted ? range.value.count() : std::min(most, std::max(1.0, range.bytes / 2));
    // All loops of an evaluation together make at most max_iterations.
    if (!counted) runs = std::min(runs, std::max(1.0, most / total_runs_));
    share = runs > 0 ? range.bytes / runs : 0;
    ++loops_;
  }
  MacroParts parts;
  parts.macro = node.macro;
  parts.variables = node.names.size();
  parts.first_local = scope_.size();
  for (const std::string& variable : node.names) scope_.push_back({variable, scope_.size(), std::max(share, 16.0)});
  locals_ = std::max(locals_, scope_.size());

  const double outside = total_runs_;
  total_runs_ *= std::max(runs, 1.0);

  Built built;
  built.type = result_type(node.macro);
  double body_cost = 0;
  double body_bytes = 0;
  parts.step_cost = 1;
  for (size_t i = 1; i < node.children.size(); ++i) {
    Built body = build(node.children[i]);
    body_cost += body.cost + 1;
    body_bytes = body.bytes;
    parts.step_cost += weight(ast_, node.children[i]);
    if (node.macro == Macro::bind) built.type = body.type;
    parts.bodies.push_back(std::move(body.node));
  }
  scope_.resize(scope_.size() - node.names.size());
  total_runs_ = outside;
  if (loop) --loops_;
  built.cost = range.cost + 1 + runs * body_cost;
  if (loop && !range.constant) {
    // A member of the record is the same for every run of a loop around this one, so it is opened once.
    (loops_ > 0 && range.slot >= 0 ? once_ : built.cost) += range.bytes * 0.1;
  }
  built.bytes = loop
                    ? std::min(runs * std::max(16.0, body_bytes), static_cast<double>(options_.limits.max_result_bytes))
                    : std::max(body_bytes, range.bytes);
  parts.range = std::move(range.node);
  built.node = make_macro(std::move(parts));
  return built;
}

}  // namespace millrace::expr
