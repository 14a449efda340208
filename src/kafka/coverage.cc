#include "kafka/coverage.h"

namespace millrace {

void Coverage::look(int64_t now_ms, const std::map<std::string, int32_t>& partitions, const GroupDescription& group) {
  const bool first = known_ms_.empty();
  for (const auto& [topic, count] : partitions) {
    for (int32_t partition = 0; partition < count; ++partition) {
      // What is there at the first look is as old as the topic, for all that the members know.
      known_ms_.emplace(TopicPartition{topic, partition}, first ? now_ms - settle_ms_ : now_ms);
    }
  }
  // Of a topic that is gone nobody can have anything.
  const auto gone = [&partitions](const auto& entry) {
    const auto at = partitions.find(entry.first.topic);
    return at == partitions.end() || entry.first.partition >= at->second;
  };
  std::erase_if(known_ms_, gone);
  std::erase_if(since_ms_, gone);
  if (!group.at_rest) {
    at_rest_since_ms_ = -1;
  } else if (at_rest_since_ms_ < 0) {
    at_rest_since_ms_ = now_ms;
  }
  if (!group.stable) return since_ms_.clear();
  for (const auto& [partition, known_ms] : known_ms_) {
    if (group.assigned.contains(partition) || now_ms - known_ms < settle_ms_) {
      since_ms_.erase(partition);
    } else {
      since_ms_.emplace(partition, now_ms);
    }
  }
}

std::vector<TopicPartition> Coverage::without_owner(int64_t now_ms, int64_t wait_ms) const {
  std::vector<TopicPartition> found;
  for (const auto& [partition, since_ms] : since_ms_) {
    if (now_ms - since_ms >= wait_ms) found.push_back(partition);
  }
  return found;
}

}  // namespace millrace
