// Between our TopicPartition and librdkafka's lists of partitions. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "kafka/handles.h"
#include "record/progress.h"

namespace millrace {

inline TopicPartition partition_of(const rd_kafka_topic_partition_t& partition) {
  return TopicPartition{partition.topic, partition.partition};
}

inline std::vector<TopicPartition> partitions_of(const rd_kafka_topic_partition_list_t* list) {
  std::vector<TopicPartition> partitions;
  if (list == nullptr) return partitions;
  for (int i = 0; i < list->cnt; ++i) partitions.push_back(partition_of(list->elems[i]));
  return partitions;
}

template <typename Partitions>
PartitionListHandle list_of(const Partitions& partitions) {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const TopicPartition& partition : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
  }
  return list;
}

// The element takes a copy of the note (librdkafka frees it).
void set_note(rd_kafka_topic_partition_t* partition, const std::string& note);

// Offsets with their notes, for a commit. `note_of(partition)` gives the note.
template <typename NoteOf>
PartitionListHandle list_of(const Progress& progress, NoteOf note_of) {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(progress.size())));
  for (const auto& [partition, offset] : progress) {
    rd_kafka_topic_partition_t* element =
        rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
    element->offset = offset;
    set_note(element, note_of(partition));
  }
  return list;
}

}  // namespace millrace
