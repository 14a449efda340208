#include "config/source_text.h"

#include <algorithm>

namespace millrace::config {

namespace {

constexpr std::string_view kBlank = " \t\n";
// Beyond this many bytes into a line its columns are counted in bytes: nobody reads them, and counting is not free.
constexpr size_t kColumnBytesMax = 4096;

size_t end_of_blank(std::string_view text, size_t from) {
  return std::min(text.find_first_not_of(kBlank, from), text.size());
}

// Bytes of the escape sequence at `at` (a backslash) and of the UTF-8 that it stands for.
struct Escape {
  size_t raw = 2;
  size_t text = 1;
};

Escape escape_at(std::string_view raw, size_t at) {
  const char letter = at + 1 < raw.size() ? raw[at + 1] : '\\';
  size_t digits = 0;
  switch (letter) {
    case 'x':
      digits = 2;
      break;
    case 'u':
      digits = 4;
      break;
    case 'U':
      digits = 8;
      break;
    case 'N':
    case '_':
      return {2, 2};
    case 'L':
    case 'P':
      return {2, 3};
    default:
      return {2, 1};
  }
  uint64_t code = 0;
  for (size_t i = at + 2; i < std::min(at + 2 + digits, raw.size()); ++i) {
    const char c = raw[i];
    const int digit = c >= '0' && c <= '9'                     ? c - '0'
                      : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                               : 0;
    code = code << 4 | static_cast<uint64_t>(digit);
  }
  return {2 + digits, code < 0x80 ? size_t{1} : code < 0x800 ? size_t{2} : code < 0x10000 ? size_t{3} : size_t{4}};
}

}  // namespace

SourceText::SourceText(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text_.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    text_ += text[i];
  }
  lines_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') lines_.push_back(i + 1);
  }
}

Position SourceText::position(size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto next = std::upper_bound(lines_.begin(), lines_.end(), offset);
  const size_t begin = *(next - 1);
  const size_t counted = std::min(offset - begin, kColumnBytesMax);
  const auto characters = std::count_if(text_.begin() + static_cast<ptrdiff_t>(begin),
                                        text_.begin() + static_cast<ptrdiff_t>(begin + counted),
                                        [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
  const size_t column = static_cast<size_t>(characters) + (offset - begin - counted) + 1;
  return {static_cast<int>(next - lines_.begin()), static_cast<int>(column)};
}

size_t SourceText::offset(int line, int column) const {
  if (line < 0 || column < 0) return 0;
  if (static_cast<size_t>(line) >= lines_.size()) return text_.size();
  return std::min(lines_[static_cast<size_t>(line)] + static_cast<size_t>(column), text_.size());
}

std::string_view SourceText::tag_at(size_t offset) const {
  if (offset >= text_.size() || text_[offset] != '!') return {};
  const size_t end = std::min(text_.find_first_of(" \t\n,[]{}", offset), text_.size());
  return std::string_view(text_).substr(offset, end - offset);
}

size_t SourceText::skip_tag(size_t offset) const {
  const size_t size = tag_at(offset).size();
  return size == 0 ? offset : end_of_blank(text_, offset + size);
}

void SourceText::locate(Node& scalar, size_t offset) const {
  offset = skip_tag(offset);
  if (offset >= text_.size()) {
    scalar.landmarks = {{0, position(offset)}};
    return;
  }
  switch (text_[offset]) {
    case '\'':
      scalar.style = Node::Style::single_quoted;
      break;
    case '"':
      scalar.style = Node::Style::double_quoted;
      break;
    case '|':
      scalar.style = Node::Style::literal;
      break;
    case '>':
      scalar.style = Node::Style::folded;
      break;
    default:
      scalar.style = Node::Style::plain;
      break;
  }
  if (scalar.style == Node::Style::literal || scalar.style == Node::Style::folded) {
    offset = std::min(text_.find('\n', offset), text_.size());  // behind the header and its comment
  } else if (scalar.style != Node::Style::plain) {
    ++offset;
  }
  trace(scalar, offset);
}

// Walks the raw text and the scalar's text side by side: equal bytes together, a line break with the blanks around it
// against what it was folded to, an escape against its character. Stops where the two part; what follows is then named
// by the last landmark.
void SourceText::trace(Node& scalar, size_t offset) const {
  const std::string_view raw = text_;
  const std::string_view text = scalar.text;
  size_t at = 0;
  scalar.landmarks = {{0, position(offset)}};
  const auto landmark = [&] {
    if (scalar.landmarks.back().offset == at) scalar.landmarks.pop_back();
    scalar.landmarks.push_back({at, position(offset)});
  };
  while (at < text.size() && offset < raw.size()) {
    const char c = raw[offset];
    if (kBlank.find(c) != std::string_view::npos) {
      const size_t end = end_of_blank(raw, offset);
      const std::string_view run = raw.substr(offset, end - offset);
      offset = end;
      if (run.find('\n') == std::string_view::npos) {
        if (text.substr(at, run.size()) != run) return;
        at += run.size();
      } else {
        at = end_of_blank(text, at);
        landmark();
      }
    } else if (c == '\\' && scalar.style == Node::Style::double_quoted) {
      if (offset + 1 < raw.size() && raw[offset + 1] == '\n') {
        offset = end_of_blank(raw, offset + 1);
      } else {
        const Escape escape = escape_at(raw, offset);
        offset += escape.raw;
        at += escape.text;
      }
      landmark();
    } else if (c == text[at]) {
      ++at;
      offset += c == '\'' && scalar.style == Node::Style::single_quoted ? 2 : 1;
      if (c == '\'') landmark();
    } else {
      return;
    }
  }
}

}  // namespace millrace::config
