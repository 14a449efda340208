// AtLeastOnceBroker: at_least_once, sync and fire_and_forget. No transaction: everything is acknowledged, then the
// offsets are committed as a member of the group. On any error the worker replays its whole batch.
//
// Owned by one worker, called by that worker's thread.
#pragma once

#include "kafka/broker_base.h"

namespace millrace {

class AtLeastOnceBroker final : public BrokerBase {
 public:
  AtLeastOnceBroker(EdgeShared& shared, int worker) : BrokerBase(shared, worker) {}

  BrokerResult<void> start(int64_t deadline_ms) override;
  BrokerResult<void> begin() override;
  BrokerResult<void> send(const OutputRecord& record) override;
  BrokerResult<void> send_offsets(const Progress& progress, const GroupStamp& stamp, int64_t deadline_ms) override;
  BrokerResult<void> commit(int64_t deadline_ms) override;
  // Takes nothing back: waits until nothing is outstanding.
  BrokerResult<void> abort(int64_t deadline_ms) override;
  BrokerResult<void> rebuild(bool isolate, int64_t deadline_ms) override;

 private:
  BrokerResult<void> open(const Deadline& deadline);

  bool ready_ = false;
  Progress pending_;
  GroupStamp stamp_;
};

}  // namespace millrace
