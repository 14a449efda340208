#include "config/node.h"

#include <algorithm>

namespace millrace::config {

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, value] : members) {
    if (name.text == key) return &value;
  }
  return nullptr;
}

Position Node::position_of(size_t offset) const {
  const auto next = std::upper_bound(landmarks.begin(), landmarks.end(), offset,
                                     [](size_t wanted, const Landmark& landmark) { return wanted < landmark.offset; });
  if (next == landmarks.begin()) return position;
  const Landmark& landmark = *(next - 1);
  const size_t end = std::min(offset, text.size());
  Position result = landmark.position;
  for (size_t i = landmark.offset; i < end; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) ++result.column;
  }
  return result;
}

std::string_view kind_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::scalar:
      return "text";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a map";
  }
  return "something else";
}

}  // namespace millrace::config
