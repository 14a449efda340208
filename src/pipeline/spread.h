// Spread: how evenly records lie over the partitions of each source and destination, and which keys are hot, over the
// last minute. Bounded: counts by partition and 64 counters for keys, for each of six slices of ten seconds.
//
// BatchSpread belongs to a batch and is used by its worker only. SpreadWindow belongs to a worker, which guards it with
// its view's lock. SpreadSum and SpreadStatus are values.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/broker.h"
#include "record/progress.h"

namespace millrace {

struct Batch;
class Graph;

// The most frequent keys of a stream, by the space-saving algorithm (Metwally, Agrawal, El Abbadi 2005): a key that is
// not counted yet takes over the smallest counter, and with it the error that it may have.
class KeySketch {
 public:
  static constexpr size_t kCounters = 64;

  // A record that has the key: where a human finds it without a key being shown. `topic` is the window's own number.
  struct Place {
    uint32_t topic = 0;
    int32_t partition = 0;
    int64_t offset = 0;
  };
  struct Counter {
    uint64_t hash = 0;
    uint64_t weight = 0;
    uint64_t error = 0;        // of `weight`, at most, and always upward
    int32_t to_partition = 0;  // of the node that is looked at
    Place place;
  };

  void add(const Counter& seen);
  void clear();
  [[nodiscard]] uint64_t weight() const { return weight_; }
  [[nodiscard]] const std::vector<Counter>& counters() const { return counters_; }
  // Weight of records without a key: they are in weight(), and in no counter.
  void add_without_key(uint64_t weight) { weight_ += weight; }

 private:
  std::vector<Counter> counters_;
  uint64_t weight_ = 0;
};

// Which records of a batch are looked at: each of the first ones, then ever fewer, at random distances so that a stream
// with a period does not hide keys or double them. Of n records these are about kAll * (1 + ln(n / kAll)), and a share
// is as exact as if 2 * kAll of them had been taken with equal chances, however many n are.
class KeySampling {
 public:
  static constexpr uint32_t kAll = 128;

  void restart() {
    seen_ = until_ = 0;
    stride_ = 1;
  }
  // 0: not this one; else how many records it stands for.
  uint32_t weight() {
    ++seen_;
    if (until_ > 0) {
      --until_;
      return 0;
    }
    const uint32_t weight = stride_;
    stride_ = std::max(1U, seen_ / kAll);
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    until_ = static_cast<uint32_t>(random_ % (2 * stride_ - 1));  // stride_ - 1 on average
    return weight;
  }

 private:
  uint32_t seen_ = 0;
  uint32_t until_ = 0;
  uint32_t stride_ = 1;  // the mean distance to the next one
  uint64_t random_ = 0x9e3779b97f4a7c15U;
};

// What a batch handed to its producer. Begun anew with each replay.
class BatchSpread {
 public:
  struct Sample {
    uint64_t hash = 0;  // 0: no key
    uint32_t tag = 0;
    uint32_t weight = 0;
    int32_t partition = 0;
    uint16_t destination = 0;
  };

  void clear();
  // `topic` counts those of the graph.
  void add(const OutputRecord& record, uint16_t topic) {
    if (topic >= written_.size()) written_.resize(topic + 1U);
    auto& partitions = written_[topic];
    const auto partition = static_cast<size_t>(record.partition);
    if (partition >= partitions.size()) partitions.resize(partition + 1);
    ++partitions[partition];
    if (const uint32_t weight = sampling_.weight(); weight > 0) sample(record, topic, weight);
  }

  // Records by topic and partition; a partition behind the end got none.
  [[nodiscard]] const std::vector<std::vector<uint32_t>>& written() const { return written_; }
  [[nodiscard]] const std::vector<Sample>& samples() const { return samples_; }

 private:
  void sample(const OutputRecord& record, uint16_t topic, uint32_t weight);

  std::vector<std::vector<uint32_t>> written_;
  std::vector<Sample> samples_;
  KeySampling sampling_;
};

struct SpreadNode {
  bool source = false;
  std::string name;  // of the source or destination
  std::string topic;
  auto operator<=>(const SpreadNode&) const = default;
};

struct HotKey {
  double share = 0;       // of the node's records, 0 to 1; what is certain of it
  int32_t partition = 0;  // of the node, where its records lie
  TopicPartition place;   // a source record that has the key
  int64_t offset = 0;
};

// The last minute of one topic of a source or destination.
struct SpreadStatus {
  static constexpr size_t kHotKeys = 5;

  SpreadNode node;
  uint64_t records = 0;
  int32_t partitions = 0;          // of a source: those that this instance reads
  int32_t largest_partition = -1;  // -1: no records
  double largest_share = 0;        // 0 to 1; 0 without records
  double max_over_mean = 0;        // 1 when all are equal; 0 without records
  std::vector<HotKey> hot_keys;    // the hottest first
};

// Sums of several workers.
class SpreadSum {
 public:
  struct Key {
    uint64_t weight = 0;
    int32_t to_partition = 0;
    TopicPartition place;
    int64_t offset = 0;
  };
  struct Node {
    std::vector<uint64_t> partitions;
    std::map<uint64_t, Key> keys;  // by hash
    uint64_t key_weight = 0;       // of all records that were looked at
  };

  Node& node(const SpreadNode& name) { return nodes_[name]; }
  // `partitions`: how many the node's topic has; a node without an entry is left out, one without records is not.
  [[nodiscard]] std::vector<SpreadStatus> status(const std::map<SpreadNode, int32_t>& partitions) const;

 private:
  std::map<SpreadNode, Node> nodes_;
};

class SpreadWindow {
 public:
  static constexpr int64_t kSliceMs = 10'000;
  static constexpr size_t kSlices = 6;

  // Takes over what a committed batch read and wrote. `now_ms` is the monotonic clock's.
  void add(const Batch& batch, const Graph& graph, int64_t now_ms);
  void add_to(SpreadSum& sum, int64_t now_ms) const;

 private:
  struct Slice {
    int64_t number = -1;  // now_ms / kSliceMs when it was filled
    std::vector<uint64_t> partitions;
    KeySketch keys;
  };
  using Slices = std::array<Slice, kSlices>;

  Slice& slice(const SpreadNode& node, int64_t number);
  uint32_t topic_number(const std::string& topic);
  void add_sources(const Batch& batch, const Graph& graph, int64_t number);
  void add_destinations(const Batch& batch, const Graph& graph, int64_t number);

  std::map<SpreadNode, Slices> nodes_;
  std::vector<std::string> topics_;  // of sources, by number
  KeySampling sampling_;
};

}  // namespace millrace
