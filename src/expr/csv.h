// CSV (RFC 4180) row by row, out of a text that is in memory. Used by the thread that loads tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::expr {

class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {}

  enum class Step { row, end, broken };
  // The next row; fields in quotes are taken out of them. Lines with nothing on them are passed over.
  Step next(std::vector<std::string>& fields);

  // The line (from 1) on which the last row began, or where it broke.
  [[nodiscard]] int line() const { return row_line_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  Step broken(std::string problem);
  bool quoted(std::string& field);
  bool at_line_end() const;
  void take_line_end();

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  int row_line_ = 1;
  std::string problem_;
};

}  // namespace millrace::expr
