#include "expr/parser.h"

#include <algorithm>
#include <limits>

#include "expr/lexer.h"
#include "expr/macros.h"
#include "expr/utf8.h"

namespace millrace::expr {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const Limits& limits, Ast& ast, CompileError& error, bool macros)
      : text_(text), limits_(limits), ast_(ast), error_(error), macros_(macros) {}

  bool run() {
    if (count_code_points(text_) > limits_.max_length) {
      error_ = {0, 0,
                "the expression is longer than expressions.max_length (" + std::to_string(limits_.max_length) +
                    " characters)"};
      return false;
    }
    if (!lex(text_, lexemes_, error_)) return false;
    if (now().token == Token::end) return fail("an expression is expected here");
    if (!expression(ast_.root)) return false;
    if (now().token != Token::end) return unexpected("the end of the expression or an operator");
    return true;
  }

 private:
  [[nodiscard]] const Lexeme& now() const { return lexemes_[at_]; }
  [[nodiscard]] Token peek(size_t ahead = 1) const {
    return at_ + ahead < lexemes_.size() ? lexemes_[at_ + ahead].token : Token::end;
  }
  bool accept(Token token) {
    if (now().token != token) return false;
    ++at_;
    return true;
  }
  bool fail_at(size_t offset, size_t length, std::string message) {
    error_ = {offset, length, std::move(message)};
    return false;
  }
  bool fail(std::string message) { return fail_at(now().offset, now().length, std::move(message)); }
  bool unexpected(const std::string& wanted) {
    if (now().token == Token::end) return fail("the expression ends where " + wanted + " is expected");
    return fail(wanted + " is expected here, not '" + std::string(text_.substr(now().offset, now().length)) + "'");
  }
  bool expect(Token token, const char* wanted) { return accept(token) || unexpected(wanted); }

  // Adds the node, which reaches from `begin` to the last token read.
  bool add(AstNode node, size_t begin, AstId& into) {
    node.offset = static_cast<uint32_t>(begin);
    const Lexeme& last = lexemes_[at_ - 1];
    node.length = last.offset + last.length - node.offset;
    if (ast_.size() >= limits_.max_nodes) {
      return fail_at(
          begin, node.length,
          "the expression has more than " + std::to_string(limits_.max_nodes) + " parts (expressions.max_nodes)");
    }
    const size_t offset = node.offset;
    const size_t length = node.length;
    into = ast_.add(std::move(node));
    if (ast_.at(into).height > kMaxHeight) return fail_at(offset, length, "the expression is nested too deeply");
    return true;
  }

  bool expression(AstId& into) {
    const uint32_t most = std::min(limits_.max_depth, kMaxHeight);
    if (++depth_ > most) {
      return fail("the expression is nested deeper than " + std::to_string(most) + " (expressions.max_depth)");
    }
    const bool ok = conditional(into);
    --depth_;
    return ok;
  }

  // a ? b : c ? d : e is a row, read by a loop and folded from its end.
  bool conditional(AstId& into) {
    std::vector<AstId> parts;
    std::vector<size_t> begins;
    while (true) {
      begins.push_back(now().offset);
      AstId part = 0;
      if (!logic(Token::logic_or, part)) return false;
      parts.push_back(part);
      if (!accept(Token::question)) break;
      if (!logic(Token::logic_or, part)) return false;
      parts.push_back(part);
      if (!expect(Token::colon, "':'")) return false;
    }
    into = parts.back();
    for (size_t i = parts.size() - 1; i >= 2; i -= 2) {
      AstNode node;
      node.kind = AstKind::conditional;
      node.children = {parts[i - 2], parts[i - 1], into};
      if (!add(std::move(node), begins[i / 2 - 1], into)) return false;
    }
    return true;
  }

  bool logic(Token sign, AstId& into) {
    const size_t begin = now().offset;
    const auto operand = [&](AstId& id) {
      return sign == Token::logic_or ? logic(Token::logic_and, id) : binary(0, id);
    };
    if (!operand(into)) return false;
    if (now().token != sign) return true;
    AstNode node;
    node.kind = sign == Token::logic_or ? AstKind::logic_or : AstKind::logic_and;
    node.children.push_back(into);
    while (accept(sign)) {
      AstId next = 0;
      if (!operand(next)) return false;
      node.children.push_back(next);
    }
    return add(std::move(node), begin, into);
  }

  // Level 0: relations, 1: sums, 2: products. All associate to the left.
  static bool binary_op(Token token, int level, Op& op) {
    struct Entry {
      Token token;
      int level;
      Op op;
    };
    static constexpr Entry kEntries[] = {
        {Token::less, 0, Op::less},       {Token::less_equal, 0, Op::less_equal},
        {Token::greater, 0, Op::greater}, {Token::greater_equal, 0, Op::greater_equal},
        {Token::equal, 0, Op::equal},     {Token::not_equal, 0, Op::not_equal},
        {Token::keyword_in, 0, Op::in},   {Token::plus, 1, Op::add},
        {Token::minus, 1, Op::subtract},  {Token::star, 2, Op::multiply},
        {Token::slash, 2, Op::divide},    {Token::percent, 2, Op::modulo},
    };
    for (const Entry& entry : kEntries) {
      if (entry.token == token && entry.level == level) {
        op = entry.op;
        return true;
      }
    }
    return false;
  }

  bool binary(int level, AstId& into) {
    if (level == 3) return unary(into);
    const size_t begin = now().offset;
    if (!binary(level + 1, into)) return false;
    Op op = Op::add;
    while (binary_op(now().token, level, op)) {
      ++at_;
      AstId right = 0;
      if (!binary(level + 1, right)) return false;
      AstNode node;
      node.kind = AstKind::op;
      node.op = op;
      node.children = {into, right};
      if (!add(std::move(node), begin, into)) return false;
    }
    return true;
  }

  bool unary(AstId& into) {
    const Token sign = now().token;
    if (sign != Token::bang && sign != Token::minus) return member(into);
    std::vector<size_t> begins;
    while (now().token == sign && !(sign == Token::minus && is_number(peek()))) {
      begins.push_back(now().offset);
      ++at_;
    }
    if (now().token != sign && (now().token == Token::bang || (now().token == Token::minus && !is_number(peek())))) {
      return fail("! and - do not follow each other; use parentheses");
    }
    if (!member(into)) return false;
    for (size_t i = begins.size(); i > 0; --i) {
      AstNode node;
      node.kind = AstKind::op;
      node.op = sign == Token::bang ? Op::logic_not : Op::negate;
      node.children = {into};
      if (!add(std::move(node), begins[i - 1], into)) return false;
    }
    return true;
  }
  static bool is_number(Token token) { return token == Token::int_number || token == Token::float_number; }

  bool member(AstId& into) {
    const size_t begin = now().offset;
    bool plain_name = now().token == Token::identifier || now().token == Token::dot;
    if (!primary(into)) return false;
    plain_name = plain_name && ast_.at(into).kind == AstKind::name;
    while (true) {
      if (now().token == Token::dot) {
        if (!select(begin, into)) return false;
        const AstNode& node = ast_.at(into);
        plain_name = plain_name && node.kind == AstKind::select && !node.optional && !node.quoted;
      } else if (now().token == Token::left_bracket) {
        if (!index(begin, into)) return false;
        plain_name = false;
      } else if (now().token == Token::left_brace && plain_name) {
        if (!message(begin, into)) return false;
        plain_name = false;
      } else {
        return true;
      }
    }
  }

  bool select(size_t begin, AstId& into) {
    ++at_;
    AstNode node;
    node.optional = accept(Token::question);
    const Lexeme& name = now();
    if (name.token != Token::identifier && name.token != Token::quoted_identifier) {
      if (name.token == Token::keyword_in || name.token == Token::keyword_true || name.token == Token::keyword_false ||
          name.token == Token::keyword_null) {
        return fail("'" + name.text + "' is a keyword; as the name of a field write ['" + name.text + "']");
      }
      return unexpected("the name of a field");
    }
    ++at_;
    node.text = name.text;
    node.name_offset = static_cast<uint32_t>(name.offset);
    node.quoted = name.token == Token::quoted_identifier;
    node.children = {into};
    if (now().token == Token::left_paren && !node.optional && !node.quoted) {
      node.kind = AstKind::call;
      node.has_target = true;
      return call(std::move(node), begin, into);
    }
    node.kind = AstKind::select;
    return add(std::move(node), begin, into);
  }

  bool index(size_t begin, AstId& into) {
    ++at_;
    AstNode node;
    node.kind = AstKind::index;
    node.optional = accept(Token::question);
    AstId key = 0;
    if (!expression(key)) return false;
    node.children = {into, key};
    if (!expect(Token::right_bracket, "']'")) return false;
    return add(std::move(node), begin, into);
  }

  bool call(AstNode node, size_t begin, AstId& into) {
    ++at_;
    while (now().token != Token::right_paren) {
      AstId argument = 0;
      if (!expression(argument)) return false;
      node.children.push_back(argument);
      if (now().token == Token::right_paren) break;
      if (!expect(Token::comma, "',' or ')'")) return false;
      if (now().token == Token::right_paren) return unexpected("another argument");
    }
    ++at_;
    if (macros_) {
      node.offset = static_cast<uint32_t>(begin);
      if (!expand_macro(ast_, node, error_)) return false;
    }
    return add(std::move(node), begin, into);
  }

  bool message(size_t begin, AstId& into) {
    AstNode node;
    node.kind = AstKind::message;
    node.text = print_calls(ast_, into);
    ++at_;
    while (!accept(Token::right_brace)) {
      node.flags.push_back(accept(Token::question));
      if (now().token != Token::identifier && now().token != Token::quoted_identifier) {
        return unexpected("the name of a field");
      }
      node.names.push_back(now().text);
      ++at_;
      if (!expect(Token::colon, "':'")) return false;
      AstId value = 0;
      if (!expression(value)) return false;
      node.children.push_back(value);
      if (now().token != Token::right_brace && !expect(Token::comma, "',' or '}'")) return false;
    }
    return add(std::move(node), begin, into);
  }

  bool primary(AstId& into) {
    const size_t begin = now().offset;
    switch (now().token) {
      case Token::dot:
      case Token::identifier:
        return name(begin, into);
      case Token::left_paren: {
        ++at_;
        if (!expression(into)) return false;
        return expect(Token::right_paren, "')'");
      }
      case Token::left_bracket:
        return list(begin, into);
      case Token::left_brace:
        return map(begin, into);
      case Token::quoted_identifier:
        return fail("a name in backticks is for fields only, as in value.`a-b`");
      case Token::keyword_in:
        return unexpected("an expression");
      default:
        return literal(begin, into);
    }
  }

  bool name(size_t begin, AstId& into) {
    AstNode node;
    node.root_scope = accept(Token::dot);
    if (now().token != Token::identifier) return unexpected("a name");
    node.text = now().text;
    if (is_reserved_word(node.text)) return fail("'" + node.text + "' is a reserved word");
    ++at_;
    if (now().token == Token::left_paren) {
      node.kind = AstKind::call;
      return call(std::move(node), begin, into);
    }
    node.kind = AstKind::name;
    return add(std::move(node), begin, into);
  }

  bool list(size_t begin, AstId& into) {
    AstNode node;
    node.kind = AstKind::list;
    ++at_;
    if (now().token == Token::comma && peek() == Token::right_bracket) ++at_;
    while (!accept(Token::right_bracket)) {
      node.flags.push_back(accept(Token::question));
      AstId element = 0;
      if (!expression(element)) return false;
      node.children.push_back(element);
      if (now().token != Token::right_bracket && !expect(Token::comma, "',' or ']'")) return false;
    }
    return add(std::move(node), begin, into);
  }

  bool map(size_t begin, AstId& into) {
    AstNode node;
    node.kind = AstKind::map;
    ++at_;
    if (now().token == Token::comma && peek() == Token::right_brace) ++at_;
    while (!accept(Token::right_brace)) {
      node.flags.push_back(accept(Token::question));
      AstId key = 0;
      AstId value = 0;
      if (!expression(key) || !expect(Token::colon, "':'") || !expression(value)) return false;
      node.children.push_back(key);
      node.children.push_back(value);
      if (now().token != Token::right_brace && !expect(Token::comma, "',' or '}'")) return false;
    }
    return add(std::move(node), begin, into);
  }

  bool literal(size_t begin, AstId& into) {
    const bool negative = accept(Token::minus);
    const Lexeme& lexeme = now();
    AstNode node;
    node.kind = AstKind::literal;
    switch (lexeme.token) {
      case Token::int_number: {
        constexpr uint64_t kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
        if (lexeme.number > kMost + (negative ? 1 : 0)) {
          return fail("this number is too large for an int; write " + std::to_string(lexeme.number) + "u for a uint");
        }
        node.literal = Value::integer(static_cast<int64_t>(negative ? 0 - lexeme.number : lexeme.number));
        break;
      }
      case Token::uint_number:
        node.literal = Value::uinteger(lexeme.number);
        break;
      case Token::float_number:
        node.literal = Value::floating(negative ? -lexeme.floating : lexeme.floating);
        break;
      case Token::string:
        node.literal = Value::string(ast_.keep(lexeme.text));
        break;
      case Token::bytes:
        node.literal = Value::bytes(ast_.keep(lexeme.text));
        break;
      case Token::keyword_true:
        node.literal = Value::boolean(true);
        break;
      case Token::keyword_false:
        node.literal = Value::boolean(false);
        break;
      case Token::keyword_null:
        node.literal = Value::null();
        break;
      default:
        return unexpected("an expression");
    }
    ++at_;
    return add(std::move(node), begin, into);
  }

  std::string_view text_;
  const Limits& limits_;
  Ast& ast_;
  CompileError& error_;
  bool macros_;
  std::vector<Lexeme> lexemes_;
  size_t at_ = 0;
  uint32_t depth_ = 0;
};

}  // namespace

bool parse(std::string_view text, const Limits& limits, Ast& ast, CompileError& error, bool macros) {
  return Parser(text, limits, ast, error, macros).run();
}

}  // namespace millrace::expr
