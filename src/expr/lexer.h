// Tokens of an expression's text. Pure; main thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expr/program.h"

namespace millrace::expr {

enum class Token : uint8_t {
  end,
  identifier,
  quoted_identifier,  // in backticks
  keyword_in,
  keyword_true,
  keyword_false,
  keyword_null,
  int_number,    // `number`, without sign
  uint_number,   // `number`
  float_number,  // `floating`
  string,        // `text`
  bytes,         // `text`
  dot,
  comma,
  colon,
  question,
  left_paren,
  right_paren,
  left_bracket,
  right_bracket,
  left_brace,
  right_brace,
  plus,
  minus,
  star,
  slash,
  percent,
  bang,
  less,
  less_equal,
  greater,
  greater_equal,
  equal,
  not_equal,
  logic_and,
  logic_or,
};

struct Lexeme {
  Token token = Token::end;
  uint32_t offset = 0;
  uint32_t length = 0;
  std::string text;
  uint64_t number = 0;
  double floating = 0;
};

// Ends with Token::end. False with `error` filled at the first thing that is no token.
bool lex(std::string_view text, std::vector<Lexeme>& lexemes, CompileError& error);

// A word that CEL keeps for host languages: no variable may have it as its name.
bool is_reserved_word(std::string_view word);

}  // namespace millrace::expr
