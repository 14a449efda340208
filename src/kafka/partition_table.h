// PartitionTable: what the edge's parts know of each assigned partition, in one place. Any thread; the numbers are
// atomics, the rest is set before a state is shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka/handles.h"
#include "record/progress.h"

namespace millrace {

struct PartitionState {
  TopicPartition partition;
  uint16_t source = 0;
  std::string note;  // goes with every offset that is committed
  std::atomic<int64_t> position{-1};
  std::atomic<int64_t> committed{-1};
  std::atomic<int64_t> low{-1};
  std::atomic<int64_t> end{-1};
  std::atomic<int64_t> high{-1};
  std::atomic<int64_t> ends_wall_ms{-1};   // when `end` was read
  std::atomic<double> low_pace{0};         // offsets a second by which `low` went up lately
  std::atomic<int64_t> first_time_ms{-1};  // of the first record that was taken
  std::atomic<int> failure{0};             // rd_kafka_resp_err_t: set by the queue, looked at by the group's thread
  std::atomic<int> unread{0};  // rd_kafka_resp_err_t: why fetching stands still; 0 again with what comes next
};

class PartitionTable {
 public:
  // Shared: the partition's queue and the group's thread hold it as well.
  using StatePointer = std::shared_ptr<PartitionState>;

  void add(StatePointer state);
  void remove(const TopicPartition& partition);
  [[nodiscard]] StatePointer find(const TopicPartition& partition) const;
  [[nodiscard]] std::vector<StatePointer> all() const;

  // Empty when the partition is not ours.
  [[nodiscard]] std::string note(const TopicPartition& partition) const;
  void committed(const Progress& progress);

 private:
  mutable Mutex mutex_;
  std::map<TopicPartition, StatePointer> states_ GUARDED_BY(mutex_);
};

}  // namespace millrace
