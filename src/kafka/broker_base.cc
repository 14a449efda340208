#include "kafka/broker_base.h"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "kafka/partition_list.h"
#include "kafka/test_switches.h"

namespace millrace {

namespace {
constexpr int kPurgeFlushMs = 500;
constexpr int kMetadataMs = 1000;
constexpr int kLookMs = 1500;
constexpr int64_t kStatisticsMs = 1000;
constexpr int64_t kStatisticsManyMs = 5000;
constexpr int64_t kManyPartitions = 200;
}  // namespace

BrokerBase::BrokerBase(EdgeShared& shared, int worker) : shared_(shared), worker_(worker) {}

BrokerBase::~BrokerBase() {
  discard();
}

ProducerKind BrokerBase::kind() const {
  const auto [smallest, largest] = shared_.destinations.message_bytes();
  ProducerKind kind;
  kind.delivery = shared_.settings.delivery;
  kind.isolating = isolating_;
  kind.idempotent = shared_.destinations.acks_of_all();
  kind.queue_bytes = shared_.settings.producer_queue_bytes / std::max(shared_.settings.workers, 1);
  {
    MutexLock lock(shared_.tuning_mutex);
    kind.batch_bytes = std::min(smallest, shared_.tuning.batch_bytes);
  }
  kind.message_max_bytes = largest;
  // What they say is as long as there are partitions.
  kind.statistics_ms = shared_.destinations.partitions() > kManyPartitions ? kStatisticsManyMs : kStatisticsMs;
  return kind;
}

void BrokerBase::discard() {
  if (!producer_) return;
  producer_->purge();
  static_cast<void>(producer_->flush(kPurgeFlushMs));
  failed_deliveries_ += producer_->failed_deliveries();
  statistics_seen_ = 0;
  std::erase_if(discarded_, [](const DiscardedShare& old) { return old->destroyed.load(); });
  discarded_.push_back(shared_.reaper.discard(std::move(producer_)));
}

void BrokerBase::count_started() {
  if (started_) return;
  started_ = true;
  ++shared_.brokers_started;
}

BrokerResult<void> BrokerBase::send(const OutputRecord& record) {
  CHECK_MSG(producer_ != nullptr, "send before start");
  KafkaError error = producer_->send(record);
  if (error.ok()) return {};
  if (error.code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
    // The topic has grown and this producer has not heard of it.
    static_cast<void>(producer_->load_metadata(kMetadataMs));
    error = producer_->send(record);
    if (error.ok()) return {};
  }
  if (error.code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
    return broker_fail(Fault::queue_full, "the producer's queue is full");
  if (error.code == RD_KAFKA_RESP_ERR__STATE || error.code == RD_KAFKA_RESP_ERR__FATAL) {
    return failed(error, "sending a record", Fault::destination);
  }
  const Fault fault = classify_delivery(error.code);
  if (fault == Fault::record_refused) {
    reported_ = DeliveryFailure{error, record.tag, record.destination};
  } else if (fault == Fault::destination) {
    shared_.destinations.mark(record.destination, error.text);
  }
  return broker_fail(fault,
                     fmt::format("sending to {}: {}", shared_.destinations.topic(record.destination), error.text),
                     record.destination);
}

BrokerResult<void> BrokerBase::poll(int64_t wait_ms) {
  if (!producer_) return {};
  producer_->serve(static_cast<int>(std::clamp<int64_t>(wait_ms, 0, 60'000)));
  if (BrokerResult<void> failure = take_delivery_failure(); !failure) return failure;
  if (const KafkaError fatal = producer_->fatal(); !fatal.ok()) {
    return call_failed(fatal, "the producer failed", Fault::other);
  }
  return {};
}

BrokerResult<void> BrokerBase::take_delivery_failure() {
  if (!producer_ || !producer_->failure()) return {};
  const DeliveryFailure failure = *producer_->failure();
  producer_->clear_failure();
  reported_ = failure;
  const Fault fault = classify_delivery(failure.error.code);
  const std::string topic = shared_.destinations.topic(failure.destination);
  std::string why = failure.error.text;
  if (const double throttle_ms = producer_->throttle_ms(); throttle_ms > 0) {
    why += fmt::format("; brokers hold this client back by up to {} a request: a quota",
                       format_duration_ms(static_cast<int64_t>(throttle_ms)));
  }
  if (fault == Fault::destination) shared_.destinations.mark(failure.destination, why);
  // The limit may have changed since it was asked.
  if (fault == Fault::record_refused || fault == Fault::destination) shared_.clerk_wake.notify();
  return broker_fail(fault, fmt::format("writing to {}: {} ({})", topic, why, rd_kafka_err2name(failure.error.code)),
                     failure.destination);
}

tl::unexpected<BrokerError> BrokerBase::failed(const KafkaError& error, std::string_view doing, Fault on_silence) {
  producer_->serve(0);
  // A failed delivery is why a transaction fails; it says more than the call that met it.
  if (BrokerResult<void> delivery = take_delivery_failure(); !delivery) {
    return tl::make_unexpected(std::move(delivery).error());
  }
  if (const KafkaError fatal = producer_->fatal(); !fatal.ok()) return call_failed(fatal, doing, on_silence);
  // "Wrong state" hides why the transaction failed before this call.
  KafkaError cause = error;
  if (error.code == RD_KAFKA_RESP_ERR__STATE && shared_.settings.delivery == Delivery::exactly_once) {
    if (KafkaError first = producer_->transaction_failure(); !first.ok()) cause = std::move(first);
  }
  return tl::make_unexpected(name_destination(cause, call_failed(cause, doing, on_silence).value()));
}

BrokerError BrokerBase::name_destination(const KafkaError& error, BrokerError failure) {
  if (failure.fault != Fault::destination) return failure;
  const std::string topic = producer_->refused_topic(error.code);
  for (size_t i = 0; !topic.empty() && i < shared_.destinations.size(); ++i) {
    if (shared_.destinations.topic(i) != topic) continue;
    shared_.destinations.mark(i, error.text);
    shared_.clerk_wake.notify();
    return {Fault::destination, fmt::format("writing to {}: {}", topic, failure.what), static_cast<int>(i)};
  }
  return failure;
}

BrokerResult<void> BrokerBase::flush(const Deadline& deadline) {
  const KafkaError error = producer_->flush(deadline.timeout());
  if (BrokerResult<void> failure = take_delivery_failure(); !failure) return failure;
  if (!error.ok()) return failed(error, "waiting for records to be acknowledged", Fault::destination);
  return {};
}

GroupStamp BrokerBase::group_stamp() {
  GroupStamp stamp;
  rd_kafka_t* consumer = shared_.consumer;
  if (consumer == nullptr) return stamp;
  rd_kafka_consumer_group_metadata_t* metadata = rd_kafka_consumer_group_metadata(consumer);
  if (metadata == nullptr) return stamp;
  // Shared because io/ knows only void: the deleter carries the type.
  stamp.native = std::shared_ptr<void>(metadata, [](void* object) {
    rd_kafka_consumer_group_metadata_destroy(static_cast<rd_kafka_consumer_group_metadata_t*>(object));
  });
  stamp.generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
  if (const char* member = rd_kafka_consumer_group_metadata_member_id(metadata)) stamp.member_id = member;
  return stamp;
}

BrokerResult<Progress> BrokerBase::committed(const std::vector<TopicPartition>& partitions, int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  rd_kafka_t* consumer = shared_.consumer;
  if (consumer == nullptr) return broker_fail(Fault::generation, "reading committed offsets: there is no group yet");
  for (;;) {
    const PartitionListHandle list = list_of(partitions);
    KafkaError error = error_of(rd_kafka_committed(consumer, list.get(), deadline.timeout()));
    Progress progress;
    for (int i = 0; i < list->cnt; ++i) {
      const rd_kafka_topic_partition_t& element = list->elems[i];
      if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR && (error.ok() || error.code == element.err)) {
        error = error_of(element.err);
        error.text = partition_of(element).text() + ": " + error.text;
      }
      if (element.offset >= 0) progress[partition_of(element)] = element.offset;
    }
    if (error.ok()) return progress;
    // Offsets of a transaction that is being ended are not stable for a moment.
    const bool again = error.code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT || is_silence(error.code);
    if (!again || deadline.over()) return call_failed(error, "reading committed offsets", Fault::destination);
    ::poll(nullptr, 0, static_cast<int>(std::min<int64_t>(10, deadline.left_ms())));
  }
}

// The consumer's own client always waits for open transactions, so the admin client is asked.
BrokerResult<Progress> BrokerBase::committed_before_open(const std::vector<TopicPartition>& partitions,
                                                         int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  for (;;) {
    // Each try has a client of its own after one that failed, so that they are better short and many.
    KafkaResult<Progress> found =
        shared_.admin->group_offsets(shared_.settings.group, partitions, deadline.timeout(kLookMs));
    if (found) return std::move(*found);
    const bool again = found.error().code == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || is_silence(found.error().code);
    if (!again || deadline.over()) return call_failed(found.error(), "reading committed offsets", Fault::destination);
    ::poll(nullptr, 0, static_cast<int>(std::min<int64_t>(100, deadline.left_ms())));
  }
}

std::optional<RefusedRecord> BrokerBase::refused() {
  if (!reported_ || classify_delivery(reported_->error.code) != Fault::record_refused) return std::nullopt;
  RefusedRecord refused{reported_->tag, reported_->error.text};
  reported_.reset();
  return refused;
}

void BrokerBase::free_later(std::vector<HeldMessage> held, std::unique_ptr<Arena> arena) {
  shared_.reaper.free_after(discarded_, std::move(held), std::move(arena));
}

bool BrokerBase::discarded_pending() const {
  return std::any_of(discarded_.begin(), discarded_.end(),
                     [](const DiscardedShare& old) { return !old->destroyed.load(); });
}

const DestinationLimits& BrokerBase::destination(uint16_t index) const {
  const uint64_t version = shared_.destinations.version();
  if (version != limits_version_) {
    limits_before_ = std::move(limits_);
    limits_ = shared_.destinations.limits();
    limits_version_ = version;
  }
  return (*limits_)[index];
}

void BrokerBase::refresh_destinations() {
  shared_.clerk_wake.notify();
}

BrokerResult<void> BrokerBase::make_producer(const ProducerKind& how) {
  // Read before the settings: what changes in between makes it outdated, and not too new.
  made_for_ = shared_.destinations.producers();
  Result<std::unique_ptr<Producer>> producer = Producer::create(shared_.producer_settings(), how, shared_.clock);
  if (!producer) return broker_fail(Fault::other, std::move(producer).error().what);
  producer_ = std::move(*producer);
  return {};
}

void BrokerBase::prepare(int64_t deadline_ms) {
  pause_in_the_swap();
  if (!producer_) return;
  if (Result<void> added = producer_->add_topics(shared_.destinations.used()); !added) {
    log_warn("version", "worker {}: {}", worker_, added.error().what);
    shared_.destinations.outdate_producers();
  }
  static_cast<void>(producer_->load_metadata(static_cast<int>(deadline_ms)));
}

bool BrokerBase::outdated() const {
  return producer_ != nullptr && made_for_ != shared_.destinations.producers();
}

ProducerLoad BrokerBase::load() const {
  ProducerLoad load;
  load.errors = failed_deliveries_;
  if (!producer_) return load;
  // Failures of deliveries that this meets wait for poll().
  producer_->serve(0);
  load.errors += producer_->failed_deliveries();
  load.queued_bytes = producer_->queued_bytes();
  load.queue_fill = std::clamp(
      static_cast<double>(load.queued_bytes) / static_cast<double>(producer_->queue_limit_bytes()), 0.0, 1.0);
  if (const auto& statistics = producer_->statistics()) {
    load.ack_latency_ms = statistics->ack_p50_ms;
  }
  load.throttle_ms = producer_->throttle_ms();
  if (producer_->statistics_count() != statistics_seen_) {
    statistics_seen_ = producer_->statistics_count();
    shared_.producers.publish(worker_, load, *producer_->statistics());
  }
  return load;
}

}  // namespace millrace
