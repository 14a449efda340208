// Progress: the next offset to read for each partition. A value, compared and printed; the only form in which a
// position is passed around.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

namespace millrace {

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
  [[nodiscard]] std::string text() const { return topic + "-" + std::to_string(partition); }
};

using Progress = std::map<TopicPartition, int64_t>;

// "edits-0: 812, edits-1: 790"
std::string to_string(const Progress& progress);

}  // namespace millrace
