#include "status/view.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/log.h"
#include "kafka/retention.h"

namespace millrace {

std::vector<std::string> reasons_not_ready(const View& view) {
  std::vector<std::string> reasons;
  if (!view.ending.empty()) reasons.push_back("ending: " + view.ending);
  if (!view.standstill.empty()) reasons.push_back("no progress: " + view.standstill);
  const EdgeSnapshot& edge = view.edge;
  if (!edge.trouble.empty()) reasons.push_back(edge.trouble);
  // A rebalance in a running pipeline is no reason: the other partitions go on meanwhile.
  const bool in_group =
      edge.state == GroupState::steady || (edge.state == GroupState::rebalancing && edge.ever_assigned);
  if (!in_group) reasons.push_back("consumer group: " + std::string(to_string(edge.state)));
  if (!view.engine.ready) {
    reasons.push_back(view.engine.not_ready.empty() ? "the workers are not ready" : view.engine.not_ready);
  }
  for (const PartitionView& each : partition_views(view)) {
    if (!each.stopped.empty()) reasons.push_back("partition " + each.partition.text() + " stopped: " + each.stopped);
  }
  return reasons;
}

std::vector<PartitionView> partition_views(const View& view) {
  std::map<TopicPartition, PartitionView> all;
  std::map<std::string, const TopicSettings*> settings;
  for (const SourceTopicSnapshot& source : view.edge.sources) {
    if (source.settings) settings[source.topic] = &*source.settings;
  }
  std::map<TopicPartition, int64_t> last_times_ms;
  for (const PartitionStatus& from : view.engine.partitions) last_times_ms[from.partition] = from.last_timestamp_ms;
  for (const PartitionSnapshot& from : view.edge.partitions) {
    PartitionView& to = all[from.partition];
    to.committed = from.committed;
    to.low = from.low;
    to.end = from.end;
    to.lag_records = from.lag;
    to.stopped = from.stopped;
    const auto kept = settings.find(from.partition.topic);
    if (kept == settings.end()) continue;
    // The last committed record stands just before the oldest unread one; before the first commit, the first one read.
    const auto last = last_times_ms.find(from.partition);
    const bool known = last != last_times_ms.end() && last->second >= 0;
    const Unread unread{from.low, from.committed, from.end, from.low_pace, known ? last->second : from.first_time_ms};
    to.headroom_seconds = retention_headroom_s(*kept->second, unread, view.engine.wall_ms);
  }
  for (const PartitionStatus& from : view.engine.partitions) {
    PartitionView& to = all[from.partition];
    to.worker = from.worker;
    to.committed = std::max(to.committed, from.committed);
    if (to.stopped.empty()) to.stopped = from.error;
    if (to.lag_records == 0 || (to.lag_records < 0 && from.at_end)) {
      to.lag_seconds = 0;
    } else if (from.last_timestamp_ms >= 0) {
      to.lag_seconds = std::max(0.0, static_cast<double>(view.engine.wall_ms - from.last_timestamp_ms) / 1e3);
    }
  }
  std::vector<PartitionView> sorted;
  sorted.reserve(all.size());
  for (auto& [partition, each] : all) {
    each.partition = partition;
    sorted.push_back(std::move(each));
  }
  return sorted;
}

int64_t lag_of(const std::vector<PartitionView>& partitions) {
  int64_t sum = -1;
  for (const PartitionView& each : partitions) {
    if (each.lag_records >= 0) sum = std::max<int64_t>(sum, 0) + each.lag_records;
  }
  return sum;
}

std::map<std::string, double> storage_needed(const View& view) {
  std::map<std::string, double> all;
  for (const DestinationSnapshot& each : view.edge.destinations) {
    const auto written = view.written.find(each.topic);
    if (!each.settings || written == view.written.end()) continue;
    const auto bytes = storage_bytes(*each.settings, written->second, each.limits.partitions, each.replication);
    if (bytes) all[each.topic] = *bytes;
  }
  return all;
}

ProcessFacts read_process_facts() {
  ProcessFacts facts;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    facts.cpu_seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  }
  uint64_t pages = 0;
  uint64_t resident_pages = 0;
  std::ifstream statm("/proc/self/statm");
  if (statm >> pages >> resident_pages) {
    facts.resident_bytes = resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  facts.log_lines_suppressed = log_lines_suppressed();
  facts.log_lines_lost = log_lines_lost();
  return facts;
}

}  // namespace millrace
