#include "pipeline/live_reconcile.h"

#include <algorithm>
#include <numeric>

namespace millrace {

namespace {

int64_t written(const LiveReconcile::Seen& seen, const std::string& topic) {
  const auto found = seen.written.find(topic);
  return found == seen.written.end() ? 0 : static_cast<int64_t>(found->second);
}

}  // namespace

LiveReconcile::Seen LiveReconcile::seen(const Snapshot& engine, uint64_t rebalances, std::string alone) {
  Seen seen;
  for (const auto& [topic, sum] : engine.totals.written) seen.written[topic] = sum.records + sum.markers;
  const auto& recoveries = engine.totals.recoveries;
  seen.disturbances = std::accumulate(recoveries.begin(), recoveries.end(), rebalances);
  seen.disturbances += engine.totals.batches[static_cast<size_t>(BatchResult::dropped)];
  seen.alone = std::move(alone);
  return seen;
}

void LiveReconcile::change(const std::vector<Topic>& topics) {
  std::vector<ReconcileStatus> status;
  std::map<std::string, Baseline> baselines;
  for (const Topic& topic : topics) {
    ReconcileStatus& fresh = status.emplace_back();
    fresh = {topic.destination, topic.topic, false, topic.undecidable, 0};
    if (!topic.undecidable.empty()) continue;
    fresh.reason = "not looked at yet";
    const auto known = baselines_.find(topic.topic);
    if (known == baselines_.end()) continue;
    baselines.insert(*known);
    const auto same = [&topic](const ReconcileStatus& one) { return one.topic == topic.topic && one.decidable; };
    const auto before = std::find_if(status_.begin(), status_.end(), same);
    if (before == status_.end()) continue;
    fresh = *before;
    fresh.destination = topic.destination;
  }
  topics_ = topics;
  status_ = std::move(status);
  baselines_ = std::move(baselines);
}

void LiveReconcile::unknown(const std::string& why) {
  for (size_t i = 0; i < topics_.size(); ++i) {
    if (!topics_[i].undecidable.empty()) continue;
    status_[i].decidable = false;
    status_[i].reason = why;
  }
}

void LiveReconcile::add(const Seen& before, const std::map<std::string, TopicEnds>& ends, const Seen& after) {
  for (size_t i = 0; i < topics_.size(); ++i) {
    if (!topics_[i].undecidable.empty()) continue;
    const std::string& topic = topics_[i].topic;
    ReconcileStatus& status = status_[i];
    const auto end = ends.find(topic);
    const std::string& alone = before.alone.empty() ? after.alone : before.alone;
    if (end == ends.end() || !alone.empty() || before.disturbances != after.disturbances) {
      baselines_.erase(topic);
      status = {status.destination, topic, false, "", 0};
      status.reason = end == ends.end() ? "the ends of its partitions are not known"
                      : !alone.empty()  ? alone
                                        : "a batch was recovered or dropped just now";
      continue;
    }
    const auto known = baselines_.find(topic);
    if (known == baselines_.end() || known->second.after.disturbances != before.disturbances) {
      baselines_[topic] = {before, after, end->second};
      status = {status.destination, topic, true, "", 0};
      continue;
    }
    const Baseline& base = known->second;
    const int64_t foreign = end->second.stable - base.ends.high - (written(after, topic) - written(base.before, topic));
    const int64_t gone = written(before, topic) - written(base.after, topic) - (end->second.high - base.ends.stable);
    status.decidable = true;
    status.reason.clear();
    status.difference = foreign > 0 ? foreign : gone > 0 ? -gone : 0;
  }
}

}  // namespace millrace
