#include "expr/builder.h"

#include <algorithm>
#include <cmath>

#include "expr/value_ops.h"

namespace millrace::expr {

Builder::Builder(const Ast& ast, const CompileOptions& options, FieldPlan& plan, const TableSet* tables,
                 const Environment& environment, Arena& constants, std::vector<CompileError>& errors)
    : ast_(ast),
      options_(options),
      plan_(plan),
      tables_(tables),
      environment_(environment),
      constants_(constants),
      errors_(errors) {}

Built Builder::failed(const AstNode& node, std::string message) {
  errors_.push_back({node.offset, node.length, std::move(message)});
  Built built;
  built.node = make_failure(ErrorKind::invalid_argument, "");
  return built;
}

Built Builder::mistake(const AstNode& node, ErrorKind kind, const std::string& message) {
  if (!environment_.lenient) return failed(node, message);
  Built built;
  built.node = make_failure(kind, message);
  return built;
}

Built Builder::literal(const Value& value) {
  Built built;
  built.node = make_literal(value);
  built.type = value.kind();
  built.constant = true;
  built.value = value;
  if (value.is(Kind::string) || value.is(Kind::bytes)) built.bytes = static_cast<double>(value.text().size());
  if (value.is(Kind::list)) built.bytes = 16.0 * value.count();
  if (value.is(Kind::map)) built.bytes = 32.0 * value.count();
  return built;
}

// Runs what has only constant parts. What fails stays as it is: whether its error counts is known only at run time, and
// there it needs the budgets again.
Built Builder::folded(Built built) {
  Evaluator evaluator(constants_);
  evaluator.state().cost_left = options_.limits.max_cost;
  evaluator.state().bytes_left = options_.limits.max_result_bytes;
  evaluator.state().iterations_left = 0;
  const Scope nothing;
  Frame frame(nothing, evaluator);
  const Value value = built.node->eval(frame);
  if (value.is_error()) {
    metered_ = true;
    return built;
  }
  Built constant = literal(value);
  constant.bytes = std::max(constant.bytes, 16.0);
  return constant;
}

Built Builder::checked(const AstNode& node, Built built) {
  const auto most = static_cast<double>(options_.limits.max_static_cost);
  if (built.cost > most) {
    return failed(node, "this may cost too much: " + std::to_string(static_cast<uint64_t>(std::min(built.cost, 1e18))) +
                            " units in the worst case, and expressions.max_static_cost allows " +
                            std::to_string(options_.limits.max_static_cost));
  }
  return built;
}

Built Builder::build(AstId id) {
  const AstNode& node = ast_.at(id);
  switch (node.kind) {
    case AstKind::literal:
      return literal(node.literal);
    case AstKind::name:
      return name(node);
    case AstKind::select:
      return select(id);
    case AstKind::has:
      return has(id);
    case AstKind::index:
      return index(id);
    case AstKind::call:
      return checked(node, call(id));
    case AstKind::op:
      return checked(node, operation(node));
    case AstKind::logic_and:
    case AstKind::logic_or:
      return checked(node, junction(node));
    case AstKind::conditional:
      return conditional(node);
    case AstKind::list:
      return literal_of(node, Kind::list, 10);
    case AstKind::map:
      return literal_of(node, Kind::map, 30);
    case AstKind::message:
      return mistake(
          node, ErrorKind::no_such_overload,
          "there are no messages here, so `" + node.text + "{...}` means nothing; a map is written {'name': 1}");
    case AstKind::macro:
      return checked(node, macro(node));
  }
  return failed(node, "unknown form");
}

Built Builder::operation(const AstNode& node) {
  Built left = build(node.children[0]);
  if (node.children.size() == 2) return binary(node, std::move(left), build(node.children[1]));
  const bool constant = left.constant;
  Built built;
  built.cost = left.cost + 1;
  if (node.op == Op::logic_not) {
    built.type = Kind::boolean;
    built.node = make_not(std::move(left.node));
  } else {
    built.type = left.type;
    built.node = make_negate(std::move(left.node));
  }
  return constant ? folded(std::move(built)) : std::move(built);
}

namespace {

bool plain_number(Kind kind) {
  return kind == Kind::integer || kind == Kind::uinteger || kind == Kind::floating;
}

}  // namespace

Built Builder::binary(const AstNode& node, Built left, Built right) {
  const bool constant = left.constant && right.constant;
  Built built;
  built.cost = left.cost + right.cost + 1;
  switch (node.op) {
    case Op::equal:
    case Op::not_equal:
      built.type = Kind::boolean;
      built.cost += std::min(left.bytes, right.bytes) * 0.1;
      built.node = make_equal(node.op == Op::equal, std::move(left), std::move(right), constants_);
      break;
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
      built.type = Kind::boolean;
      built.cost += std::min(left.bytes, right.bytes) * 0.1;
      built.node = make_compare(node.op, std::move(left), std::move(right));
      break;
    case Op::in:
      built.type = Kind::boolean;
      if (right.constant) {
        built.cost += 2;
      } else {
        built.cost += right.bytes;
        metered_ = true;
      }
      built.node = make_in(std::move(left), std::move(right), constants_);
      break;
    default: {
      const bool number = plain_number(left.type) || plain_number(right.type) || node.op != Op::add;
      if (left.type == right.type) built.type = left.type;
      if (!number) {
        metered_ = true;
        built.bytes = std::min(left.bytes + right.bytes, static_cast<double>(options_.limits.max_result_bytes));
        built.cost += built.bytes * 0.1;
      }
      if (left.type == Kind::timestamp || right.type == Kind::timestamp) built.type = Kind::absent;
      built.node = make_arithmetic(node.op, std::move(left.node), std::move(right.node), options_.strict_arithmetic);
    }
  }
  return constant ? folded(std::move(built)) : std::move(built);
}

// Terms in the order of their cost: && and || do not care about order, errors included.
Built Builder::junction(const AstNode& node) {
  const bool is_and = node.kind == AstKind::logic_and;
  std::vector<Built> terms;
  bool all_constant = true;
  for (const AstId child : node.children) {
    terms.push_back(build(child));
    all_constant = all_constant && terms.back().constant;
    const Kind type = terms.back().type;
    const AstNode& at = ast_.at(child);
    if (type != Kind::absent && type != Kind::boolean && !environment_.lenient) {
      return failed(at, std::string(is_and ? "&&" : "||") + " wants true or false at both sides; this is of type " +
                            std::string(kind_name(type)));
    }
  }
  Built built;
  built.type = Kind::boolean;
  for (const Built& term : terms) {
    built.cost += term.cost + 1;
    // One constant that decides is enough.
    if (term.constant && term.value.is(Kind::boolean) && term.value.as_bool() != is_and) return literal(term.value);
  }
  std::stable_sort(terms.begin(), terms.end(), [](const Built& a, const Built& b) { return a.cost < b.cost; });
  std::vector<NodePtr> nodes;
  for (Built& term : terms) nodes.push_back(std::move(term.node));
  built.node = is_and ? make_and(std::move(nodes)) : make_or(std::move(nodes));
  return all_constant ? folded(std::move(built)) : std::move(built);
}

Built Builder::conditional(const AstNode& node) {
  Built condition = build(node.children[0]);
  Built yes = build(node.children[1]);
  Built no = build(node.children[2]);
  if (condition.type != Kind::absent && condition.type != Kind::boolean && !environment_.lenient) {
    return failed(ast_.at(node.children[0]), "the condition of ?: must be true or false; this is of type " +
                                                 std::string(kind_name(condition.type)));
  }
  if (condition.constant && condition.value.is(Kind::boolean))
    return condition.value.as_bool() ? std::move(yes) : std::move(no);
  Built built;
  if (yes.type == no.type) built.type = yes.type;
  built.cost = condition.cost + 1 + std::max(yes.cost, no.cost);
  built.bytes = std::max(yes.bytes, no.bytes);
  built.node = make_conditional(std::move(condition.node), std::move(yes.node), std::move(no.node));
  return built;
}

// A list or a map of what its children make; `cost` is that of the empty one.
Built Builder::literal_of(const AstNode& node, Kind type, double cost) {
  Built built;
  built.type = type;
  built.cost = cost;
  built.bytes = 0;
  bool constant = true;
  std::vector<NodePtr> parts;
  for (const AstId child : node.children) {
    Built item = build(child);
    constant = constant && item.constant;
    built.cost += item.cost;
    built.bytes += 16 + item.bytes;
    parts.push_back(std::move(item.node));
  }
  built.node = type == Kind::list ? make_list(std::move(parts), node.flags) : make_map(std::move(parts), node.flags);
  metered_ = metered_ || !constant;
  return constant ? folded(std::move(built)) : std::move(built);
}

}  // namespace millrace::expr
