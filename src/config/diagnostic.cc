#include "config/diagnostic.h"

#include <fmt/core.h>

#include <algorithm>

namespace millrace::config {

bool Diagnostics::has_errors() const {
  return std::any_of(all_.begin(), all_.end(), [](const Diagnostic& d) { return d.severity == Severity::error; });
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> result = all_;
  // Stable: of two problems at one place, the one that was found first comes first.
  std::stable_sort(result.begin(), result.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.position < b.position; });
  std::vector<Diagnostic> unique;
  for (Diagnostic& diagnostic : result) {
    const bool repeat = std::any_of(unique.rbegin(), unique.rend(), [&](const Diagnostic& earlier) {
      return earlier.position == diagnostic.position && earlier.severity == diagnostic.severity &&
             earlier.text == diagnostic.text;
    });
    if (!repeat) unique.push_back(std::move(diagnostic));
  }
  return unique;
}

std::string Diagnostics::text(const std::string& file) const {
  std::string result;
  for (const Diagnostic& diagnostic : sorted()) {
    const char* severity = diagnostic.severity == Severity::error ? "error" : "warning";
    if (diagnostic.position.line == 0) {
      result += fmt::format("{}: {}: {}\n", file, severity, diagnostic.text);
    } else {
      result += fmt::format("{}:{}:{}: {}: {}\n", file, diagnostic.position.line, diagnostic.position.column, severity,
                            diagnostic.text);
    }
  }
  return result;
}

}  // namespace millrace::config
