// cel_conformance FILE...: evaluates the rows of each file (JSON Lines, see tests/data/cel/README.md), prints those
// that fail, and closes with "N passed, N failed, N skipped". --deviations FILE names rows that are knowingly not
// followed.
#include <simdjson.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "expr/compiled.h"
#include "expr/number_text.h"
#include "expr/parser.h"
#include "expr/value_ops.h"

namespace millrace::expr {
namespace {

using simdjson::dom::element;

std::string text_of(const element& value) {
  return std::string(value.get_string().value());
}
std::string text_of(const element& row, const char* key) {
  element value;
  return row[key].get(value) == simdjson::SUCCESS && value.is_string() ? text_of(value) : "";
}

std::string from_hex(const std::string& text) {
  std::string data;
  for (size_t i = 0; i + 1 < text.size(); i += 2) data += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return data;
}

double to_double(const std::string& text) {
  if (text == "NaN") return std::nan("");
  if (text == "Infinity") return HUGE_VAL;
  if (text == "-Infinity") return -HUGE_VAL;
  return std::stod(text);
}

Value typed_value(const element& value, Arena& arena) {
  const auto object = value.get_object().value();
  const auto field = *object.begin();
  const std::string kind(field.key);
  const element inner = field.value;
  if (kind == "null") return Value::null();
  if (kind == "bool") return Value::boolean(inner.get_bool().value());
  if (kind == "int") return Value::integer(std::stoll(text_of(inner)));
  if (kind == "uint") return Value::uinteger(std::stoull(text_of(inner)));
  if (kind == "double") return Value::floating(to_double(text_of(inner)));
  if (kind == "string") return Value::string(arena.copy(text_of(inner)));
  if (kind == "bytes") return Value::bytes(arena.copy(from_hex(text_of(inner))));
  if (kind == "type") return Value::type(arena.copy(text_of(inner)));
  const auto seconds = [&] { return std::stoll(text_of(inner["seconds"].value())); };
  const auto nanos = [&] { return inner["nanos"].get_int64().value(); };
  if (kind == "timestamp") return Value::timestamp(seconds(), static_cast<uint32_t>(nanos()));
  if (kind == "duration") return Value::duration(seconds() * 1'000'000'000 + nanos());
  const auto array = inner.get_array().value();
  if (kind == "list") {
    auto items = arena.make_array<Value>(array.size());
    size_t i = 0;
    for (const element item : array) items[i++] = typed_value(item, arena);
    return Value::list(items.data(), static_cast<uint32_t>(items.size()));
  }
  auto entries = arena.make_array<MapEntry>(array.size());
  size_t i = 0;
  for (const element entry : array) {
    entries[i++] = {typed_value(entry.at(0).value(), arena), typed_value(entry.at(1).value(), arena)};
  }
  return Value::map(entries.data(), static_cast<uint32_t>(entries.size()));
}

// Kind and value exactly; NaN equals NaN, -0.0 equals 0.0.
bool same(const Value& a_in, const Value& b, Arena& arena) {
  const Value a = expanded(a_in, arena);
  if (a.kind() != b.kind()) return false;
  if (a.is(Kind::floating)) {
    return (std::isnan(a.as_double()) && std::isnan(b.as_double())) || a.as_double() == b.as_double();
  }
  if (a.is(Kind::list)) {
    if (a.count() != b.count()) return false;
    for (uint32_t i = 0; i < a.count(); ++i) {
      if (!same(a.items()[i], b.items()[i], arena)) return false;
    }
    return true;
  }
  if (a.is(Kind::map)) {
    if (a.count() != b.count()) return false;
    for (uint32_t i = 0; i < a.count(); ++i) {
      bool found = false;
      for (uint32_t j = 0; j < b.count() && !found; ++j) {
        found = same(a.entries()[i].key, b.entries()[j].key, arena) &&
                same(a.entries()[i].value, b.entries()[j].value, arena);
      }
      if (!found) return false;
    }
    return true;
  }
  return equal(a, b, arena);
}

struct Outcome {
  bool ok = false;
  std::string detail;
};

class Runner {
 public:
  bool read_deviations(const std::string& file) {
    std::ifstream in(file);
    if (!in) return false;
    std::string line;
    while (std::getline(in, line)) {
      if (line.empty()) continue;
      const element row = parser_.parse(line).value();
      const std::string expr = text_of(row, "expr");
      const std::string needs = text_of(row, "needs");
      if (!needs.empty()) needs_.insert(needs);
      if (!expr.empty()) exprs_.insert(expr);
    }
    return true;
  }

  bool run(const std::string& file) {
    std::ifstream in(file);
    if (!in) {
      std::cerr << "cannot read " << file << "\n";
      return false;
    }
    std::string line;
    for (size_t number = 1; std::getline(in, line); ++number) {
      if (line.empty()) continue;
      const element row = parser_.parse(line).value();
      if (skipped(row)) {
        ++skips;
        continue;
      }
      element parse_only;
      const bool parsing = row["parse"].get(parse_only) == simdjson::SUCCESS;
      const Outcome outcome = parsing ? parse_row(row) : evaluate_row(row);
      outcome.ok ? ++passes : ++failures;
      if (outcome.ok) continue;
      std::cout << file << ":" << number << ": " << text_of(row, "section") << "/" << text_of(row, "name") << ": "
                << text_of(row, "expr") << "\n    " << outcome.detail << "\n";
    }
    return true;
  }

  size_t passes = 0;
  size_t failures = 0;
  size_t skips = 0;

 private:
  [[nodiscard]] static std::set<std::string> needs_of(const element& row) {
    std::set<std::string> needs;
    element list;
    if (row["needs"].get(list) != simdjson::SUCCESS) return needs;
    const simdjson::dom::array listed = list.get_array().value();
    for (const element need : listed) needs.insert(text_of(need));
    return needs;
  }

  bool skipped(const element& row) const {
    for (const std::string& need : needs_of(row)) {
      if (needs_.contains(need)) return true;
    }
    return exprs_.contains(text_of(row, "expr"));
  }

  static Outcome parse_row(const element& row) {
    Ast ast;
    CompileError error;
    const std::string expr = text_of(row, "expr");
    const bool parsed = parse(expr, Limits(), ast, error);
    if (text_of(row, "parse") == "error") return {!parsed, "parsed, but must not"};
    if (!parsed) return {false, "does not parse: " + error.message};
    const std::string wanted = text_of(row, "ast");
    const std::string got = print_calls(ast, ast.root);
    return {wanted.empty() || wanted == got, "tree is " + got + ", wanted " + wanted};
  }

  static Outcome evaluate_row(const element& row) {
    Arena arena;
    Environment environment;
    environment.record = false;
    environment.lenient = true;
    std::vector<Value> values;
    const simdjson::dom::object bindings = row["bindings"].get_object().value();
    for (const auto binding : bindings) {
      environment.bound.emplace_back(binding.key);
      values.push_back(typed_value(binding.value, arena));
    }
    CompileOptions options;
    options.limits.max_static_cost = UINT64_MAX;
    options.limits.max_comprehension_nesting = 8;
    options.strict_arithmetic = needs_of(row).contains("strict_arithmetic");
    FieldPlan plan;
    std::vector<CompileError> errors;
    const std::string expr = text_of(row, "expr");
    const auto program = compile_program(expr, Want::value, options, plan, nullptr, environment, errors);
    const element expect = row["expect"].value();
    element wanted;
    if (expect["value"].get(wanted) == simdjson::SUCCESS) {
      if (program == nullptr) return {false, "does not compile: " + errors.front().message};
      Evaluator evaluator(arena);
      const Value got = program->run(Scope(), evaluator, values);
      if (got.is_error()) return {false, "error: " + evaluator.error_text()};
      const Value want = typed_value(wanted, arena);
      return {same(got, want, arena), "is " + value_text(got, arena) + " (" + std::string(type_name(got)) +
                                          "), wanted " + value_text(want, arena) + " (" + std::string(type_name(want)) +
                                          ")"};
    }
    element parse_error;
    if (expect["parse_error"].get(parse_error) == simdjson::SUCCESS) {
      Ast ast;
      CompileError error;
      return {!parse(expr, Limits(), ast, error), "parsed, but must not"};
    }
    if (program == nullptr) return {true, ""};
    Evaluator evaluator(arena);
    const Value got = program->run(Scope(), evaluator, values);
    return {got.is_error(), "is " + value_text(got, arena) + ", wanted an error"};
  }

  simdjson::dom::parser parser_;
  std::set<std::string> needs_;
  std::set<std::string> exprs_;
};

}  // namespace
}  // namespace millrace::expr

int main(int argc, char** argv) {
  millrace::expr::Runner runner;
  bool ok = argc > 1;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--deviations" && i + 1 < argc) {
      ok = runner.read_deviations(argv[++i]) && ok;
    } else {
      ok = runner.run(argument) && ok;
    }
  }
  if (argc < 2) std::cerr << "usage: cel_conformance [--deviations FILE] FILE...\n";
  std::cout << runner.passes << " passed, " << runner.failures << " failed, " << runner.skips << " skipped\n";
  return ok && runner.failures == 0 ? 0 : 1;
}
