// RateGate: how many records may be read now from each partition of a worker, when something limits them: the
// controller's bound of a batch, rate.max of the instance, rate.max_per_partition.
//
// A batch's bound is shared over the partitions by what waits in them: a hot partition gets more, and none that has
// records gets less than rate.min_per_partition. What a partition does not use goes into a pool for the others.
//
// Owned and used by one worker; no clock of its own. Where nothing limits, it costs a comparison for each chunk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread.h"
#include "pipeline/options.h"
#include "pipeline/rate_status.h"

namespace millrace {

// What the gate keeps of a partition.
struct PartitionRate {
  int64_t waiting = -1;  // records behind the position, when the batch was begun; -1: not known
  double share = 0;      // records that the batch may still take from it
  double carry = 0;      // what was below one record in the last share
  double quota = 0;      // by max_per_partition, in this tick
  int64_t quota_tick = -1;
};

// A tick: when it began, by the monotonic clock, and its length.
struct TickTime {
  int64_t begun_ms = 0;
  int64_t interval_ms = 1;
};

// rate.max over the workers of an instance: each may take its part by what waits at it, and what nobody else has
// claimed. Used by all workers.
class InstanceRate {
 public:
  explicit InstanceRate(int workers) : workers_(static_cast<size_t>(workers)) {}

  // Up to `wanted` of the records that `for_tick` leaves in this tick; the rest may be given back with a negative
  // number. `weight`: how much waits at this worker.
  double take(int worker, double wanted, double weight, double for_tick, TickTime tick);

 private:
  struct Claim {
    double weight = 0;
    double taken = 0;
    int64_t begun_ms = -1;  // of the tick in which it asked last
  };

  Mutex mutex_;
  std::vector<Claim> workers_ GUARDED_BY(mutex_);
  double left_ GUARDED_BY(mutex_) = 0;
  int64_t begun_ms_ GUARDED_BY(mutex_) = -1;
};

class RateGate {
 public:
  // `options` may change between two batches.
  RateGate(int worker, const EngineOptions& options, InstanceRate& instance);

  // A batch is begun (or lives on into a further interval): it may hold `records` more, because of `cause`; negative:
  // as many as rate.max allows in a tick. `partitions` are those that may be read.
  void begin(double records, RateCause cause, std::span<PartitionRate* const> partitions);

  // Records that may be asked of this partition now, at most `wanted`; 0: held back, see causes().
  size_t allow(PartitionRate& partition, size_t wanted, int64_t now_ms);

  // The partition gave `count` of the `asked` records that allow() had said; with `at_end` it has no more.
  void took(PartitionRate& partition, size_t asked, size_t count, bool at_end, int64_t now_ms);

  // Some partition left its share to the others since this was last asked: those that were held back may be read.
  bool take_returned();

  // The bound of the batch is used up.
  [[nodiscard]] bool exhausted() const { return bounded_ && bound_left_ < 1; }
  // The same, where the bound is the controller's and not rate.max.
  [[nodiscard]] bool target_reached() const { return exhausted() && bound_cause_ != RateCause::max; }
  // What held reading back since begin(); the last in the enum's order decides.
  [[nodiscard]] RateCause held_back() const { return exhausted() ? bound_cause_ : held_back_; }

 private:
  void share_out(std::span<PartitionRate* const> partitions);
  [[nodiscard]] double for_tick(double rate) const;
  [[nodiscard]] TickTime tick_of(int64_t now_ms) const;
  void note(RateCause cause);

  const int worker_;
  const EngineOptions& options_;
  InstanceRate& instance_;
  bool bounded_ = false;
  double bound_left_ = 0;
  RateCause bound_cause_ = RateCause::none;
  double pool_ = 0;  // of bound_left_: in nobody's share
  double waiting_ = 1;
  bool returned_ = false;
  RateCause held_back_ = RateCause::none;
};

}  // namespace millrace
