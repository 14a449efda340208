#include "kafka/partition_list.h"

#include <cstdlib>
#include <cstring>

namespace millrace {

void set_note(rd_kafka_topic_partition_t* partition, const std::string& note) {
  std::free(partition->metadata);
  partition->metadata = std::malloc(note.size() + 1);
  std::memcpy(partition->metadata, note.c_str(), note.size() + 1);
  partition->metadata_size = note.size();
}

}  // namespace millrace
