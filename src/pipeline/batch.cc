#include "pipeline/batch.h"

namespace millrace {

Progress Batch::progress() const {
  Progress progress;
  for (const auto& partition : partitions) progress[partition.partition] = partition.end;
  return progress;
}

std::vector<TopicPartition> Batch::topic_partitions() const {
  std::vector<TopicPartition> all;
  for (const auto& partition : partitions) all.push_back(partition.partition);
  return all;
}

size_t Batch::partition_index(const TopicPartition& partition) const {
  size_t i = 0;
  while (i < partitions.size() && partitions[i].partition != partition) ++i;
  return i;
}

uint64_t Batch::held_bytes() const {
  return bytes + records.size() * kRecordOverheadBytes + input_arena->filled_bytes() + output_arena->filled_bytes() +
         shared_bytes;
}

}  // namespace millrace
