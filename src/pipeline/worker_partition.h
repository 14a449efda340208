// Worker::Partition: what a worker knows of a partition that it reads. Internal to the worker's two files.
#pragma once

#include <memory>
#include <string>

#include "pipeline/worker.h"

namespace millrace {

struct Worker::Partition {
  AssignedPartition assigned;
  uint64_t epoch = 0;      // of the ownership, as the group's thread gave it
  int64_t position = 0;    // the next offset to read
  int64_t committed = -1;  // what the group must have committed
  bool proven = false;     // we wrote `committed`
  int64_t last_timestamp_ms = -1;
  bool at_end = false;    // the last drain left nothing
  bool ready = false;     // on the ready list
  bool revoked = false;   // to be released as soon as the open batch does not hold it
  std::string error;      // why it is not read any more
  double mean_bytes = 0;  // of its records; 0: none seen
  PartitionRate rate;

  [[nodiscard]] const TopicPartition& name() const { return assigned.partition; }
};

}  // namespace millrace
