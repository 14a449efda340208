// BrokerBase: what the brokers of all delivery modes have in common: the producer and those that it replaced, the
// limits of destinations, the group's offsets. Owned by one worker, called by that worker's thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "io/broker.h"
#include "kafka/deadline.h"
#include "kafka/producer.h"
#include "kafka/shared.h"

namespace millrace {

class BrokerBase : public Broker {
 public:
  ~BrokerBase() override;

  BrokerResult<void> send(const OutputRecord& record) override;
  BrokerResult<void> poll(int64_t wait_ms) override;
  GroupStamp group_stamp() override;
  BrokerResult<Progress> committed(const std::vector<TopicPartition>& partitions, int64_t deadline_ms) override;
  BrokerResult<Progress> committed_before_open(const std::vector<TopicPartition>& partitions,
                                               int64_t deadline_ms) override;
  std::optional<RefusedRecord> refused() override;
  void free_later(std::vector<HeldMessage> held, std::unique_ptr<Arena> arena) override;
  [[nodiscard]] bool discarded_pending() const override;
  [[nodiscard]] const DestinationLimits& destination(uint16_t index) const override;
  void refresh_destinations() override;
  void prepare(int64_t deadline_ms) override;
  [[nodiscard]] bool outdated() const override;
  [[nodiscard]] ProducerLoad load() const override;

 protected:
  BrokerBase(EdgeShared& shared, int worker);

  // How this worker's producer is made now.
  [[nodiscard]] ProducerKind kind() const;

  // Makes the producer, with the settings of now.
  BrokerResult<void> make_producer(const ProducerKind& how);

  // Purges the producer and gives it to the reaper.
  void discard();

  // The failure of a delivery, once; the destination is marked.
  BrokerResult<void> take_delivery_failure();

  // Names the topic that a failed transaction is about, and marks it.
  BrokerError name_destination(const KafkaError& error, BrokerError failure);

  // The error of a call, or of the delivery that made it fail.
  tl::unexpected<BrokerError> failed(const KafkaError& error, std::string_view doing, Fault on_silence);

  // Everything written is acknowledged.
  BrokerResult<void> flush(const Deadline& deadline);

  void count_started();

  EdgeShared& shared_;
  const int worker_;
  std::unique_ptr<Producer> producer_;
  bool isolating_ = false;

 private:
  std::optional<DeliveryFailure> reported_;  // the last failure that was returned
  std::vector<DiscardedShare> discarded_;    // shared with the reaper
  bool started_ = false;
  uint64_t made_for_ = 0;                 // of Destinations::producers(), when the producer was made
  uint64_t failed_deliveries_ = 0;        // of producers that were discarded
  mutable uint64_t statistics_seen_ = 0;  // of the producer at work

  // The limits as last looked at, and the ones before: a reference that destination() gave stays good over one change.
  mutable LimitsShare limits_;
  mutable LimitsShare limits_before_;
  mutable uint64_t limits_version_ = 0;
};

}  // namespace millrace
