// SourceText: the text of a YAML file by lines, and where in it each piece of a scalar stands. yaml-cpp names the place
// where a scalar begins only; the rest is found by walking the file and the scalar's text side by side.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/node.h"

namespace millrace::config {

class SourceText {
 public:
  // Without a byte order mark, with "\r\n" made "\n".
  explicit SourceText(std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] Position position(size_t offset) const;
  // From yaml-cpp's marks: line and byte column, both from 0.
  [[nodiscard]] size_t offset(int line, int column) const;

  // The scalar whose node (tag included) begins at `offset`: sets style and landmarks for its text.
  void locate(Node& scalar, size_t offset) const;
  // The tag that begins at `offset`, as written; empty when none does.
  [[nodiscard]] std::string_view tag_at(size_t offset) const;

 private:
  [[nodiscard]] size_t skip_tag(size_t offset) const;
  void trace(Node& scalar, size_t offset) const;

  std::string text_;
  std::vector<size_t> lines_;  // where each begins
};

}  // namespace millrace::config
