#include "sim/sim_broker.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::sim {

namespace {

constexpr size_t kQueueMax = 40;
constexpr int64_t kRetryMs = 100;

}  // namespace

SimBroker::SimBroker(SimCluster& cluster, std::string transactional_id, const GroupStamp& stamp)
    : cluster_(cluster), transactional_id_(std::move(transactional_id)), stamp_(stamp) {
  limits_.partitions = 3;
}

std::string SimBroker::id_of(int slot) const {
  return fmt::format("{}-s{}", transactional_id_, slot);
}

// Asks until there is an answer, as librdkafka does.
Code SimBroker::ask(std::string_view name, bool watched, int64_t deadline_ms, const std::function<Code()>& request) {
  const int64_t until_ms = cluster_.clock().mono_ms() + deadline_ms;
  for (;;) {
    const Code code = cluster_.call(name, request);
    if (code != Code::no_answer) return code;
    if (watched) ++unanswered_;
    cluster_.clock().advance_ms(kRetryMs);
    if (cluster_.clock().mono_ms() >= until_ms) return Code::no_answer;
  }
}

BrokerError SimBroker::error_of(Code code, const std::string& what) {
  const std::string text = fmt::format("{}: {}", what, to_string(code));
  switch (code) {
    case Code::no_answer:
      return {Fault::unknown_outcome, text, -1};
    case Code::fenced:
      return {Fault::fenced, text, -1};
    case Code::illegal_generation:
      return {Fault::generation, text, -1};
    default:
      return {Fault::other, text, -1};
  }
}

Code SimBroker::init(int slot, int64_t deadline_ms, ProducerId& producer) {
  // The answer is of the request that was answered; a late one answers nobody, and is not to write into us.
  auto result = std::make_shared<ProducerId>();  // shared with requests that arrive when we are gone
  SimCluster& cluster = cluster_;
  const std::string id = id_of(slot);
  const Code code = ask("InitProducerId " + id, false, deadline_ms,
                        [&cluster, id, result] { return cluster.init_producer(id, *result); });
  producer = *result;
  return code;
}

BrokerResult<void> SimBroker::start(int64_t deadline_ms) {
  // As in a recovery: what the predecessor left in flight is of the id that was in use, so the next one is taken.
  int& in_use = cluster_.slot_in_use(transactional_id_);
  slot_ = (in_use + 1) % cluster_.options().ring;
  for (int slot = 0; slot < cluster_.options().ring; ++slot) {
    ProducerId producer;
    const Code code = init(slot, deadline_ms, producer);
    if (code != Code::ok) return tl::make_unexpected(error_of(code, "starting"));
    if (slot == slot_) producer_ = producer;
  }
  in_use = slot_;
  sequences_.clear();
  return {};
}

BrokerResult<void> SimBroker::begin() {
  queue_.clear();
  added_.clear();
  offsets_added_ = false;
  unanswered_ = 0;
  end_requests_ = 0;
  return {};
}

BrokerResult<void> SimBroker::send(const OutputRecord& record) {
  if (queue_.size() >= kQueueMax) return broker_fail(Fault::queue_full, "queue full");
  queue_.push_back(record);
  return {};
}

// Produces up to so many of the queued records, partition by partition, in their order.
Code SimBroker::deliver(size_t records_max) {
  while (!queue_.empty() && records_max > 0) {
    const OutputPartition partition{queue_.front().destination, queue_.front().partition};
    std::vector<SimRecord> records;
    std::vector<OutputRecord> rest;
    for (const OutputRecord& queued : queue_) {
      if (OutputPartition{queued.destination, queued.partition} != partition || records.size() == records_max) {
        rest.push_back(queued);
        continue;
      }
      SimRecord record;
      record.value = std::string(queued.value.view());
      for (const Header& header : queued.headers) {
        if (header.name == "millrace.reason") record.reason = std::string(header.value.view());
      }
      records.push_back(std::move(record));
    }
    SimCluster& cluster = cluster_;
    const ProducerId producer = producer_;
    constexpr int64_t kMessageTimeoutMs = 8000;
    if (added_.count(partition) == 0) {
      const Code code = ask("AddPartitionsToTxn", true, kMessageTimeoutMs,
                            [&cluster, producer, partition] { return cluster.add_partition(producer, partition); });
      if (code != Code::ok) return code;
      added_.insert(partition);
    }
    const int64_t sequence = sequences_[partition];
    const Code code = ask("Produce", true, kMessageTimeoutMs, [&cluster, producer, partition, sequence, records] {
      return cluster.produce(producer, partition, sequence, records);
    });
    if (code != Code::ok) return code;
    sequences_[partition] += static_cast<int64_t>(records.size());
    records_max -= records.size();
    queue_ = std::move(rest);
  }
  return Code::ok;
}

BrokerResult<void> SimBroker::poll(int64_t wait_ms) {
  // librdkafka sends when it likes: some of it now, the rest later.
  const auto some = static_cast<size_t>(cluster_.number(0, 20)) + (wait_ms > 0 ? 5 : 0);
  const Code code = deliver(some);
  if (code != Code::ok) return tl::make_unexpected(error_of(code, "delivering"));
  return {};
}

BrokerResult<Progress> SimBroker::committed(const std::vector<TopicPartition>& partitions, int64_t deadline_ms) {
  return fetch(partitions, cluster_.options().require_stable, deadline_ms);
}

BrokerResult<Progress> SimBroker::committed_before_open(const std::vector<TopicPartition>& partitions,
                                                        int64_t deadline_ms) {
  return fetch(partitions, false, deadline_ms);
}

BrokerResult<Progress> SimBroker::fetch(const std::vector<TopicPartition>& partitions, bool stable,
                                        int64_t deadline_ms) {
  const int64_t until_ms = cluster_.clock().mono_ms() + deadline_ms;
  SimCluster& cluster = cluster_;
  auto found = std::make_shared<Progress>();  // shared with requests that arrive when we are gone
  for (;;) {
    const Code code = cluster.call(
        stable ? "OffsetFetch" : "OffsetFetch beside what is open",
        [&cluster, partitions, stable, found] { return cluster.fetch_offsets(partitions, stable, *found); });
    if (code == Code::ok) return *found;
    cluster_.clock().advance_ms(kRetryMs);
    if (cluster_.clock().mono_ms() >= until_ms) return tl::make_unexpected(error_of(code, "committed offsets"));
  }
}

BrokerResult<void> SimBroker::send_offsets(const Progress& progress, const GroupStamp& stamp, int64_t deadline_ms) {
  SimCluster& cluster = cluster_;
  const ProducerId producer = producer_;
  Code code = ask("AddOffsetsToTxn", true, deadline_ms, [&cluster, producer] { return cluster.add_offsets(producer); });
  if (code != Code::ok) return tl::make_unexpected(error_of(code, "adding offsets"));
  offsets_added_ = true;
  const int32_t generation = cluster.options().send_generation ? stamp.generation : -1;
  const std::string member = stamp.member_id;
  code = ask("TxnOffsetCommit", true, deadline_ms, [&cluster, producer, progress, generation, member] {
    return cluster.commit_offsets(producer, progress, generation, member);
  });
  if (code != Code::ok) return tl::make_unexpected(error_of(code, "sending offsets"));
  return {};
}

BrokerResult<void> SimBroker::end(bool commit, int64_t deadline_ms) {
  if (added_.empty() && !offsets_added_) return {};
  SimCluster& cluster = cluster_;
  const ProducerId producer = producer_;
  const Code code = ask(commit ? "EndTxn commit" : "EndTxn abort", true, deadline_ms,
                        [&cluster, producer, commit] { return cluster.end_transaction(producer, commit); });
  if (code != Code::ok) return tl::make_unexpected(error_of(code, commit ? "committing" : "aborting"));
  if (cluster_.options().outcome_rule && unanswered_ > 0) {
    return broker_fail(Fault::unknown_outcome, "a request of the transaction got no answer");
  }
  return {};
}

BrokerResult<void> SimBroker::commit(int64_t deadline_ms) {
  const Code code = deliver(SIZE_MAX);
  if (code != Code::ok) return tl::make_unexpected(error_of(code, "flushing"));
  return end(true, deadline_ms);
}

BrokerResult<void> SimBroker::abort(int64_t deadline_ms) {
  queue_.clear();
  return end(false, deadline_ms);
}

BrokerResult<void> SimBroker::rebuild(bool, int64_t deadline_ms) {
  queue_.clear();
  // As the Kafka edge: an id rests before it is used again. A ring of one is a planted bug.
  constexpr int64_t kRestMs = 60'000;
  used_ms_[slot_] = cluster_.clock().mono_ms();
  const auto used = used_ms_.find((slot_ + 1) % cluster_.options().ring);
  if (used != used_ms_.end() && used->first != slot_ && cluster_.clock().mono_ms() - used->second < kRestMs) {
    return broker_fail(Fault::other, "the next id rests");
  }
  ProducerId old;
  Code code = init(slot_, deadline_ms, old);
  if (code != Code::ok) return tl::make_unexpected(error_of(code, "fencing"));
  const int next = (slot_ + 1) % cluster_.options().ring;
  if (next != slot_) {
    code = init(next, deadline_ms, old);
    if (code != Code::ok) return tl::make_unexpected(error_of(code, "initialising"));
  }
  slot_ = next;
  cluster_.slot_in_use(transactional_id_) = next;
  producer_ = old;
  sequences_.clear();
  return {};
}

void SimBroker::free_later(std::vector<HeldMessage> held, std::unique_ptr<Arena>) {
  for (const HeldMessage& message : held) message.release(message.message);
}

}  // namespace millrace::sim
