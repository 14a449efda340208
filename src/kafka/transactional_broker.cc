#include "kafka/transactional_broker.h"

#include <fmt/core.h>

#include <future>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "kafka/partition_list.h"
#include "kafka/test_switches.h"

namespace millrace {

namespace {

constexpr int64_t kMetadataMs = 2000;

BrokerResult<void> init(Producer& producer, const std::string& id, const Deadline& deadline) {
  // A client that has no connection yet would look for its coordinator, find nobody to ask, and wait half a second.
  static_cast<void>(producer.load_metadata(deadline.timeout(kMetadataMs)));
  for (;;) {
    const KafkaError error = producer.init_transactions(deadline.timeout());
    if (error.ok()) return {};
    if (!error.retriable || deadline.over()) {
      return call_failed(error, "initialising transactional id " + id, Fault::destination);
    }
  }
}

BrokerResult<void> fence_id(EdgeShared& shared, ProducerKind kind, const std::string& id, const Deadline& deadline) {
  kind.transactional_id = id;
  Result<std::unique_ptr<Producer>> producer = Producer::create(shared.producer_settings(), kind, shared.clock);
  if (!producer) return broker_fail(Fault::other, std::move(producer).error().what);
  BrokerResult<void> done = init(**producer, id, deadline);
  shared.reaper.discard(std::move(*producer));
  return done;
}

// All of them at once, because one after the other they would take seconds. What is done is taken out of `slots`.
BrokerResult<void> fence_all(EdgeShared& shared, const ProducerKind& kind, int worker, std::set<int>& slots,
                             const Deadline& deadline) {
  std::vector<std::pair<int, std::future<BrokerResult<void>>>> running;
  for (const int slot : slots) {
    const std::string id = transactional_id(shared.settings, worker, slot);
    running.emplace_back(slot,
                         std::async(slots.size() == 1 ? std::launch::deferred : std::launch::async,
                                    [&shared, &kind, &deadline, id] { return fence_id(shared, kind, id, deadline); }));
  }
  BrokerResult<void> all;
  for (auto& [slot, result] : running) {
    BrokerResult<void> done = result.get();
    if (done) {
      slots.erase(slot);
    } else if (all) {
      all = std::move(done);
    }
  }
  return all;
}

std::set<int> every_slot() {
  std::set<int> slots;
  for (int slot = 0; slot < TransactionalBroker::kRingSlots; ++slot) slots.insert(slot);
  return slots;
}

}  // namespace

std::string transactional_id(const EdgeSettings& settings, int worker, int slot) {
  return fmt::format("{}.{}.{}.{}", settings.transactional_id_prefix, settings.instance, worker, slot);
}

BrokerResult<void> fence_worker(EdgeShared& shared, int worker, int64_t deadline_ms) {
  const Deadline deadline(shared.clock, deadline_ms);
  const std::optional<int> known = shared.state_files.slot(worker, TransactionalBroker::kRingSlots);
  std::set<int> slots = known ? std::set{*known} : every_slot();
  return fence_all(shared, {}, worker, slots, deadline);
}

BrokerResult<void> TransactionalBroker::start(int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  if (slot_ < 0) {
    const std::optional<int> known = shared_.state_files.slot(worker_, kRingSlots);
    if (known) {
      // As in a recovery: what the predecessor left on its way is of the id that it used, so the next one is taken.
      to_fence_.insert(*known);
      used_ms_[*known] = shared_.clock.mono_ms();
      slot_ = (*known + 1) % ring_of(kRingSlots);
    } else {
      // Which one a predecessor used is not known: all are ended, and it is hardly the one that the time of day gives.
      to_fence_ = every_slot();
      slot_ = static_cast<int>(shared_.clock.wall_ms() / 1000 % ring_of(kRingSlots));
      to_fence_.erase(slot_);
    }
  }
  if (BrokerResult<void> done = fence(deadline); !done) return done;
  if (BrokerResult<void> done = open(deadline); !done) return done;
  if (Result<void> written = shared_.state_files.write_slot(worker_, slot_); !written) {
    return broker_fail(Fault::other, std::move(written).error().what);
  }
  count_started();
  return {};
}

BrokerResult<void> TransactionalBroker::fence(const Deadline& deadline) {
  return fence_all(shared_, kind(), worker_, to_fence_, deadline);
}

BrokerResult<void> TransactionalBroker::open(const Deadline& deadline) {
  if (ready_) return {};
  const std::string id = transactional_id(shared_.settings, worker_, slot_);
  if (!producer_) {
    ProducerKind how = kind();
    how.transactional_id = id;
    if (BrokerResult<void> made = make_producer(how); !made) return made;
  }
  if (BrokerResult<void> done = init(*producer_, id, deadline); !done) {
    // Only a time-out can be gone on with; whatever else it was, the next try begins with a new client.
    if (done.error().fault != Fault::destination) discard();
    return done;
  }
  producer_->watch().reset();
  producer_->clear_failure();
  ready_ = true;
  return {};
}

BrokerResult<void> TransactionalBroker::begin() {
  CHECK_MSG(ready_, "begin before start");
  if (producer_->watch().unanswered()) {
    ++shared_.outcomes_unknown;
    return broker_fail(Fault::unknown_outcome, "since the last transaction: " + producer_->watch().suspicion());
  }
  pending_.clear();
  producer_->clear_refused_topics();
  const KafkaError error = take_error(rd_kafka_begin_transaction(producer_->client()));
  if (error.ok()) return {};
  return failed(error, "beginning a transaction", Fault::other);
}

BrokerResult<void> TransactionalBroker::send_offsets(const Progress& progress, const GroupStamp& stamp,
                                                     int64_t deadline_ms) {
  if (!stamp.valid() || !stamp.native) {
    return broker_fail(Fault::generation, "sending offsets: this instance is not a member of the group");
  }
  const Deadline deadline(shared_.clock, deadline_ms);
  const PartitionListHandle list =
      list_of(progress, [this](const TopicPartition& partition) { return shared_.partitions.note(partition); });
  const auto* group = static_cast<const rd_kafka_consumer_group_metadata_t*>(stamp.native.get());
  for (;;) {
    const KafkaError error =
        take_error(rd_kafka_send_offsets_to_transaction(producer_->client(), list.get(), group, deadline.timeout()));
    if (error.ok()) break;
    if (!error.retriable || deadline.over()) return failed(error, "sending offsets", Fault::unknown_outcome);
  }
  pending_ = progress;
  return {};
}

BrokerResult<void> TransactionalBroker::trust_the_end(std::string_view doing) {
  const std::string suspicion = producer_->watch().suspicion();
  if (suspicion.empty()) {
    producer_->watch().reset();
    return {};
  }
  ++shared_.outcomes_unknown;
  log_warn("outcome", "worker {}: {}: {}; the outcome is not trusted", worker_, doing, suspicion);
  return broker_fail(Fault::unknown_outcome, std::string(doing) + ": " + suspicion);
}

BrokerResult<void> TransactionalBroker::commit(int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  for (;;) {
    const KafkaError error = take_error(rd_kafka_commit_transaction(producer_->client(), deadline.timeout()));
    if (error.ok()) break;
    if (error.retriable && !deadline.over()) continue;
    if (!producer_->watch().end_sent()) return failed(error, "committing", Fault::unknown_outcome);
    // Once the end was sent only the committed offsets can tell, whatever the error says.
    ++shared_.outcomes_unknown;
    BrokerError unknown = call_failed(error, "committing", Fault::unknown_outcome).value();
    if (unknown.fault != Fault::fenced && unknown.fault != Fault::authorization) unknown.fault = Fault::unknown_outcome;
    return tl::make_unexpected(std::move(unknown));
  }
  if (BrokerResult<void> trusted = trust_the_end("committing"); !trusted) return trusted;
  shared_.partitions.committed(pending_);
  shared_.destinations.clear_marks();
  return {};
}

BrokerResult<void> TransactionalBroker::abort(int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  for (;;) {
    const KafkaError error = take_error(rd_kafka_abort_transaction(producer_->client(), deadline.timeout()));
    if (error.ok()) break;
    if (!error.retriable || deadline.over()) return failed(error, "aborting", Fault::unknown_outcome);
  }
  return trust_the_end("aborting");
}

BrokerResult<void> TransactionalBroker::rebuild(bool isolate, int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  CHECK_MSG(slot_ >= 0, "rebuild before start");
  if (ready_) {
    to_fence_.insert(slot_);
    used_ms_[slot_] = shared_.clock.mono_ms();
    next_ = true;
  }
  if (ready_ || isolate != isolating_) {
    discard();
    ready_ = false;
  }
  isolating_ = isolate;
  if (BrokerResult<void> done = fence(deadline); !done) return done;
  if (BrokerResult<void> taken = take_next(); !taken) return taken;
  return open(deadline);
}

BrokerResult<void> TransactionalBroker::take_next() {
  if (!next_) return {};
  const int next = (slot_ + 1) % ring_of(kRingSlots);
  if (const auto used = used_ms_.find(next); used != used_ms_.end() && next != slot_) {
    const int64_t rests_ms = used->second + kRestMs - shared_.clock.mono_ms();
    if (rests_ms > 0) {
      return broker_fail(Fault::other, fmt::format("{} recoveries within a minute: the next transactional id rests for "
                                                   "another {} ms",
                                                   kRingSlots, rests_ms));
    }
  }
  // Written before it is used, so that a restart ends what was begun with it.
  if (Result<void> written = shared_.state_files.write_slot(worker_, next); !written) {
    return broker_fail(Fault::other, std::move(written).error().what);
  }
  slot_ = next;
  next_ = false;
  return {};
}

}  // namespace millrace
