#include "kafka/at_least_once_broker.h"

#include "base/check.h"
#include "kafka/group_commit.h"
#include "kafka/partition_list.h"

namespace millrace {

BrokerResult<void> AtLeastOnceBroker::open(const Deadline& deadline) {
  if (!producer_) {
    if (BrokerResult<void> made = make_producer(kind()); !made) return made;
  }
  const KafkaError error = producer_->load_metadata(deadline.timeout());
  if (!error.ok()) {
    producer_->serve(0);
    KafkaError why = error;
    if (is_authentication(producer_->complaint().code)) why.code = producer_->complaint().code;
    if (!producer_->complaint().ok()) why.text += "; " + producer_->complaint().text;
    return call_failed(why, "asking for topics", Fault::destination);
  }
  ready_ = true;
  return {};
}

BrokerResult<void> AtLeastOnceBroker::start(int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  if (BrokerResult<void> done = open(deadline); !done) return done;
  count_started();
  return {};
}

BrokerResult<void> AtLeastOnceBroker::begin() {
  CHECK_MSG(ready_, "begin before start");
  pending_.clear();
  return take_delivery_failure();
}

BrokerResult<void> AtLeastOnceBroker::send(const OutputRecord& record) {
  if (BrokerResult<void> sent = BrokerBase::send(record); !sent) return sent;
  if (shared_.settings.delivery != Delivery::sync) return {};
  return flush(Deadline(shared_.clock, shared_.settings.times.message_ms + 1000));
}

BrokerResult<void> AtLeastOnceBroker::send_offsets(const Progress& progress, const GroupStamp& stamp,
                                                   int64_t /*deadline_ms*/) {
  if (!stamp.valid()) {
    return broker_fail(Fault::generation, "sending offsets: this instance is not a member of the group");
  }
  pending_ = progress;
  stamp_ = stamp;
  return {};
}

BrokerResult<void> AtLeastOnceBroker::commit(int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  if (BrokerResult<void> done = flush(deadline); !done) return done;
  if (!pending_.empty()) {
    // librdkafka commits as the member that it is now; the offsets belong to the one that it was when they were given.
    const GroupStamp now = group_stamp();
    if (now.generation != stamp_.generation || now.member_id != stamp_.member_id) {
      return broker_fail(Fault::generation, "committing offsets: the group moved on");
    }
    const PartitionListHandle list =
        list_of(pending_, [this](const TopicPartition& partition) { return shared_.partitions.note(partition); });
    const KafkaError error = commit_as_member(shared_.consumer, list.get(), deadline.timeout());
    if (!error.ok()) return call_failed(error, "committing offsets", Fault::unknown_outcome);
  }
  shared_.partitions.committed(pending_);
  shared_.destinations.clear_marks();
  pending_.clear();
  return {};
}

BrokerResult<void> AtLeastOnceBroker::abort(int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  pending_.clear();
  return flush(deadline);
}

BrokerResult<void> AtLeastOnceBroker::rebuild(bool isolate, int64_t deadline_ms) {
  const Deadline deadline(shared_.clock, deadline_ms);
  if (ready_ || isolate != isolating_) {
    discard();
    ready_ = false;
  }
  isolating_ = isolate;
  return open(deadline);
}

}  // namespace millrace
