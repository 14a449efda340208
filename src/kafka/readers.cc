#include "kafka/readers.h"

#include <algorithm>

namespace millrace {

namespace {

std::vector<TopicPartition> partitions_of_topic(const std::string& topic, int32_t count) {
  std::vector<TopicPartition> partitions;
  for (int32_t p = 0; p < count; ++p) partitions.push_back({topic, p});
  return partitions;
}

KafkaResult<Progress> ask(Admin& admin, const std::vector<TopicPartition>& partitions, int64_t at, int timeout_ms) {
  std::map<TopicPartition, OffsetQuestion> questions;
  for (const TopicPartition& partition : partitions) questions[partition] = OffsetQuestion{at};
  const auto answers = admin.offsets(questions, timeout_ms);
  if (!answers) return tl::make_unexpected(answers.error());
  Progress found;
  for (const auto& [partition, answer] : *answers) {
    if (answer.error.ok()) found[partition] = answer.offset;
  }
  return found;
}

}  // namespace

ReaderSnapshot reader_lag(const DestinationSettings& destination, const std::string& group, int32_t partitions,
                          const Progress& committed, const Progress& starts, const Progress& ends) {
  ReaderSnapshot reader{destination.name, destination.topic, group, {}};
  for (const TopicPartition& partition : partitions_of_topic(destination.topic, partitions)) {
    const auto end = ends.find(partition);
    if (end == ends.end()) continue;
    auto from = committed.find(partition);
    if (from == committed.end()) {
      from = starts.find(partition);
      if (from == starts.end()) continue;
    }
    reader.lag[partition.partition] = std::max<int64_t>(end->second - from->second, 0);
  }
  return reader;
}

ReaderLags ask_reader_lags(Admin& admin, const std::vector<DestinationSettings>& destinations, const LimitsList& limits,
                           int timeout_ms) {
  ReaderLags lags;
  for (size_t i = 0; i < destinations.size() && i < limits.size(); ++i) {
    const DestinationSettings& destination = destinations[i];
    if (destination.readers.empty() || limits[i].partitions == 0 || !limits[i].reachable) continue;
    const std::vector<TopicPartition> all = partitions_of_topic(destination.topic, limits[i].partitions);
    const KafkaResult<Progress> ends = ask(admin, all, OffsetQuestion::kLatest, timeout_ms);
    if (!ends) {
      lags.trouble = destination.topic + ": " + ends.error().text;
      if (is_silence(ends.error().code)) return lags;
      continue;
    }
    for (const std::string& group : destination.readers) {
      const KafkaResult<Progress> committed = admin.group_offsets(group, all, timeout_ms);
      KafkaResult<Progress> starts = Progress();
      if (committed && committed->size() < all.size()) starts = ask(admin, all, OffsetQuestion::kEarliest, timeout_ms);
      if (!committed || !starts) {
        const KafkaError& error = committed ? starts.error() : committed.error();
        lags.trouble = error.text;
        if (is_silence(error.code)) return lags;
        continue;
      }
      lags.readers.push_back(reader_lag(destination, group, limits[i].partitions, *committed, *starts, *ends));
    }
  }
  return lags;
}

}  // namespace millrace
