#include "expr/csv.h"

namespace millrace::expr {

bool CsvReader::at_line_end() const {
  return at_ >= text_.size() || text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n";
}

void CsvReader::take_line_end() {
  if (at_ >= text_.size()) return;
  at_ += text_[at_] == '\n' ? 1 : 2;
  ++line_;
}

CsvReader::Step CsvReader::broken(std::string problem) {
  problem_ = std::move(problem);
  return Step::broken;
}

// At an opening quote. False: the text ends inside.
bool CsvReader::quoted(std::string& field) {
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      if (at_ >= text_.size() || text_[at_] != '"') return true;
    } else if (c == '\n') {
      ++line_;
    }
    field += c;
  }
  return false;
}

CsvReader::Step CsvReader::next(std::vector<std::string>& fields) {
  fields.clear();
  while (at_ < text_.size() && at_line_end()) take_line_end();
  row_line_ = line_;
  if (at_ >= text_.size()) return Step::end;
  for (;;) {
    std::string& field = fields.emplace_back();
    if (at_ < text_.size() && text_[at_] == '"') {
      const int opened = line_;
      if (!quoted(field)) {
        row_line_ = opened;
        return broken("a quoted field that is not closed");
      }
      if (!at_line_end() && text_[at_] != ',') {
        row_line_ = line_;
        return broken("text behind the closing quote of a field (a quote inside a field is written twice)");
      }
    } else {
      while (!at_line_end() && text_[at_] != ',') {
        if (text_[at_] == '"') return broken("a quote inside a field that does not begin with one");
        field += text_[at_++];
      }
    }
    if (at_line_end()) break;
    ++at_;  // the comma
  }
  take_line_end();
  return Step::row;
}

}  // namespace millrace::expr
