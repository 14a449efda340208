// What a pipeline should have written for a stretch of time, computed again from its sources, and how that compares
// with what is there: counts and sums of hashes for each partition and each slice of the time, in bounded memory.
//
// Recompute runs records through the graph as a worker does, without writing. One thread. SpanTally is a value.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/broker.h"
#include "pipeline/batch.h"
#include "pipeline/executor.h"
#include "pipeline/graph.h"
#include "pipeline/version.h"

namespace millrace {

// From `begin_ms` up to, not including, `end_ms`; of the records' timestamps.
struct TimeSpan {
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
  [[nodiscard]] bool holds(int64_t timestamp_ms) const { return timestamp_ms >= begin_ms && timestamp_ms < end_ms; }
};

// Of what makes a record: key, value, timestamp. The same in one process only.
uint64_t record_hash(const Bytes& key, const Bytes& value, int64_t timestamp_ms);

class SpanTally {
 public:
  static constexpr size_t kSlices = 64;
  struct Slice {
    uint64_t records = 0;
    uint64_t sum = 0;  // of the records' hashes: of one record that is missing, the difference is the hash
  };
  using Slices = std::vector<Slice>;         // kSlices
  using Key = std::pair<uint16_t, int32_t>;  // destination's topic, partition

  explicit SpanTally(TimeSpan span) : span_(span) {}
  void add(uint16_t topic, int32_t partition, int64_t timestamp_ms, uint64_t hash);
  [[nodiscard]] const std::map<Key, Slices>& partitions() const { return partitions_; }

 private:
  TimeSpan span_;
  std::map<Key, Slices> partitions_;
};

// One partition of a destination whose records are not those that were sent.
struct PartitionDifference {
  uint16_t topic = 0;
  int32_t partition = 0;
  uint64_t sent = 0;
  uint64_t present = 0;
  bool contents = false;          // some slice has as many records, but others
  std::vector<uint64_t> missing;  // hashes of records that can be named: one was missing in its slice
  std::vector<uint64_t> extra;
};
std::vector<PartitionDifference> compare(const SpanTally& sent, const SpanTally& present);

class Recompute {
 public:
  // `limits` as of graph.topics(); their partitions must be known.
  // Shares the graph for its own life.
  Recompute(std::shared_ptr<const Graph> graph, std::vector<DestinationLimits> limits);

  // What the graph makes of these records of one partition, in order. `source`: index into graph.sources().
  using Output = std::function<void(const OutputRecord& output, const Record& from)>;
  Result<void> run(uint16_t source, std::span<const Record> records, const Output& output);

 private:
  const VersionShare version_;  // shared with nobody; executors take versions
  const std::vector<DestinationLimits> limits_;
  Executor executor_;
  Batch batch_;
};

}  // namespace millrace
