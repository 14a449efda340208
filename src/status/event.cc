#include "status/event.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace millrace {
namespace {

// "orders 0-3, 7" for partitions in ascending order.
std::string ranges(const std::string& topic, const std::vector<int32_t>& partitions) {
  std::string text = topic;
  for (size_t i = 0; i < partitions.size();) {
    size_t last = i;
    while (last + 1 < partitions.size() && partitions[last + 1] == partitions[last] + 1) ++last;
    text += i == 0 ? " " : ", ";
    text += std::to_string(partitions[i]);
    if (last > i) text += fmt::format("-{}", partitions[last]);
    i = last + 1;
  }
  return text;
}

class Differ {
 public:
  Differ(const View& before, const View& now) : before_(before), now_(now) {}

  std::vector<Event> run() {
    partitions();
    connections();
    for (const WorkerStatus& worker : now_.engine.workers) look_at(worker);
    destinations();
    counters();
    return std::move(events_);
  }

 private:
  void add(const char* kind, std::string subject, std::string text) {
    events_.push_back({now_.engine.wall_ms, kind, std::move(subject), std::move(text)});
  }

  void partitions() {
    const auto assigned = [](const View& view) {
      std::set<TopicPartition> all;
      for (const PartitionSnapshot& each : view.edge.partitions) all.insert(each.partition);
      return all;
    };
    const std::set<TopicPartition> before = assigned(before_);
    const std::set<TopicPartition> now = assigned(now_);
    add_partitions("partition_assigned", now, before);
    const bool lost = now_.edge.counters.partitions_lost > before_.edge.counters.partitions_lost;
    add_partitions(lost ? "partition_lost" : "partition_revoked", before, now);
    std::map<TopicPartition, std::string> stopped;
    for (const PartitionSnapshot& each : before_.edge.partitions) stopped[each.partition] = each.stopped;
    for (const PartitionSnapshot& each : now_.edge.partitions) {
      if (!each.stopped.empty() && stopped[each.partition] != each.stopped) {
        add("partition_stopped", each.partition.text(), each.stopped);
      }
    }
  }

  // Those of `has` that `lacks` does not have.
  void add_partitions(const char* kind, const std::set<TopicPartition>& has, const std::set<TopicPartition>& lacks) {
    std::map<std::string, std::vector<int32_t>> by_topic;
    for (const TopicPartition& each : has) {
      if (lacks.count(each) == 0) by_topic[each.topic].push_back(each.partition);
    }
    for (const auto& [topic, partitions] : by_topic) {
      add(kind, ranges(topic, partitions), fmt::format("{} of now {}", partitions.size(), now_.edge.partitions.size()));
    }
  }

  void connections() {
    std::map<int32_t, bool> up;
    for (const BrokerSnapshot& broker : before_.edge.brokers) up[broker.id] = broker.state == "UP";
    for (const BrokerSnapshot& broker : now_.edge.brokers) {
      const bool is_up = broker.state == "UP";
      const auto known = up.find(broker.id);
      if (known == up.end() || known->second == is_up) continue;
      add(is_up ? "connection_regained" : "connection_lost", fmt::format("broker {} {}", broker.id, broker.address),
          broker.state);
    }
    if (before_.edge.trouble.empty() && !now_.edge.trouble.empty()) {
      add("connection_lost", "brokers", now_.edge.trouble);
    } else if (!before_.edge.trouble.empty() && now_.edge.trouble.empty()) {
      add("connection_regained", "brokers", "was: " + before_.edge.trouble);
    }
  }

  void look_at(const WorkerStatus& worker) {
    const auto found = std::find_if(before_.engine.workers.begin(), before_.engine.workers.end(),
                                    [&worker](const WorkerStatus& each) { return each.worker == worker.worker; });
    const WorkerState was = found == before_.engine.workers.end() ? WorkerState::starting : found->state;
    if (was == worker.state) return;
    const std::string subject = fmt::format("worker {}", worker.worker);
    if (was == WorkerState::starting) add("worker_started", subject, std::string(to_string(worker.state)));
    if (worker.state == WorkerState::ended) {
      add(worker.last_error.empty() || now_.engine.stopping ? "worker_stopped" : "worker_failed", subject,
          worker.last_error);
    } else if (worker.state == WorkerState::blocked) {
      add("worker_blocked", subject, worker.reason);
    } else if (was == WorkerState::blocked) {
      add("worker_goes_on", subject, found->reason.empty() ? "" : "was: " + found->reason);
    }
  }

  void destinations() {
    std::map<std::string, bool> usable;
    for (const DestinationStatus& each : before_.engine.destinations) usable[each.topic] = each.usable;
    for (const DestinationStatus& each : now_.engine.destinations) {
      const auto known = usable.find(each.topic);
      if (known == usable.end() || known->second == each.usable) continue;
      add(each.usable ? "destination_usable" : "destination_unusable", each.topic, each.state);
    }
  }

  void counters() {
    for (size_t i = 0; i < kFaultCount; ++i) {
      const uint64_t more = now_.engine.totals.recoveries[i] - before_.engine.totals.recoveries[i];
      if (more > 0) add("recovery", std::string(to_string(static_cast<Fault>(i))), fmt::format("{} more", more));
    }
    const uint64_t losses = now_.edge.counters.data_losses - before_.edge.counters.data_losses;
    if (losses > 0) {
      const uint64_t skipped = now_.edge.counters.offsets_skipped - before_.edge.counters.offsets_skipped;
      add("data_loss", "source", fmt::format("{} times, {} offsets passed over", losses, skipped));
    }
  }

  const View& before_;
  const View& now_;
  std::vector<Event> events_;
};

}  // namespace

std::vector<Event> events_between(const View& before, const View& now) {
  return Differ(before, now).run();
}

}  // namespace millrace
