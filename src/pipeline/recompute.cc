#include "pipeline/recompute.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace millrace {

namespace {

uint64_t mixed(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdU;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53U;
  return value ^ (value >> 33);
}

uint64_t hash_of(const Bytes& bytes) {
  constexpr uint64_t kNull = 0x6e756c6c;
  return bytes.is_null() ? kNull : std::hash<std::string_view>()(bytes.view());
}

}  // namespace

uint64_t record_hash(const Bytes& key, const Bytes& value, int64_t timestamp_ms) {
  return mixed(hash_of(key) + 3 * mixed(hash_of(value)) + 5 * mixed(static_cast<uint64_t>(timestamp_ms)));
}

void SpanTally::add(uint16_t topic, int32_t partition, int64_t timestamp_ms, uint64_t hash) {
  CHECK(span_.holds(timestamp_ms));
  Slices& slices = partitions_[{topic, partition}];
  if (slices.empty()) slices.resize(kSlices);
  const double place = static_cast<double>(timestamp_ms - span_.begin_ms) /
                       static_cast<double>(span_.end_ms - span_.begin_ms) * static_cast<double>(kSlices);
  Slice& slice = slices[std::min(static_cast<size_t>(place), kSlices - 1)];
  ++slice.records;
  slice.sum += hash;
}

std::vector<PartitionDifference> compare(const SpanTally& sent, const SpanTally& present) {
  static const SpanTally::Slices kNothing(SpanTally::kSlices);
  std::map<SpanTally::Key, std::pair<const SpanTally::Slices*, const SpanTally::Slices*>> both;
  for (const auto& [key, slices] : sent.partitions()) both[key] = {&slices, &kNothing};
  for (const auto& [key, slices] : present.partitions()) {
    auto& pair = both.try_emplace(key, &kNothing, &kNothing).first->second;
    pair.second = &slices;
  }
  std::vector<PartitionDifference> differences;
  for (const auto& [key, pair] : both) {
    PartitionDifference difference;
    difference.topic = key.first;
    difference.partition = key.second;
    bool differs = false;
    for (size_t i = 0; i < SpanTally::kSlices; ++i) {
      const SpanTally::Slice& out = (*pair.first)[i];
      const SpanTally::Slice& there = (*pair.second)[i];
      difference.sent += out.records;
      difference.present += there.records;
      if (out.records == there.records && out.sum == there.sum) continue;
      differs = true;
      if (out.records == there.records) difference.contents = true;
      if (out.records == there.records + 1) difference.missing.push_back(out.sum - there.sum);
      if (out.records + 1 == there.records) difference.extra.push_back(there.sum - out.sum);
    }
    if (differs) differences.push_back(std::move(difference));
  }
  return differences;
}

// Shared: a version wants it so; nobody changes over here.
Recompute::Recompute(std::shared_ptr<const Graph> shared, std::vector<DestinationLimits> limits)
    : version_(first_version(std::move(shared), {})), limits_(std::move(limits)), executor_(*version_) {
  const Graph& graph = *version_->graph;
  std::vector<size_t> ports;
  for (const StageNode& stage : graph.stages()) ports.push_back(stage.ports.size());
  batch_.counts.shape(graph.sources().size(), ports, graph.destination_topics());
}

Result<void> Recompute::run(uint16_t source, std::span<const Record> records, const Output& output) {
  CHECK(source < version_->graph->sources().size());
  for (size_t first = 0; first < records.size(); first += Executor::kChunkRecords) {
    const auto chunk = records.subspan(first, std::min(Executor::kChunkRecords, records.size() - first));
    Origin origin = *chunk[0].origin;
    origin.source = source;
    batch_.records.assign(chunk.begin(), chunk.end());
    for (Record& record : batch_.records) record.origin = &origin;
    batch_.now_ms = chunk[0].timestamp_ms;
    batch_.pending.clear();
    batch_.tags.clear();
    batch_.output_arena->reset();
    batch_.counts.clear();
    TRY(executor_.run(batch_, {0, 0, chunk.size()}, limits_));
    for (const OutputRecord& made : batch_.pending) output(made, batch_.records[batch_.tags[made.tag].record]);
  }
  return {};
}

}  // namespace millrace
