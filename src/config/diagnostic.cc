#include "config/diagnostic.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace millrace::config {

namespace {

constexpr size_t kPrintedMax = 200;

}  // namespace

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
    bool repeat = false;
    for (auto earlier = unique.rbegin(); earlier != unique.rend() && earlier->position == diagnostic.position;
         ++earlier) {
      repeat = repeat || (earlier->severity == diagnostic.severity && earlier->text == diagnostic.text);
    }
    if (!repeat) unique.push_back(std::move(diagnostic));
  }
  return unique;
}

void Diagnostics::merge(const Diagnostics& later) {
  std::set<Position> wrong;
  for (const Diagnostic& diagnostic : all_) {
    if (diagnostic.severity == Severity::error && diagnostic.position.line > 0) wrong.insert(diagnostic.position);
  }
  for (const Diagnostic& diagnostic : later.all_) {
    if (!wrong.contains(diagnostic.position)) all_.push_back(diagnostic);
  }
}

std::string Diagnostics::text(const std::string& file) const {
  std::string result;
  const std::vector<Diagnostic> all = sorted();
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == kPrintedMax) return result + fmt::format("{}: {} more\n", file, all.size() - i);
    const Diagnostic& diagnostic = all[i];
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
