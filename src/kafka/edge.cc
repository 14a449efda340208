#include "kafka/edge.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "kafka/at_least_once_broker.h"
#include "kafka/clerk.h"
#include "kafka/deadline.h"
#include "kafka/group.h"
#include "kafka/shared.h"
#include "kafka/transactional_broker.h"
#include "kafka/version.h"

namespace millrace {

class Edge::Impl {
 public:
  Impl(EdgeSettings settings, const Clock& clock)
      : shared_(std::move(settings), clock), clerk_(shared_), group_(shared_, clerk_) {}

  Result<void> open() {
    TRY(check_rdkafka_version());
    // Every configuration is tried once, so that a refused setting is known before anything starts.
    TRY(consumer_conf(shared_.settings, FetchLimits()));
    ProducerKind kind;
    kind.delivery = shared_.settings.delivery;
    kind.transactional_id = transactional_id(shared_.settings, 0, 0);
    TRY(producer_conf(shared_.settings, kind));
    TRY_ASSIGN(shared_.admin, Admin::create(shared_.settings));
    // More of them than ever before: written before the first one writes. Fewer: when their ids have been ended.
    const int before = shared_.state_files.workers().value_or(0);
    if (shared_.settings.workers > before) TRY(shared_.state_files.write_workers(shared_.settings.workers));
    return {};
  }

  // Members are destroyed in the reverse of this order: the group before the clerk before what they share.
  EdgeShared shared_;
  Clerk clerk_;
  Group group_;
  bool clerk_started_ = false;
  bool running_ = false;
  bool abandoned_ = false;  // the group's thread did not end and still uses all this
};

Edge::Edge(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Edge::~Edge() {
  constexpr int64_t kLastStopMs = 10'000;
  if (impl_->running_) stop(kLastStopMs);
  if (impl_->abandoned_) static_cast<void>(impl_.release());
}

Result<std::unique_ptr<Edge>> Edge::create(EdgeSettings settings, const Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(settings), clock);
  TRY(impl->open());
  return std::unique_ptr<Edge>(new Edge(std::move(impl)));
}

std::unique_ptr<Broker> Edge::make_broker(int worker) {
  // The brokers' limits are asked for from here on: workers start before the group does.
  if (!impl_->clerk_started_) impl_->clerk_.start();
  impl_->clerk_started_ = true;
  if (impl_->shared_.settings.delivery == Delivery::exactly_once) {
    return std::make_unique<TransactionalBroker>(impl_->shared_, worker);
  }
  return std::make_unique<AtLeastOnceBroker>(impl_->shared_, worker);
}

void Edge::run(PartitionOwner& owner) {
  if (!impl_->clerk_started_) impl_->clerk_.start();
  impl_->clerk_started_ = true;
  impl_->running_ = true;
  impl_->group_.run(owner);
}

std::vector<uint16_t> Edge::add_destinations(const std::vector<DestinationSettings>& destinations) {
  std::vector<uint16_t> places = impl_->shared_.destinations.add(destinations);
  impl_->shared_.clerk_wake.notify();
  return places;
}

std::string Edge::hindrance(const std::vector<uint16_t>& destinations, bool& asked) const {
  asked = true;
  std::string found;
  const LimitsShare limits = impl_->shared_.destinations.limits();
  for (const uint16_t index : destinations) {
    asked = asked && impl_->shared_.destinations.asked(index);
    const DestinationLimits& limit = (*limits)[index];
    if (found.empty() && (!limit.reachable || limit.partitions == 0)) found = limit.state;
  }
  return found;
}

void Edge::tune(const ProducerTuning& tuning) {
  {
    MutexLock lock(impl_->shared_.tuning_mutex);
    if (impl_->shared_.tuning == tuning) return;
    impl_->shared_.tuning = tuning;
  }
  impl_->shared_.destinations.outdate_producers();
}

void Edge::keep_destinations(const std::vector<uint16_t>& destinations) {
  impl_->shared_.destinations.keep(destinations);
}

std::optional<Error> Edge::failure() const {
  return impl_->shared_.failure.get();
}

namespace {

// The topics that are written to and those that are read, as the brokers last told.
void add_topics(EdgeSnapshot& snapshot, const Clerk& clerk, const Destinations& destinations) {
  const LimitsShare limits = destinations.limits();
  const std::vector<DestinationSettings> used = destinations.used();
  std::map<std::string, KeptTopic> kept = clerk.destination_topics();
  for (size_t i = 0; i < std::min(used.size(), limits->size()); ++i) {
    if (used[i].topic.empty()) continue;
    KeptTopic& topic = kept[used[i].topic];
    snapshot.destinations.push_back({used[i].topic, (*limits)[i], topic.replication, std::move(topic.settings)});
  }
  std::map<std::string, TopicSettings> settings = clerk.source_settings();
  for (const auto& [topic, facts] : clerk.sources()) {
    SourceTopicSnapshot& source = snapshot.sources.emplace_back();
    source.topic = topic;
    source.partitions = facts.partitions;
    source.replication = facts.replication;
    if (const auto at = settings.find(topic); at != settings.end()) source.settings = std::move(at->second);
  }
}

}  // namespace

EdgeSnapshot Edge::snapshot() const {
  EdgeSnapshot snapshot;
  const GroupView view = impl_->group_.view();
  snapshot.state = view.state;
  snapshot.trouble = view.trouble;
  if (snapshot.trouble.empty()) snapshot.trouble = impl_->clerk_.trouble().text;
  snapshot.member_id = view.member_id;
  snapshot.generation = view.generation;
  snapshot.subscribed = view.subscribed;
  snapshot.ever_assigned = view.ever_assigned;
  snapshot.last_turn_ms = impl_->group_.last_turn_ms();
  snapshot.partitions_of_sources = impl_->clerk_.partitions_of_sources();
  for (const PartitionTable::StatePointer& state : impl_->shared_.partitions.all()) {
    PartitionSnapshot partition;
    partition.partition = state->partition;
    partition.source = state->source;
    partition.position = state->position;
    partition.committed = state->committed;
    partition.low = state->low;
    partition.end = state->end;
    partition.high = state->high;
    partition.ends_wall_ms = state->ends_wall_ms;
    partition.low_pace = state->low_pace;
    partition.first_time_ms = state->first_time_ms;
    if (partition.end >= 0 && partition.committed >= 0) {
      partition.lag = std::max<int64_t>(partition.end - partition.committed, 0);
    }
    // Where nothing is left to read, nobody misses it.
    const auto unread = static_cast<rd_kafka_resp_err_t>(state->unread.load());
    if (snapshot.trouble.empty() && unread != RD_KAFKA_RESP_ERR_NO_ERROR && partition.position != partition.end) {
      snapshot.trouble = "reading " + partition.partition.text() + ": " + rd_kafka_err2str(unread);
    }
    snapshot.partitions.push_back(std::move(partition));
  }
  for (const auto& entry : view.stopped) {
    const auto at =
        std::find_if(snapshot.partitions.begin(), snapshot.partitions.end(),
                     [&](const PartitionSnapshot& partition) { return partition.partition == entry.first; });
    PartitionSnapshot& partition = at == snapshot.partitions.end() ? snapshot.partitions.emplace_back() : *at;
    partition.partition = entry.first;
    partition.stopped = entry.second;
  }
  snapshot.brokers = impl_->group_.brokers();
  add_topics(snapshot, impl_->clerk_, impl_->shared_.destinations);
  snapshot.readers = impl_->clerk_.readers();
  for (const ProducerTable::Row& row : impl_->shared_.producers.rows()) {
    const ProducerStatistics& said = row.statistics;
    snapshot.producers.push_back({row.worker, row.load, said.queued_records, said.queued_bytes, said.bytes_max,
                                  said.ack_p50_ms, said.ack_p99_ms, said.request_p50_ms, said.request_p99_ms});
  }
  snapshot.counters.rebalances = view.rebalances;
  snapshot.counters.partitions_lost = view.partitions_lost;
  snapshot.counters.revokes_overdue = view.revokes_overdue;
  snapshot.counters.data_losses = view.data_losses;
  snapshot.counters.offsets_skipped = view.offsets_skipped;
  snapshot.counters.outcomes_unknown = impl_->shared_.outcomes_unknown;
  snapshot.counters.producers_discarded = impl_->shared_.reaper.discarded();
  snapshot.counters.producers_outstanding = impl_->shared_.reaper.outstanding();
  return snapshot;
}

// Order: held messages first (the consumer's destroy would wait for them), then the group, then the rest.
EdgeStop Edge::stop(int64_t deadline_ms) {
  const Deadline deadline(impl_->shared_.clock, deadline_ms);
  EdgeStop stop;
  impl_->clerk_.hurry();
  const bool free = impl_->shared_.reaper.drain(std::max<int64_t>(deadline.left_ms() / 2, 1));
  if (!free) stop.what = "a discarded producer is not destroyed yet; its batch stays in memory";
  const bool left = impl_->group_.stop(deadline.left_ms(), free);
  if (!left && stop.what.empty()) stop.what = "the consumer did not close in time";
  impl_->running_ = false;
  stop.complete = free && left;
  if (stop.complete) {
    impl_->clerk_.stop();
  } else {
    impl_->abandoned_ = true;
  }
  return stop;
}

}  // namespace millrace
