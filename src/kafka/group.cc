// The group's loop: one thing under way at a time, each step short.
#include "kafka/group.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "kafka/partition_list.h"
#include "kafka/partition_queue.h"

namespace millrace {

namespace {
constexpr int kIdlePollMs = 50;
constexpr int kBusyPollMs = 2;
}  // namespace

void Group::turn() {
  last_turn_ms_ = shared_.clock.mono_ms();
  serve_consumer(doing_ == Doing::nothing ? kIdlePollMs : kBusyPollMs);
  step();
  if (doing_ == Doing::nothing) look_for_losses();
  judge_refusal();
  renew_identity();
  forget_old_complaint();
  look_at_growth();
  look_at_coverage();
  look_at_joining();
}

void Group::serve_consumer(int wait_ms) {
  rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer_.get(), wait_ms);
  if (message == nullptr) return;
  const rd_kafka_resp_err_t code = message->err;
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    rd_kafka_message_destroy(message);
    return end_fatally();
  }
  const char* text = rd_kafka_message_errstr(message);
  KafkaError error = error_of(code);
  if (text != nullptr) error.text = escape_for_log(text, 512);
  const TopicPartition partition{message->rkt != nullptr ? rd_kafka_topic_name(message->rkt) : "", message->partition};
  rd_kafka_message_destroy(message);
  // Partition queues are detached before they are assigned; a record here would be one that no worker sees.
  CHECK_MSG(code != RD_KAFKA_RESP_ERR_NO_ERROR, "the group's thread was given a record of " + partition.text());
  if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) return;
  if (!partition.topic.empty() && error.text.find(partition.topic) == std::string::npos) {
    error.text = partition.topic + ": " + error.text;
  }
  complain(error);
}

void Group::step() {
  // A rebalance goes before what is being asked, also before what we began ourselves: the group waits for it.
  if (doing_ == Doing::resolving && !events_.empty()) {
    resolver_->cancel(question_);
    doing_ = Doing::nothing;
    postpone(std::exchange(asked_, {}));
  }
  switch (doing_) {
    case Doing::nothing:
      if (!events_.empty()) {
        begin_event();
      } else if (!postponed_.partitions.empty()) {
        begin_assign(std::exchange(postponed_, {}));
      }
      return;
    case Doing::resolving:
      return step_resolving();
    case Doing::releasing:
      return step_releasing();
    case Doing::asking_loss:
      return step_loss();
  }
}

void Group::begin_event() {
  const Event event = std::move(events_.front());
  events_.pop_front();
  set_state(GroupState::rebalancing);
  clerk_.group_changes();
  {
    MutexLock lock(mutex_);
    ++view_.rebalances;
  }
  if (event.assign) {
    log_info("group", "assigned {} partitions", event.partitions.size());
    begin_assign(ResolveRequest{0, event.partitions, {}});
    return;
  }
  for (const TopicPartition& partition : event.partitions) {
    postponed_.overrides.erase(partition);
    std::erase(postponed_.partitions, partition);
  }
  const bool lost = rd_kafka_assignment_lost(consumer_.get()) != 0;
  if (lost) {
    log_warn("group", "lost {} partitions: the group has given them away", event.partitions.size());
    MutexLock lock(mutex_);
    view_.partitions_lost += event.partitions.size();
  } else {
    log_info("group", "giving back {} partitions", event.partitions.size());
  }
  begin_release(event.partitions, lost, After::rebalance);
}

void Group::begin_assign(ResolveRequest request) {
  request.number = ++question_;
  since_ms_ = shared_.clock.mono_ms();
  doing_ = Doing::resolving;
  if (request.partitions.empty()) {
    assign({});
    return;
  }
  asked_ = request;
  resolver_->ask(std::move(request));
}

// The eager protocol gives everything anew. The cooperative one speaks of changes only: what it does not take back is
// still ours, and nobody will give it to us once more.
void Group::postpone(ResolveRequest request) {
  if (!cooperative()) return;
  postponed_.partitions.insert(postponed_.partitions.end(), request.partitions.begin(), request.partitions.end());
  postponed_.overrides.merge(request.overrides);
}

void Group::step_resolving() {
  std::optional<ResolverAnswer> answer = resolver_->take();
  if (!answer) {
    if (const KafkaError trouble = resolver_->trouble(); !trouble.ok()) complain(trouble);
    return;
  }
  if (answer->number != question_) return;
  assign(std::move(answer->partitions));
}

// Takes each new partition's own queue out of the group's, so that its records never pass through this thread. This
// must happen before the partition is assigned: afterwards records may already be on their way.
std::vector<AssignedPartition> Group::open_queues(std::vector<ResolvedPartition>& resolved) {
  std::vector<AssignedPartition> opened;
  for (ResolvedPartition& partition : resolved) {
    if (!partition.refused.empty()) continue;
    const TopicPartition& name = partition.partition;
    QueueHandle queue(rd_kafka_queue_get_partition(consumer_.get(), name.topic.c_str(), name.partition));
    CHECK_MSG(queue != nullptr, name.text());
    rd_kafka_queue_forward(queue.get(), nullptr);
    // Shared by the table, the queue and this thread.
    auto state = std::make_shared<PartitionState>();
    state->partition = name;
    state->source = partition.source;
    state->note = partition.note;
    state->committed = partition.committed;
    shared_.partitions.add(state);
    AssignedPartition& assigned = opened.emplace_back();
    assigned.partition = name;
    assigned.ownership = std::make_shared<Ownership>();
    assigned.start_offset = partition.offset;
    assigned.committed = partition.committed;
    assigned.queue = std::make_unique<KafkaPartitionQueue>(std::move(queue), std::move(state),
                                                           Origin{name.topic, name.partition, partition.source},
                                                           partition.offset, failures_);
  }
  return opened;
}

// The eager protocol knows only whole assignments, so what we have goes into the new one, from where it is read. Its
// worker goes on meanwhile: records that it took already and is given once more are left out by their queue.
void Group::add_owned(rd_kafka_topic_partition_list_t* list) {
  for (const auto& [name, ownership] : owned_) {
    const PartitionTable::StatePointer state = shared_.partitions.find(name);
    CHECK_MSG(state != nullptr, name.text());
    // One that is out of range as well has its own turn.
    if (state->failure != 0) continue;
    QueueHandle queue(rd_kafka_queue_get_partition(consumer_.get(), name.topic.c_str(), name.partition));
    CHECK_MSG(queue != nullptr, name.text());
    rd_kafka_queue_forward(queue.get(), nullptr);
    rd_kafka_topic_partition_list_add(list, name.topic.c_str(), name.partition)->offset = state->position;
  }
}

void Group::assign(std::vector<ResolvedPartition> resolved) {
  doing_ = Doing::nothing;
  asked_ = {};
  std::vector<AssignedPartition> opened = open_queues(resolved);
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(opened.size() + owned_.size())));
  if (!cooperative()) add_owned(list.get());
  for (const ResolvedPartition& partition : resolved) {
    if (!partition.refused.empty()) continue;
    rd_kafka_topic_partition_t* element =
        rd_kafka_topic_partition_list_add(list.get(), partition.partition.topic.c_str(), partition.partition.partition);
    element->offset = partition.offset;
    if (partition.leader_epoch >= 0) rd_kafka_topic_partition_set_leader_epoch(element, partition.leader_epoch);
  }
  const KafkaError error =
      cooperative() ? checked(rd_kafka_incremental_assign(consumer_.get(), list.get()), "assigning partitions")
                    : error_of(rd_kafka_assign(consumer_.get(), list.get()));
  if (!error.ok()) {
    shared_.failure.set(Error{Remedy::stop, "assigning partitions: " + error.text, ExitCode::internal});
    for (const AssignedPartition& partition : opened) shared_.partitions.remove(partition.partition);
    return;
  }
  for (const AssignedPartition& partition : opened) {
    owned_[partition.partition] = partition.ownership;
    assigned_.insert(partition.partition);
  }
  for (const ResolvedPartition& partition : resolved) {
    if (partition.refused.empty()) continue;
    stop_partition(partition.partition, partition.refused);
    if (partition.needs_accept_start) {
      shared_.failure.set(Error{Remedy::stop, partition.refused, ExitCode::stopped_by_policy});
    }
  }
  clear_complaint();
  GroupMetadataHandle metadata(rd_kafka_consumer_group_metadata(consumer_.get()));
  {
    MutexLock lock(mutex_);
    view_.ever_assigned = true;
    view_.state = GroupState::steady;
    for (const AssignedPartition& partition : opened) view_.stopped.erase(partition.partition);
    if (metadata) {
      view_.generation = rd_kafka_consumer_group_metadata_generation_id(metadata.get());
      view_.member_id = rd_kafka_consumer_group_metadata_member_id(metadata.get());
    }
  }
  if (!opened.empty()) owner_->assigned(std::move(opened));
}

void Group::begin_release(std::vector<TopicPartition> partitions, bool lost, After after) {
  affected_ = std::move(partitions);
  lost_ = lost;
  after_ = after;
  since_ms_ = shared_.clock.mono_ms();
  doing_ = Doing::releasing;
  std::vector<TopicPartition> ours;
  for (const TopicPartition& partition : affected_) {
    const auto at = owned_.find(partition);
    if (at == owned_.end()) continue;
    if (lost) ++at->second->epoch;
    ours.push_back(partition);
  }
  if (!ours.empty()) owner_->revoked(ours, lost);
}

void Group::step_releasing() {
  std::vector<TopicPartition> late;
  for (const TopicPartition& partition : affected_) {
    if (owned_.contains(partition) && !owner_->released(partition)) late.push_back(partition);
  }
  if (!late.empty() && shared_.clock.mono_ms() - since_ms_ < shared_.settings.times.revoke_ms) return;
  if (!late.empty()) {
    log_warn("group", "{} partitions were not settled within {}; they are given back as they are", late.size(),
             format_duration_ms(shared_.settings.times.revoke_ms));
    // A worker that looks now sees that they are no longer its own, and commits nothing of them.
    for (const TopicPartition& partition : late) ++owned_[partition]->epoch;
    MutexLock lock(mutex_);
    ++view_.revokes_overdue;
  }
  doing_ = Doing::nothing;
  const std::vector<TopicPartition> affected = std::exchange(affected_, {});
  forget(affected);
  // The eager protocol knows only whole assignments: what is read no more stays in it, and stays silent; what begins
  // elsewhere is replaced by assign().
  if (after_ == After::remake) return remake_consumer();
  if (after_ == After::rebalance || cooperative()) unassign(affected);
  if (after_ == After::rebalance) set_state(GroupState::joining);
  if (after_ == After::reassign) begin_assign(ResolveRequest{0, affected, std::exchange(overrides_, {})});
}

void Group::forget(const std::vector<TopicPartition>& partitions) {
  for (const TopicPartition& partition : partitions) {
    owned_.erase(partition);
    shared_.partitions.remove(partition);
  }
  MutexLock lock(mutex_);
  for (const TopicPartition& partition : partitions) {
    // What we stopped ourselves stays shown while the partition is assigned to us.
    if (after_ == After::rebalance) view_.stopped.erase(partition);
  }
}

void Group::unassign(const std::vector<TopicPartition>& partitions) {
  KafkaError error;
  if (cooperative()) {
    std::vector<TopicPartition> there;
    for (const TopicPartition& partition : partitions) {
      if (assigned_.erase(partition) > 0) there.push_back(partition);
    }
    error = checked(rd_kafka_incremental_unassign(consumer_.get(), list_of(there).get()), "giving partitions back");
  } else {
    assigned_.clear();
    error = error_of(rd_kafka_assign(consumer_.get(), nullptr));
  }
  if (!error.ok()) {
    shared_.failure.set(Error{Remedy::stop, "giving partitions back: " + error.text, ExitCode::internal});
  }
}

// --- positions that are out of range ---

void Group::look_for_losses() {
  // Read before the partitions are: what fails meanwhile is seen at the next turn.
  const auto failures = failures_.load();
  if (failures == failures_seen_) return;
  for (const auto& [partition, ownership] : owned_) {
    const PartitionTable::StatePointer state = shared_.partitions.find(partition);
    if (!state || state->failure == 0) continue;
    ++failures_seen_;
    state->failure = 0;
    {
      MutexLock lock(mutex_);
      ++view_.data_losses;
    }
    loss_ = partition;
    doing_ = Doing::asking_loss;
    resolver_->ask_loss(++question_, partition);
    return;
  }
  // Those that counted are no longer ours.
  failures_seen_ = failures;
}

void Group::step_loss() {
  if (!events_.empty()) {
    // A rebalance first. If the partition stays ours, it is looked at again.
    resolver_->cancel(question_);
    doing_ = Doing::nothing;
    if (const PartitionTable::StatePointer state = shared_.partitions.find(loss_)) {
      state->failure = RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
      ++failures_;
    }
    return;
  }
  const std::optional<ResolverAnswer> answer = resolver_->take();
  if (!answer || answer->number != question_ || !answer->loss) return;
  doing_ = Doing::nothing;
  decide_loss(*answer->loss);
}

void Group::decide_loss(const LossAnswer& answer) {
  const TopicPartition& partition = answer.partition;
  const PartitionTable::StatePointer state = shared_.partitions.find(partition);
  if (!state) return;
  const int64_t position = state->position;
  if (answer.made_anew || policy_of(partition) == OnDataLoss::stop) {
    const std::string why =
        answer.made_anew
            ? fmt::format("topic {} was deleted and made anew while it was read", partition.topic)
            : fmt::format(
                  "offset {} is no longer there: the partition now holds {} to {}; records were lost before they "
                  "were read. on_data_loss: skip goes on with what there is",
                  position, answer.low, answer.end);
    begin_release({partition}, false, After::read_no_more);
    stop_partition(partition, why);
    return;
  }
  // Behind the end (the log was cut): on with what comes now. Before the start (retention): on with what is left.
  const int64_t to = position > answer.end ? answer.end : answer.low;
  const int64_t skipped = std::max<int64_t>(to - position, 0);
  log_error("data_loss", "{}: offset {} is no longer there; going on at {} ({} offsets skipped)", partition.text(),
            position, to, skipped);
  {
    MutexLock lock(mutex_);
    view_.offsets_skipped += static_cast<uint64_t>(skipped);
  }
  begin_release({partition}, false, After::reassign);
  overrides_ = {{partition, to}};
}

// --- small things ---

void Group::stop_partition(const TopicPartition& partition, const std::string& why) {
  log_error("stopped", "{} is not read: {}", partition.text(), why);
  MutexLock lock(mutex_);
  view_.stopped[partition] = why;
}

OnDataLoss Group::policy_of(const TopicPartition& partition) const {
  const PartitionTable::StatePointer state = shared_.partitions.find(partition);
  return state ? shared_.settings.sources[state->source].on_data_loss : OnDataLoss::stop;
}

bool Group::cooperative() const {
  const char* protocol = rd_kafka_rebalance_protocol(consumer_.get());
  return protocol != nullptr && std::string_view(protocol) == "COOPERATIVE";
}

KafkaError Group::checked(rd_kafka_error_t* raw, std::string_view doing) {
  KafkaError error = take_error(raw);
  if (!error.ok()) log_error("group", "{}: {}", doing, error.text);
  return error;
}

}  // namespace millrace
