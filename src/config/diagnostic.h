// Diagnostics: every problem of a YAML file, collected, sorted by place, printed as "file:line:col: error: ...".
// Used by the thread that loads a config; a value afterwards.
#pragma once

#include <compare>
#include <string>
#include <utility>
#include <vector>

namespace millrace::config {

struct Position {
  int line = 0;  // from 1; 0: the file as a whole
  int column = 0;
  auto operator<=>(const Position&) const = default;
};

enum class Severity { error, warning };

struct Diagnostic {
  Position position;
  Severity severity = Severity::error;
  std::string text;  // names the cause and, where there is one, the cure
};

class Diagnostics {
 public:
  void error(Position position, std::string text) { add(position, Severity::error, std::move(text)); }
  void warning(Position position, std::string text) { add(position, Severity::warning, std::move(text)); }
  [[nodiscard]] bool has_errors() const;
  // Sorted by position; exact repeats are left out.
  [[nodiscard]] std::vector<Diagnostic> sorted() const;
  // Adds what a later phase found, but nothing at a place where an error stands already: two phases that look at the
  // same thing then say it once.
  void merge(const Diagnostics& later);
  // One line for each; after 200, how many more.
  [[nodiscard]] std::string text(const std::string& file) const;

 private:
  void add(Position position, Severity severity, std::string text) {
    all_.push_back({position, severity, std::move(text)});
  }
  std::vector<Diagnostic> all_;
};

}  // namespace millrace::config
