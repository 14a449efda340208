// SimBroker: a client like librdkafka on the simulated cluster: it queues, repeats what got no answer without saying
// so, and answers with what the last try brought. The outcome rule and the ring of ids are its own, as they are the
// Kafka edge's.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/broker.h"
#include "sim/sim_cluster.h"

namespace millrace::sim {

class SimBroker final : public Broker {
 public:
  // `stamp` is what the instance's group client knows; outlives the broker.
  SimBroker(SimCluster& cluster, std::string transactional_id, const GroupStamp& stamp);

  BrokerResult<void> start(int64_t deadline_ms) override;
  BrokerResult<void> begin() override;
  BrokerResult<void> send(const OutputRecord& record) override;
  BrokerResult<void> poll(int64_t wait_ms) override;
  [[nodiscard]] GroupStamp group_stamp() override { return stamp_; }
  BrokerResult<Progress> committed(const std::vector<TopicPartition>& partitions, int64_t deadline_ms) override;
  BrokerResult<Progress> committed_before_open(const std::vector<TopicPartition>& partitions,
                                               int64_t deadline_ms) override;
  BrokerResult<void> send_offsets(const Progress& progress, const GroupStamp& stamp, int64_t deadline_ms) override;
  BrokerResult<void> commit(int64_t deadline_ms) override;
  BrokerResult<void> abort(int64_t deadline_ms) override;
  BrokerResult<void> rebuild(bool isolate, int64_t deadline_ms) override;
  [[nodiscard]] std::optional<RefusedRecord> refused() override { return std::nullopt; }
  void free_later(std::vector<HeldMessage> held, std::unique_ptr<Arena> arena) override;
  [[nodiscard]] bool discarded_pending() const override { return false; }
  [[nodiscard]] const DestinationLimits& destination(uint16_t) const override { return limits_; }
  void refresh_destinations() override {}

 private:
  BrokerResult<Progress> fetch(const std::vector<TopicPartition>& partitions, bool stable, int64_t deadline_ms);
  Code ask(std::string_view name, bool watched, int64_t deadline_ms, const std::function<Code()>& request);
  Code deliver(size_t records_max);
  Code init(int slot, int64_t deadline_ms, ProducerId& producer);
  BrokerResult<void> end(bool commit, int64_t deadline_ms);
  [[nodiscard]] std::string id_of(int slot) const;
  static BrokerError error_of(Code code, const std::string& what);

  SimCluster& cluster_;
  const std::string transactional_id_;
  const GroupStamp& stamp_;
  DestinationLimits limits_;
  int slot_ = 0;
  std::map<int, int64_t> used_ms_;  // slot -> when it was given up
  ProducerId producer_;
  std::map<OutputPartition, int64_t> sequences_;

  // Of the transaction.
  std::vector<OutputRecord> queue_;
  std::set<OutputPartition> added_;
  bool offsets_added_ = false;
  int unanswered_ = 0;  // of the requests that the outcome rule watches
  int end_requests_ = 0;
};

}  // namespace millrace::sim
