// PartitionQueue: where a worker gets the records of one partition. Made by the Kafka edge (or a test), handed to a
// worker with the assignment, used by that worker only, destroyed by it when the partition goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/arena.h"
#include "base/error.h"
#include "record/progress.h"
#include "record/record.h"

namespace millrace {

// A message of the client library that must be given back when its batch is settled. Move-only through the vector that
// holds it: `release` is called exactly once, from the worker or from the reaper.
struct HeldMessage {
  void* message = nullptr;
  void (*release)(void* message) = nullptr;
};

// What one drain brought.
struct Drained {
  size_t records = 0;
  size_t bytes = 0;         // key, value and header bytes
  int64_t end_offset = -1;  // set when the end of the partition was reached: the position behind it (KIP-98 markers)
};

class PartitionQueue {
 public:
  virtual ~PartitionQueue() = default;

  // Appends up to `max_records` records that are there already (never waits) and their messages. `origin` of each
  // record is this queue's. An error with Remedy::stop names what happened to this partition (offset out of range...);
  // the group's thread is told by the edge itself.
  virtual Result<Drained> drain(size_t max_records, Arena& arena, std::vector<Record>& records,
                                std::vector<HeldMessage>& held) = 0;

  // The offset behind the last record that is known to be in the partition, for judging how much waits; -1: not known.
  [[nodiscard]] virtual int64_t end_offset() const { return -1; }

  // Notifies `fd` (an eventfd) when the queue goes from empty to non-empty. Called once, before the first drain.
  virtual void notify(int fd) = 0;

  [[nodiscard]] virtual const Origin& origin() const = 0;
};

// Raised by the group's thread when the partition is revoked or lost; looked at by the worker just before offsets are
// sent. Shared by the two, hence shared_ptr where it is held.
struct Ownership {
  std::atomic<uint64_t> epoch{0};
};

struct AssignedPartition {
  TopicPartition partition;
  std::unique_ptr<PartitionQueue> queue;
  std::shared_ptr<Ownership> ownership;  // shared by the group's thread (writes) and one worker (reads)
  int64_t start_offset = 0;              // the next offset to read
  int64_t committed = -1;                // what the group has committed; -1: nothing
};

// The engine, as the group's thread sees it. Calls return at once; the group's loop asks `released` until it is true
// or the revoke limit is over.
class PartitionOwner {
 public:
  virtual ~PartitionOwner() = default;
  virtual void assigned(std::vector<AssignedPartition> partitions) = 0;
  // Close the batch early and commit what is whole (revoked), or drop it (lost). `Ownership::epoch` was raised before
  // a lost; for a revoke it is raised when the limit is over.
  virtual void revoked(const std::vector<TopicPartition>& partitions, bool lost) = 0;
  [[nodiscard]] virtual bool released(const TopicPartition& partition) = 0;
  // No broker answers: what comes when one does again is a backlog. May be said several times.
  virtual void brokers_away() {}
};

}  // namespace millrace
