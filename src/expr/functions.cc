#include "expr/functions.h"

#include <absl/container/flat_hash_map.h>

#include <set>

namespace millrace::expr {
namespace {

struct Library {
  // By name; all forms of one name together.
  absl::flat_hash_map<std::string, std::vector<const Function*>> by_name;

  Library() {
    for (const auto group :
         {standard_functions(), conversion_functions(), time_functions(), string_functions(), format_functions(),
          math_functions(), list_functions(), set_functions(), optional_functions(), regex_functions(),
          network_functions(), url_functions(), encode_functions(), hash_functions(), map_functions()}) {
      for (const Function& function : group) by_name[std::string(function.name)].push_back(&function);
    }
  }
};

const Library& library() {
  static const Library instance;
  return instance;
}

}  // namespace

const Function* find_function(std::string_view name, bool method, size_t args) {
  const auto found = library().by_name.find(std::string(name));
  if (found == library().by_name.end()) return nullptr;
  for (const Function* function : found->second) {
    if (function->method == method && args >= function->min_args && args <= function->max_args) return function;
  }
  return nullptr;
}

std::vector<std::string> function_names(bool method) {
  std::vector<std::string> names;
  for (const auto& [name, forms] : library().by_name) {
    for (const Function* function : forms) {
      if (function->method == method) {
        names.push_back(name);
        break;
      }
    }
  }
  return names;
}

std::string argument_counts(std::string_view name, bool method) {
  const auto found = library().by_name.find(std::string(name));
  if (found == library().by_name.end()) return "";
  std::set<int> counts;
  for (const Function* function : found->second) {
    if (function->method != method) continue;
    for (int n = function->min_args; n <= function->max_args && n < function->min_args + 4; ++n) {
      counts.insert(n - (method ? 1 : 0));
    }
  }
  std::string text;
  size_t i = 0;
  for (const int count : counts) {
    if (i > 0) text += i + 1 == counts.size() ? " or " : ", ";
    text += std::to_string(count);
    ++i;
  }
  return text;
}

}  // namespace millrace::expr
