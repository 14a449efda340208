#include "expr/ast.h"

#include <algorithm>
#include <array>

#include "expr/number_text.h"
#include "expr/utf8.h"

namespace millrace::expr {

AstId Ast::add(AstNode node) {
  uint16_t height = 0;
  for (const AstId child : node.children) height = std::max(height, nodes_[child].height);
  node.height = static_cast<uint16_t>(height + 1);
  nodes_.push_back(std::move(node));
  return static_cast<AstId>(nodes_.size() - 1);
}

std::string_view to_string(Op op) {
  static constexpr std::array<std::string_view, 14> kTexts = {"!", "-",  "*", "/",  "%",  "+",  "-",
                                                              "<", "<=", ">", ">=", "==", "!=", "in"};
  return kTexts[static_cast<size_t>(op)];
}

std::string_view to_string(Macro macro) {
  static constexpr std::array<std::string_view, 13> kTexts = {
      "all",    "exists",   "exists_one", "map",        "filter", "transformList", "transformMap", "transformMapEntry",
      "sortBy", "cel.bind", "optMap",     "optFlatMap", "default"};
  return kTexts[static_cast<size_t>(macro)];
}

namespace {

std::string quote(std::string_view text, bool bytes) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  static constexpr std::string_view kFrom = "\a\b\f\n\r\t\v\\\"";
  static constexpr std::string_view kTo = "abfnrtv\\\"";
  std::string result = "\"";
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    const auto byte = static_cast<uint8_t>(text[at]);
    const size_t simple = kFrom.find(text[at]);
    if (simple != std::string_view::npos) {
      result += '\\';
      result += kTo[simple];
    } else if (point.value == kBadCodePoint || byte < 0x20 || byte == 0x7F || (bytes && byte >= 0x80)) {
      result += "\\x";
      result += kHex[byte >> 4];
      result += kHex[byte & 15];
      ++at;
      continue;
    } else {
      result += text.substr(at, point.length);
    }
    at += point.length;
  }
  return result + "\"";
}

// Work that is still to do for a printer, so that it needs no recursion: a node, or text that comes after it.
struct Step {
  AstId id = 0;
  std::string text;
  bool is_node = false;
};

class CallPrinter {
 public:
  explicit CallPrinter(const Ast& ast) : ast_(ast) {}

  std::string run(AstId root) {
    push_node(root);
    while (!steps_.empty()) {
      Step step = std::move(steps_.back());
      steps_.pop_back();
      if (!step.is_node) {
        out_ += step.text;
        continue;
      }
      std::vector<Step> parts;
      parts_ = &parts;
      node(ast_.at(step.id));
      for (size_t i = parts.size(); i > 0; --i) steps_.push_back(std::move(parts[i - 1]));
    }
    return std::move(out_);
  }

 private:
  void push_node(AstId id) { steps_.push_back({id, "", true}); }
  void text(std::string what) { parts_->push_back({0, std::move(what), false}); }
  void child(AstId id) { parts_->push_back({id, "", true}); }

  void separated(const AstNode& node, size_t first) {
    for (size_t i = first; i < node.children.size(); ++i) {
      if (i > first) text(",");
      if (i < node.flags.size() && node.flags[i]) text("?");
      child(node.children[i]);
    }
  }
  void call(std::string name, const AstNode& node) {
    text(std::move(name) + "(");
    separated(node, 0);
    text(")");
  }

  // a && b && c && d is printed as a balanced tree.
  void balanced(const AstNode& node, const char* name, size_t low, size_t high) {
    const size_t middle = (low + high + 1) / 2;
    text(std::string(name) + "(");
    if (middle == low) {
      child(node.children[middle]);
    } else {
      balanced(node, name, low, middle - 1);
    }
    text(",");
    if (middle == high) {
      child(node.children[middle + 1]);
    } else {
      balanced(node, name, middle + 1, high);
    }
    text(")");
  }

  void literal(const Value& value) {
    switch (value.kind()) {
      case Kind::null:
        return text("null");
      case Kind::boolean:
        return text(value.as_bool() ? "true" : "false");
      case Kind::integer:
        return text(std::to_string(value.as_int()));
      case Kind::uinteger:
        return text(std::to_string(value.as_uint()) + "u");
      case Kind::floating:
        return text(double_text(value.as_double()));
      case Kind::bytes:
        return text("b" + quote_bytes(value.text()));
      default:
        return text(quote_string(value.text()));
    }
  }

  void pairs(const AstNode& node) {
    text("{");
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      if (i > 0) text(",");
      if (node.flags[i / 2]) text("?");
      child(node.children[i]);
      text(":");
      child(node.children[i + 1]);
    }
    text("}");
  }

  void node(const AstNode& node) {
    switch (node.kind) {
      case AstKind::literal:
        return literal(node.literal);
      case AstKind::name:
        return text((node.root_scope ? "." : "") + node.text);
      case AstKind::select:
        if (node.optional) {
          text("_?._(");
          child(node.children[0]);
          return text("," + quote_string(node.text) + ")");
        }
        child(node.children[0]);
        return text("." + node.text);
      case AstKind::has:
        child(node.children[0]);
        return text("." + node.text + "~test-only~");
      case AstKind::index:
        return call(node.optional ? "_[?_]" : "_[_]", node);
      case AstKind::call:
        return plain_call(node);
      case AstKind::op:
        return call(op_name(node.op), node);
      case AstKind::logic_and:
        return balanced(node, "_&&_", 0, node.children.size() - 2);
      case AstKind::logic_or:
        return balanced(node, "_||_", 0, node.children.size() - 2);
      case AstKind::conditional:
        return call("_?_:_", node);
      case AstKind::list:
        text("[");
        separated(node, 0);
        return text("]");
      case AstKind::map:
        return pairs(node);
      case AstKind::message:
        return message(node);
      case AstKind::macro:
        return macro(node);
    }
  }

  static std::string op_name(Op op) {
    if (op == Op::logic_not) return "!_";
    if (op == Op::negate) return "-_";
    if (op == Op::in) return "@in";
    return "_" + std::string(to_string(op)) + "_";
  }

  void plain_call(const AstNode& node) {
    if (node.has_target) {
      child(node.children[0]);
      text(".");
    }
    text((node.root_scope ? "." : "") + node.text + "(");
    separated(node, node.has_target ? 1 : 0);
    text(")");
  }

  void message(const AstNode& node) {
    text(node.text + "{");
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (i > 0) text(",");
      if (node.flags[i]) text("?");
      text(node.names[i] + ":");
      child(node.children[i]);
    }
    text("}");
  }

  void macro(const AstNode& node) {
    text(std::string(to_string(node.macro)) + "(");
    for (const std::string& name : node.names) text(name + ",");
    separated(node, 0);
    text(")");
  }

  const Ast& ast_;
  std::vector<Step> steps_;
  std::vector<Step>* parts_ = nullptr;
  std::string out_;
};

}  // namespace

std::string quote_string(std::string_view text) {
  return quote(text, false);
}
std::string quote_bytes(std::string_view data) {
  return quote(data, true);
}

std::string print_calls(const Ast& ast, AstId id) {
  return CallPrinter(ast).run(id);
}

bool same_tree(const Ast& a, AstId a_id, const Ast& b, AstId b_id) {
  std::vector<std::pair<AstId, AstId>> open = {{a_id, b_id}};
  while (!open.empty()) {
    const AstNode& x = a.at(open.back().first);
    const AstNode& y = b.at(open.back().second);
    open.pop_back();
    const bool same = x.kind == y.kind && x.optional == y.optional && x.root_scope == y.root_scope &&
                      x.has_target == y.has_target && x.text == y.text && x.names == y.names && x.flags == y.flags &&
                      x.children.size() == y.children.size() && (x.kind != AstKind::op || x.op == y.op) &&
                      (x.kind != AstKind::macro || x.macro == y.macro);
    if (!same) return false;
    if (x.kind == AstKind::literal) {
      if (x.literal.kind() != y.literal.kind()) return false;
      const bool text = x.literal.is(Kind::string) || x.literal.is(Kind::bytes);
      if (text ? x.literal.text() != y.literal.text() : x.literal.as_uint() != y.literal.as_uint()) return false;
    }
    for (size_t i = 0; i < x.children.size(); ++i) open.emplace_back(x.children[i], y.children[i]);
  }
  return true;
}

}  // namespace millrace::expr
