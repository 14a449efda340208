// KafkaPartitionQueue: the records of one assigned partition, taken from librdkafka's own queue of that partition.
//
// Made by the group's thread, then owned and used by one worker, which destroys it before the consumer goes.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "io/source.h"
#include "kafka/handles.h"
#include "kafka/partition_table.h"

namespace millrace {

// Makes a record of views into `message`, which must live as long as the record; what is not in one piece there
// (headers) goes into the arena. Gives the bytes of key, value and headers.
size_t fill_record(rd_kafka_message_t* message, const Origin& origin, Arena& arena, Record& record);

class KafkaPartitionQueue final : public PartitionQueue {
 public:
  // `queue` must not be forwarded. `failures` is counted up when the partition can be read no further; the group's
  // thread looks at it. Both outlive this.
  KafkaPartitionQueue(QueueHandle queue, PartitionTable::StatePointer state, Origin origin, int64_t start_offset,
                      std::atomic<uint64_t>& failures);
  ~KafkaPartitionQueue() override;

  Result<Drained> drain(size_t max_records, Arena& arena, std::vector<Record>& records,
                        std::vector<HeldMessage>& held) override;
  [[nodiscard]] int64_t end_offset() const override { return state_->end.load(std::memory_order_relaxed); }
  void notify(int fd) override;
  [[nodiscard]] const Origin& origin() const override { return origin_; }

 private:
  void take(rd_kafka_message_t* message, Arena& arena, std::vector<Record>& records, std::vector<HeldMessage>& held,
            Drained& drained);
  void take_error(const rd_kafka_message_t& message, Drained& drained);

  QueueHandle queue_;
  PartitionTable::StatePointer state_;  // shared with the edge's other parts
  Origin origin_;
  int64_t next_;  // the next offset to read
  std::atomic<uint64_t>& failures_;
  std::string failure_;  // why nothing more comes
};

}  // namespace millrace
