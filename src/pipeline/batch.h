// Batch: the records that one worker read since its last commit, and all that is needed to write them once more.
//
// Owned and used by one worker. Its memory (held messages, arenas) is freed when the batch is settled; when a producer
// was discarded on the way it goes to the broker's reaper instead (Broker::free_later).
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "io/broker.h"
#include "io/source.h"
#include "pipeline/counts.h"
#include "pipeline/snapshot.h"
#include "pipeline/spread.h"

namespace millrace {

// What a batch holds of one partition.
struct BatchPartition {
  TopicPartition partition;
  std::shared_ptr<const Ownership> ownership;  // shared with the group's thread, which raises the epoch
  uint64_t epoch = 0;                          // as it was at the assignment
  int64_t committed = -1;                      // what the group must have committed; -1: nothing
  int64_t end = 0;                             // the next offset to read: what this batch commits
  int64_t last_timestamp_ms = -1;
  bool proven = false;   // `committed` is what this worker wrote or saw to be true; until then it was only read
  bool revoked = false;  // the group asked for it: commit soon, and never hold it in a wait

  [[nodiscard]] bool ours() const { return ownership == nullptr || ownership->epoch.load() == epoch; }
};

// Records that went through the graph together: all of one partition.
struct Chunk {
  size_t partition = 0;  // index into Batch::partitions
  size_t first = 0;      // index into Batch::records
  size_t count = 0;
};

// Which record and topic an output came from; an output's tag is its index.
struct OutputTag {
  uint32_t record = 0;
  uint16_t topic = 0;
  auto operator<=>(const OutputTag&) const = default;
};

struct Batch {
  uint64_t number = 0;
  int64_t opened_mono_ns = 0;
  int64_t now_ms = 0;     // the batch's time: the only clock that expressions see
  int64_t closes_ms = 0;  // the tick, on the monotonic clock
  bool open = false;      // it has records or progress
  bool closing = false;   // nothing more is read into it
  uint64_t bytes = 0;     // keys, values and headers of its records
  int recoveries = 0;

  std::vector<BatchPartition> partitions;
  std::vector<Record> records;
  std::vector<HeldMessage> held;
  std::vector<Chunk> chunks;
  std::unique_ptr<Arena> input_arena = std::make_unique<Arena>();   // what draining made: headers
  std::unique_ptr<Arena> output_arena = std::make_unique<Arena>();  // what stages and encoders made; new for a replay

  Counts counts;
  std::vector<OutputTag> tags;        // of every output so far
  std::vector<OutputRecord> pending;  // outputs not yet with the producer, from `next_pending`
  size_t next_pending = 0;
  BatchSpread spread;           // of what the producer took
  uint64_t shared_bytes = 0;    // memory of what other workers made of its chunks
  std::set<OutputTag> refused;  // outputs that the broker refused: their policy decides on the next run
  std::array<int64_t, kBatchPhaseCount> phase_ns{};

  [[nodiscard]] Progress progress() const;
  [[nodiscard]] std::vector<TopicPartition> topic_partitions() const;
  [[nodiscard]] size_t partition_index(const TopicPartition& partition) const;  // partitions.size(): not there
  // Memory that the batch holds, with the client library's overhead for each record.
  [[nodiscard]] uint64_t held_bytes() const;
  // Leaves out the partitions that `gone` says, with their records; gives the number of records left out.
  template <typename Gone>
  size_t drop(Gone gone);
};

// A record held costs its bytes and about this much in the client library and here.
inline constexpr uint64_t kRecordOverheadBytes = 320 + sizeof(Record) + sizeof(HeldMessage);

template <typename Gone>
size_t Batch::drop(Gone gone) {
  std::vector<size_t> place(partitions.size());
  std::vector<BatchPartition> kept;
  for (size_t i = 0; i < partitions.size(); ++i) {
    place[i] = kept.size();
    if (gone(partitions[i])) {
      place[i] = SIZE_MAX;
    } else {
      kept.push_back(partitions[i]);
    }
  }
  partitions = std::move(kept);
  size_t dropped = 0;
  std::vector<Chunk> chunks_kept;
  for (const Chunk& chunk : chunks) {
    if (place[chunk.partition] == SIZE_MAX) {
      dropped += chunk.count;
    } else {
      chunks_kept.push_back({place[chunk.partition], chunk.first, chunk.count});
    }
  }
  chunks = std::move(chunks_kept);
  return dropped;
}

}  // namespace millrace
