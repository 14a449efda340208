// The library of functions: tables by group, from which calls are resolved when an expression is compiled. A function
// is strict: it sees values, never errors. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expr/frame.h"

namespace re2 {
class RE2;
}

namespace millrace::expr {

// What a call costs and how much it can make: the static estimate and the run-time budget follow from it.
enum class Growth : uint8_t {
  fixed,     // the same whatever the arguments are; makes nothing or a few bytes
  walk,      // walks its arguments, makes nothing that grows
  copy,      // walks its arguments and makes at most about as much as they are
  multiply,  // makes more than its arguments are: join, replace, format, lists.range
};

struct Function {
  std::string_view name;  // "size", "math.abs"
  bool method = false;    // called as receiver.name(...); the receiver is argument 0
  uint8_t min_args = 0;   // the receiver included
  uint8_t max_args = 0;
  Kind result = Kind::absent;  // absent: depends on the arguments
  Growth growth = Growth::fixed;
  Value (*call)(Frame& frame, std::span<const Value> args) = nullptr;

  // Functions with a regular expression have this instead: the pattern is argument number `pattern`, compiled before.
  Value (*call_regex)(Frame& frame, const re2::RE2& regex, std::span<const Value> args) = nullptr;
  uint8_t pattern = 0;
};

// Null when there is no such function in this form.
const Function* find_function(std::string_view name, bool method, size_t args);

// All names in one form, for suggestions.
std::vector<std::string> function_names(bool method);
// "1 or 2": with how many arguments (without the receiver) a name can be called; empty: no such name.
std::string argument_counts(std::string_view name, bool method);

// The regular expression with the limits of expressions.regex_*; null with `problem` filled.
std::unique_ptr<re2::RE2> compile_regex(std::string_view pattern, const Limits& limits, std::string& problem);

std::span<const Function> standard_functions();
std::span<const Function> conversion_functions();
std::span<const Function> time_functions();
std::span<const Function> string_functions();
std::span<const Function> format_functions();
std::span<const Function> math_functions();
std::span<const Function> list_functions();
std::span<const Function> set_functions();
std::span<const Function> optional_functions();
std::span<const Function> regex_functions();
std::span<const Function> network_functions();
std::span<const Function> url_functions();
std::span<const Function> encode_functions();
std::span<const Function> hash_functions();
std::span<const Function> map_functions();

// Shared by several groups.
Value convert_to_string(Frame& frame, const Value& value);
Value size_of(Frame& frame, const Value& value);
// timestamp.format(layout) and timestamp.format(layout, zone)
Value format_timestamp(Frame& frame, std::span<const Value> args);
// The list that a list argument is; an error (noted) when it is none.
Value list_of(Frame& frame, const Value& value);

}  // namespace millrace::expr
