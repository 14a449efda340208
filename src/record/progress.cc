#include "record/progress.h"

namespace millrace {

std::string to_string(const Progress& progress) {
  std::string text;
  for (const auto& [partition, offset] : progress) {
    if (!text.empty()) text += ", ";
    text += partition.text() + ": " + std::to_string(offset);
  }
  return text;
}

}  // namespace millrace
