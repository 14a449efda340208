// TransactionalBroker: exactly once. A ring of transactional ids for each worker, because recovery must not go on with
// an id of which an old request may still be on its way: the id is fenced, and the next one is taken.
//
// Owned by one worker, called by that worker's thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "kafka/broker_base.h"

namespace millrace {

// "<prefix>.<instance>.<worker>.<slot>"
std::string transactional_id(const EdgeSettings& settings, int worker, int slot);

class TransactionalBroker final : public BrokerBase {
 public:
  // Brokers below 4.0 let a TxnOffsetCommit that was delayed take back an offset of the same producer id that was
  // accepted since. So an id rests for so long before it is used again, and there are enough of them for that: when
  // recoveries follow each other closely, a ring of four comes round within 4.5 s (the simulation showed it).
  static constexpr int kRingSlots = 16;
  static constexpr int64_t kRestMs = 60'000;

  TransactionalBroker(EdgeShared& shared, int worker) : BrokerBase(shared, worker) {}

  BrokerResult<void> start(int64_t deadline_ms) override;
  BrokerResult<void> begin() override;
  BrokerResult<void> send_offsets(const Progress& progress, const GroupStamp& stamp, int64_t deadline_ms) override;
  BrokerResult<void> commit(int64_t deadline_ms) override;
  BrokerResult<void> abort(int64_t deadline_ms) override;
  BrokerResult<void> rebuild(bool isolate, int64_t deadline_ms) override;

  [[nodiscard]] int slot() const { return slot_; }

 private:
  // Initialises the ids in to_fence_ with producers that are used for nothing else.
  BrokerResult<void> fence(const Deadline& deadline);
  // Makes and initialises the producer of slot_.
  BrokerResult<void> open(const Deadline& deadline);
  // Takes the next slot, if it has rested.
  BrokerResult<void> take_next();
  // Ok when the transaction that just ended can be trusted.
  BrokerResult<void> trust_the_end(std::string_view doing);

  int slot_ = -1;
  bool ready_ = false;  // the producer of slot_ is initialised
  bool next_ = false;   // the next slot is to be taken when to_fence_ is empty
  std::set<int> to_fence_;
  std::map<int, int64_t> used_ms_;  // slot -> when it was given up
  Progress pending_;                // in the open transaction
};

// Ends what workers that no longer exist left open. Blocks; for the edge's resolver thread.
BrokerResult<void> fence_worker(EdgeShared& shared, int worker, int64_t deadline_ms);

}  // namespace millrace
