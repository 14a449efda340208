#include "pipeline/spread.h"

#include <algorithm>
#include <functional>

#include "pipeline/batch.h"
#include "pipeline/graph.h"

namespace millrace {

namespace {

// Never 0, which stands for no key.
uint64_t hash_of(std::string_view key) {
  return std::hash<std::string_view>()(key) | 1U;
}

}  // namespace

void KeySketch::add(const Counter& seen) {
  weight_ += seen.weight;
  Counter* smallest = nullptr;
  for (Counter& counter : counters_) {
    if (counter.hash == seen.hash) {
      counter.weight += seen.weight;
      counter.place = seen.place;
      counter.to_partition = seen.to_partition;
      return;
    }
    if (smallest == nullptr || counter.weight < smallest->weight) smallest = &counter;
  }
  if (counters_.size() < kCounters) {
    counters_.push_back(seen);
    return;
  }
  const uint64_t before = smallest->weight;
  *smallest = seen;
  smallest->weight += before;
  smallest->error = before;
}

void KeySketch::clear() {
  counters_.clear();
  weight_ = 0;
}

void BatchSpread::clear() {
  for (auto& partitions : written_) std::fill(partitions.begin(), partitions.end(), 0);
  samples_.clear();
  sampling_.restart();
}

void BatchSpread::sample(const OutputRecord& record, uint16_t topic, uint32_t weight) {
  samples_.push_back(
      {record.key.is_null() ? 0 : hash_of(record.key.view()), record.tag, weight, record.partition, topic});
}

std::vector<SpreadStatus> SpreadSum::status(const std::map<SpreadNode, int32_t>& partitions) const {
  std::vector<SpreadStatus> all;
  for (const auto& [name, count] : partitions) {
    SpreadStatus status;
    status.node = name;
    status.partitions = count;
    if (const auto found = nodes_.find(name); found != nodes_.end()) {
      const Node& node = found->second;
      uint64_t most = 0;
      for (size_t i = 0; i < node.partitions.size(); ++i) {
        status.records += node.partitions[i];
        if (node.partitions[i] <= most) continue;
        most = node.partitions[i];
        status.largest_partition = static_cast<int32_t>(i);
      }
      if (status.records > 0) {
        status.largest_share = static_cast<double>(most) / static_cast<double>(status.records);
        status.max_over_mean = status.largest_share * std::max(1, count);
      }
      for (const auto& [hash, key] : node.keys) {
        const double share =
            static_cast<double>(key.weight) / static_cast<double>(std::max<uint64_t>(1, node.key_weight));
        status.hot_keys.push_back({share, key.to_partition, key.place, key.offset});
      }
      std::stable_sort(status.hot_keys.begin(), status.hot_keys.end(),
                       [](const HotKey& a, const HotKey& b) { return a.share > b.share; });
      if (status.hot_keys.size() > SpreadStatus::kHotKeys) status.hot_keys.resize(SpreadStatus::kHotKeys);
    }
    all.push_back(std::move(status));
  }
  return all;
}

void SpreadWindow::add(const Batch& batch, const Graph& graph, int64_t now_ms) {
  const int64_t number = now_ms / kSliceMs;
  // What was not touched for a window is gone, also when a new version of the graph took its node away.
  std::erase_if(nodes_, [number](const auto& node) {
    return std::all_of(node.second.begin(), node.second.end(),
                       [number](const Slice& slice) { return slice.number + static_cast<int64_t>(kSlices) <= number; });
  });
  add_sources(batch, graph, number);
  add_destinations(batch, graph, number);
}

SpreadWindow::Slice& SpreadWindow::slice(const SpreadNode& node, int64_t number) {
  Slice& slice = nodes_[node][static_cast<size_t>(number) % kSlices];
  if (slice.number != number) {
    slice.number = number;
    std::fill(slice.partitions.begin(), slice.partitions.end(), 0);
    slice.keys.clear();
  }
  return slice;
}

uint32_t SpreadWindow::topic_number(const std::string& topic) {
  size_t number = 0;
  while (number < topics_.size() && topics_[number] != topic) ++number;
  if (number == topics_.size()) topics_.push_back(topic);
  return static_cast<uint32_t>(number);
}

void SpreadWindow::add_sources(const Batch& batch, const Graph& graph, int64_t number) {
  for (const Chunk& chunk : batch.chunks) {
    const Origin& origin = *batch.records[chunk.first].origin;
    Slice& to = slice({true, graph.sources()[origin.source].name, origin.topic}, number);
    const auto partition = static_cast<size_t>(origin.partition);
    if (partition >= to.partitions.size()) to.partitions.resize(partition + 1);
    to.partitions[partition] += chunk.count;
    const uint32_t topic = topic_number(origin.topic);
    for (size_t i = chunk.first; i < chunk.first + chunk.count; ++i) {
      const uint32_t weight = sampling_.weight();
      if (weight == 0) continue;
      const Record& record = batch.records[i];
      if (record.key.is_null()) {
        to.keys.add_without_key(weight);
      } else {
        to.keys.add(
            {hash_of(record.key.view()), weight, 0, origin.partition, {topic, origin.partition, record.offset}});
      }
    }
  }
  sampling_.restart();
}

void SpreadWindow::add_destinations(const Batch& batch, const Graph& graph, int64_t number) {
  std::vector<Slice*> slices;
  const auto& written = batch.spread.written();
  for (size_t i = 0; i < written.size() && i < graph.topics().size(); ++i) {
    const TopicNode& topic = graph.topics()[i];
    Slice& to = *slices.emplace_back(&slice({false, topic.destination, topic.topic}, number));
    if (to.partitions.size() < written[i].size()) to.partitions.resize(written[i].size());
    for (size_t p = 0; p < written[i].size(); ++p) to.partitions[p] += written[i][p];
  }
  for (const BatchSpread::Sample& sample : batch.spread.samples()) {
    Slice& to = *slices[sample.destination];
    if (sample.hash == 0) {
      to.keys.add_without_key(sample.weight);
      continue;
    }
    const Record& record = batch.records[batch.tags[sample.tag].record];
    to.keys.add({sample.hash,
                 sample.weight,
                 0,
                 sample.partition,
                 {topic_number(record.origin->topic), record.origin->partition, record.offset}});
  }
}

void SpreadWindow::add_to(SpreadSum& sum, int64_t now_ms) const {
  const int64_t number = now_ms / kSliceMs;
  for (const auto& [name, slices] : nodes_) {
    SpreadSum::Node& to = sum.node(name);
    for (const Slice& slice : slices) {
      if (slice.number < 0 || slice.number + static_cast<int64_t>(kSlices) <= number) continue;
      if (to.partitions.size() < slice.partitions.size()) to.partitions.resize(slice.partitions.size());
      for (size_t i = 0; i < slice.partitions.size(); ++i) to.partitions[i] += slice.partitions[i];
      to.key_weight += slice.keys.weight();
      for (const KeySketch::Counter& counter : slice.keys.counters()) {
        SpreadSum::Key& key = to.keys[counter.hash];
        key.weight += counter.weight - counter.error;
        key.to_partition = counter.to_partition;
        key.place = {topics_[counter.place.topic], counter.place.partition};
        key.offset = counter.place.offset;
      }
    }
  }
}

}  // namespace millrace
