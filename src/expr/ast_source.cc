// Ast -> text that parses to the same tree. Recursion is bounded by kMaxHeight.
#include "expr/ast.h"
#include "expr/number_text.h"

namespace millrace::expr {
namespace {

// How tightly a node binds; a child that binds less than its place wants goes into parentheses.
enum Binding : int { kTernary, kOr, kAnd, kRelation, kAddition, kMultiplication, kUnary, kMember };

Binding binding_of(Op op) {
  switch (op) {
    case Op::logic_not:
    case Op::negate:
      return kUnary;
    case Op::multiply:
    case Op::divide:
    case Op::modulo:
      return kMultiplication;
    case Op::add:
    case Op::subtract:
      return kAddition;
    default:
      return kRelation;
  }
}

Binding binding_of(const AstNode& node) {
  switch (node.kind) {
    case AstKind::op:
      return binding_of(node.op);
    case AstKind::logic_and:
      return kAnd;
    case AstKind::logic_or:
      return kOr;
    case AstKind::conditional:
      return kTernary;
    default:
      return kMember;
  }
}

class SourcePrinter {
 public:
  explicit SourcePrinter(const Ast& ast) : ast_(ast) {}

  void print(AstId id, Binding wanted) {
    const AstNode& node = ast_.at(id);
    const bool parentheses = binding_of(node) < wanted;
    if (parentheses) out += '(';
    print(node);
    if (parentheses) out += ')';
  }

  std::string out;

 private:
  void list(const AstNode& node, size_t first) {
    for (size_t i = first; i < node.children.size(); ++i) {
      if (i > first) out += ", ";
      if (i < node.flags.size() && node.flags[i]) out += '?';
      print(node.children[i], kTernary);
    }
  }

  void literal(const Value& value) {
    switch (value.kind()) {
      case Kind::null:
        out += "null";
        return;
      case Kind::boolean:
        out += value.as_bool() ? "true" : "false";
        return;
      case Kind::integer:
        out += std::to_string(value.as_int());
        return;
      case Kind::uinteger:
        out += std::to_string(value.as_uint()) + "u";
        return;
      case Kind::floating: {
        std::string text = double_text(value.as_double());
        if (text.find_first_of(".e") == std::string::npos) text += ".0";
        out += text;
        return;
      }
      case Kind::bytes:
        out += "b" + quote_bytes(value.text());
        return;
      default:
        out += quote_string(value.text());
        return;
    }
  }

  void field(const AstNode& node) { out += node.quoted ? "`" + node.text + "`" : node.text; }

  void joined(const AstNode& node, const char* between, Binding wanted) {
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (i > 0) out += between;
      print(node.children[i], wanted);
    }
  }

  void op(const AstNode& node) {
    if (node.children.size() == 1) {
      out += to_string(node.op);
      const AstNode& operand = ast_.at(node.children[0]);
      // -(5) is a call on a literal, -5 is a literal; and ! does not mix with -.
      const bool number = operand.kind == AstKind::literal && node.op == Op::negate;
      const bool mixed = operand.kind == AstKind::op && operand.children.size() == 1 && operand.op != node.op;
      if (number || mixed) {
        out += '(';
        print(node.children[0], kTernary);
        out += ')';
      } else {
        print(node.children[0], kUnary);
      }
      return;
    }
    const Binding mine = binding_of(node.op);
    print(node.children[0], mine);
    out += " " + std::string(to_string(node.op)) + " ";
    print(node.children[1], static_cast<Binding>(mine + 1));
  }

  void macro(const AstNode& node) {
    size_t first = 0;
    if (node.macro == Macro::bind) {
      out += "cel.bind(";
    } else if (node.macro == Macro::fall_back) {
      out += "default(";
    } else {
      print(node.children[0], kMember);
      out += "." + std::string(to_string(node.macro)) + "(";
      first = 1;
    }
    for (const std::string& name : node.names) out += name + ", ";
    list(node, first);
    out += ')';
  }

  void print(const AstNode& node) {
    switch (node.kind) {
      case AstKind::literal:
        return literal(node.literal);
      case AstKind::name:
        out += (node.root_scope ? "." : "") + node.text;
        return;
      case AstKind::select:
        print(node.children[0], kMember);
        out += node.optional ? ".?" : ".";
        return field(node);
      case AstKind::has:
        out += "has(";
        print(node.children[0], kMember);
        out += '.';
        field(node);
        out += ')';
        return;
      case AstKind::index:
        print(node.children[0], kMember);
        out += node.optional ? "[?" : "[";
        print(node.children[1], kTernary);
        out += ']';
        return;
      case AstKind::call:
        if (node.has_target) {
          print(node.children[0], kMember);
          out += '.';
        }
        out += (node.root_scope ? "." : "") + node.text + "(";
        list(node, node.has_target ? 1 : 0);
        out += ')';
        return;
      case AstKind::op:
        return op(node);
      case AstKind::logic_and:
        return joined(node, " && ", kRelation);
      case AstKind::logic_or:
        return joined(node, " || ", kAnd);
      case AstKind::conditional:
        print(node.children[0], kOr);
        out += " ? ";
        print(node.children[1], kOr);
        out += " : ";
        return print(node.children[2], kTernary);
      case AstKind::list:
        out += '[';
        list(node, 0);
        out += ']';
        return;
      case AstKind::map:
        return map(node);
      case AstKind::message:
        return message(node);
      case AstKind::macro:
        return macro(node);
    }
  }

  void map(const AstNode& node) {
    out += '{';
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      if (i > 0) out += ", ";
      if (node.flags[i / 2]) out += '?';
      print(node.children[i], kTernary);
      out += ": ";
      print(node.children[i + 1], kTernary);
    }
    out += '}';
  }

  void message(const AstNode& node) {
    out += node.text + "{";
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (i > 0) out += ", ";
      if (node.flags[i]) out += '?';
      out += node.names[i] + ": ";
      print(node.children[i], kTernary);
    }
    out += '}';
  }

  const Ast& ast_;
};

}  // namespace

std::string print_source(const Ast& ast, AstId id) {
  SourcePrinter printer(ast);
  printer.print(id, kTernary);
  return std::move(printer.out);
}

}  // namespace millrace::expr
