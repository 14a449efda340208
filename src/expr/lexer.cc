#include "expr/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "expr/utf8.h"

namespace millrace::expr {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
bool is_name_start(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_name_part(char c) {
  return is_name_start(c) || is_digit(c);
}

class Lexer {
 public:
  Lexer(std::string_view text, std::vector<Lexeme>& lexemes, CompileError& error)
      : text_(text), lexemes_(lexemes), error_(error) {}

  bool run() {
    if (!is_utf8(text_)) return fail(0, 0, "the expression is not valid UTF-8");
    while (true) {
      skip_space();
      if (at_ >= text_.size()) break;
      if (!next()) return false;
    }
    add(Token::end, text_.size());
    return true;
  }

 private:
  bool fail(size_t offset, size_t length, std::string message) {
    error_ = {offset, length, std::move(message)};
    return false;
  }
  [[nodiscard]] char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  [[nodiscard]] bool starts_with(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  Lexeme& add(Token token, size_t begin) {
    Lexeme lexeme;
    lexeme.token = token;
    lexeme.offset = static_cast<uint32_t>(begin);
    lexeme.length = static_cast<uint32_t>(at_ - begin);
    lexemes_.push_back(std::move(lexeme));
    return lexemes_.back();
  }

  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        ++at_;
      } else if (c == '/' && peek(1) == '/') {
        while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      } else {
        return;
      }
    }
  }

  bool next() {
    const char c = peek();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (const size_t prefix = string_prefix(); prefix != std::string_view::npos) return string(prefix);
    if (is_name_start(c)) return name();
    if (c == '`') return quoted_name();
    return punctuation();
  }

  // Length of the prefix (r, b, br) when a string literal begins here.
  [[nodiscard]] size_t string_prefix() const {
    size_t length = 0;
    if (peek(length) == 'b' || peek(length) == 'B') ++length;
    if (peek(length) == 'r' || peek(length) == 'R') ++length;
    const char quote = peek(length);
    return quote == '"' || quote == '\'' ? length : std::string_view::npos;
  }

  bool name() {
    const size_t begin = at_;
    while (is_name_part(peek())) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    Token token = Token::identifier;
    if (word == "in") token = Token::keyword_in;
    if (word == "true") token = Token::keyword_true;
    if (word == "false") token = Token::keyword_false;
    if (word == "null") token = Token::keyword_null;
    add(token, begin).text = std::string(word);
    return true;
  }

  bool quoted_name() {
    const size_t begin = at_++;
    while (is_name_part(peek()) ||
           (peek() != '\0' && std::string_view("_.-/ ").find(peek()) != std::string_view::npos)) {
      ++at_;
    }
    if (peek() != '`' || at_ == begin + 1) {
      return fail(begin, at_ - begin,
                  "between backticks only letters, digits and _ . - / and space may stand; write ['...'] for others");
    }
    ++at_;
    add(Token::quoted_identifier, begin).text = std::string(text_.substr(begin + 1, at_ - begin - 2));
    return true;
  }

  bool number() {
    const size_t begin = at_;
    if (peek() == '0' && peek(1) == 'x' && hex_value(peek(2)) >= 0) {
      at_ += 2;
      while (hex_value(peek()) >= 0) ++at_;
      return integer(begin, text_.substr(begin + 2, at_ - begin - 2), 16);
    }
    while (is_digit(peek())) ++at_;
    bool floating = false;
    if (peek() == '.' && is_digit(peek(1))) {
      floating = true;
      ++at_;
      while (is_digit(peek())) ++at_;
    }
    const char sign = peek(1);
    const bool exponent =
        (peek() == 'e' || peek() == 'E') && (is_digit(sign) || ((sign == '+' || sign == '-') && is_digit(peek(2))));
    if (exponent) {
      floating = true;
      at_ += 2;
      while (is_digit(peek())) ++at_;
    }
    if (!floating) return integer(begin, text_.substr(begin, at_ - begin), 10);
    double value = 0;
    // from_chars knows no leading dot.
    const std::string digits = "0" + std::string(text_.substr(begin, at_ - begin));
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec == std::errc::result_out_of_range) {
      // Too small is zero, too large has no value.
      const size_t e = digits.find_first_of("eE");
      if (e == std::string::npos || digits[e + 1] != '-') {
        return fail(begin, at_ - begin, "this number is too large for a double");
      }
      value = 0;
    }
    add(Token::float_number, begin).floating = value;
    return true;
  }

  bool integer(size_t begin, std::string_view digits, int base) {
    uint64_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    const bool is_uint = peek() == 'u' || peek() == 'U';
    if (is_uint) ++at_;
    if (result.ec != std::errc()) {
      return fail(begin, at_ - begin, is_uint ? "this number is too large for a uint" : "this number is too large");
    }
    add(is_uint ? Token::uint_number : Token::int_number, begin).number = value;
    return true;
  }

  bool string(size_t prefix) {
    const size_t begin = at_;
    bool bytes = false;
    bool raw = false;
    for (size_t i = 0; i < prefix; ++i) {
      if (peek(i) == 'b' || peek(i) == 'B') {
        bytes = true;
      } else {
        raw = true;
      }
    }
    at_ += prefix;
    const char quote = peek();
    const bool triple = peek(1) == quote && peek(2) == quote;
    const std::string end(triple ? 3 : 1, quote);
    at_ += end.size();
    std::string value;
    while (true) {
      if (at_ >= text_.size()) return fail(begin, end.size() + prefix, "this string has no end");
      if (starts_with(end)) break;
      const char c = text_[at_];
      if (!triple && (c == '\n' || c == '\r')) {
        return fail(begin, at_ - begin, "this string has no end on its line; triple quotes may span lines");
      }
      if (c == '\\' && !raw) {
        if (!escape(bytes, value)) return false;
      } else {
        value += c;
        ++at_;
      }
    }
    at_ += end.size();
    add(bytes ? Token::bytes : Token::string, begin).text = std::move(value);
    return true;
  }

  bool escape(bool bytes, std::string& to) {
    const size_t begin = at_;
    const char c = peek(1);
    static constexpr std::string_view kFrom = "abfnrtv\\?\"'`";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\?\"'`";
    if (const size_t simple = kFrom.find(c); c != '\0' && simple != std::string_view::npos) {
      to += kTo[simple];
      at_ += 2;
      return true;
    }
    if (c == 'x' || c == 'X') return code(begin, 2, 2, 16, bytes, to);
    if (c == 'u' && !bytes) return code(begin, 2, 4, 16, false, to);
    if (c == 'U' && !bytes) return code(begin, 2, 8, 16, false, to);
    if (c >= '0' && c <= '3') return code(begin, 1, 3, 8, bytes, to);
    if (bytes && (c == 'u' || c == 'U')) {
      return fail(begin, 2, "\\u and \\U are for strings; write \\x in bytes");
    }
    return fail(begin, 2, "unknown escape in a string; write \\\\ for a backslash, or r'...' for raw text");
  }

  // Reads `digits` digits after `skip` characters.
  bool read_code(size_t begin, size_t skip, size_t digits, int base, uint32_t& value) {
    value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const int digit = hex_value(peek(skip + i));
      if (digit < 0 || digit >= base) return fail(begin, skip + i, "this escape needs more digits");
      value = value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
    }
    at_ += skip + digits;
    return true;
  }

  bool code(size_t begin, size_t skip, size_t digits, int base, bool octet, std::string& to) {
    uint32_t value = 0;
    if (!read_code(begin, skip, digits, base, value)) return false;
    if (octet) {
      to += static_cast<char>(value);
      return true;
    }
    if (value >= 0xD800 && value <= 0xDFFF) {
      return fail(begin, at_ - begin, "half of a surrogate pair is no character; write \\U and eight digits");
    }
    if (value > 0x10FFFF) return fail(begin, at_ - begin, "this escape is no Unicode character");
    append_utf8(value, to);
    return true;
  }

  bool punctuation() {
    struct Sign {
      std::string_view text;
      Token token;
    };
    static constexpr std::array<Sign, 24> kSigns = {{
        {"&&", Token::logic_and},   {"||", Token::logic_or},      {"==", Token::equal},     {"!=", Token::not_equal},
        {"<=", Token::less_equal},  {">=", Token::greater_equal}, {"<", Token::less},       {">", Token::greater},
        {"!", Token::bang},         {"+", Token::plus},           {"-", Token::minus},      {"*", Token::star},
        {"/", Token::slash},        {"%", Token::percent},        {".", Token::dot},        {",", Token::comma},
        {":", Token::colon},        {"?", Token::question},       {"(", Token::left_paren}, {")", Token::right_paren},
        {"[", Token::left_bracket}, {"]", Token::right_bracket},  {"{", Token::left_brace}, {"}", Token::right_brace},
    }};
    for (const Sign& sign : kSigns) {
      if (!starts_with(sign.text)) continue;
      const size_t begin = at_;
      at_ += sign.text.size();
      add(sign.token, begin);
      return true;
    }
    const char c = peek();
    if (c == '&' || c == '|') return fail(at_, 1, std::string("write ") + c + c + " for a condition");
    if (c == '=') return fail(at_, 1, "write == to compare");
    const CodePoint point = decode_utf8(text_, at_);
    return fail(at_, point.length, "'" + std::string(text_.substr(at_, point.length)) + "' means nothing here");
  }

  std::string_view text_;
  std::vector<Lexeme>& lexemes_;
  CompileError& error_;
  size_t at_ = 0;
};

}  // namespace

bool lex(std::string_view text, std::vector<Lexeme>& lexemes, CompileError& error) {
  return Lexer(text, lexemes, error).run();
}

bool is_reserved_word(std::string_view word) {
  static constexpr std::array<std::string_view, 17> kWords = {
      "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
      "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

}  // namespace millrace::expr
