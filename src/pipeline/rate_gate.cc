#include "pipeline/rate_gate.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace {

double InstanceRate::take(int worker, double wanted, double weight, double for_tick, TickTime tick) {
  const MutexLock lock(mutex_);
  // Only forward: a worker may speak of the tick before once more, and while a reload goes round they are of two
  // lengths.
  if (tick.begun_ms > begun_ms_) {
    // What is below one record is carried over, so that slow rates come out right.
    left_ = std::clamp(left_, 0.0, 1.0) + for_tick;
    begun_ms_ = tick.begun_ms;
    for (Claim& claim : workers_) claim.taken = 0;
  }
  Claim& own = workers_[static_cast<size_t>(worker)];
  own.weight = weight;
  own.begun_ms = begun_ms_;
  // Kept for the others that asked in this tick or the last one.
  const auto asked_lately = [&](const Claim& claim) {
    return claim.begun_ms >= 0 && claim.begun_ms + tick.interval_ms >= begun_ms_;
  };
  double weights = 0;
  for (const Claim& claim : workers_) weights += asked_lately(claim) ? claim.weight : 0;
  double kept = 0;
  for (const Claim& claim : workers_) {
    if (&claim == &own || !asked_lately(claim)) continue;
    kept += std::max(0.0, for_tick * claim.weight / weights - claim.taken);
  }
  const double given = std::floor(std::min(wanted, std::max(0.0, left_ - kept)));
  own.taken += given;
  left_ -= given;
  return given;
}

RateGate::RateGate(int worker, const EngineOptions& options, InstanceRate& instance)
    : worker_(worker), options_(options), instance_(instance) {}

double RateGate::for_tick(double rate) const {
  return rate * static_cast<double>(options_.interval_ms) / 1000;
}

TickTime RateGate::tick_of(int64_t now_ms) const {
  return {now_ms - now_ms % options_.interval_ms, options_.interval_ms};
}

void RateGate::begin(double records, RateCause cause, std::span<PartitionRate* const> partitions) {
  // rate.max is shared out like a target, so that what one partition could take alone is not all that there is.
  const double of_tick = for_tick(options_.rate.max);
  if (of_tick > 0 && (records < 0 || of_tick < records)) {
    records = of_tick;
    cause = RateCause::max;
  }
  bounded_ = records >= 0;
  bound_left_ = records;
  bound_cause_ = cause;
  held_back_ = RateCause::none;
  returned_ = false;
  waiting_ = 0;
  for (const PartitionRate* partition : partitions) {
    waiting_ += static_cast<double>(std::max<int64_t>(1, partition->waiting));
  }
  if (bounded_) share_out(partitions);
}

// First the minimum of each, then by what waits beyond it, as often as a partition needs less than its part. Where
// nobody knows how much waits, as much as in the mean of the others.
void RateGate::share_out(std::span<PartitionRate* const> partitions) {
  pool_ = bound_left_;
  if (partitions.empty()) return;
  double known = 0;
  size_t known_count = 0;
  for (const PartitionRate* partition : partitions) {
    if (partition->waiting < 0) continue;
    known += static_cast<double>(partition->waiting);
    ++known_count;
  }
  const double mean = known_count == 0 ? bound_left_ : known / static_cast<double>(known_count);
  const double ceiling = options_.rate.max_per_partition > 0 ? for_tick(options_.rate.max_per_partition)
                                                             : std::numeric_limits<double>::max();
  std::vector<double> wants;
  double floors = 0;
  const double floor = for_tick(options_.rate.min_per_partition);
  for (PartitionRate* partition : partitions) {
    const double waiting = partition->waiting < 0 ? mean : static_cast<double>(partition->waiting);
    wants.push_back(std::min(waiting, ceiling));
    partition->share = std::min(wants.back(), floor);
    floors += partition->share;
  }
  // Where the minima are more than there is, all get the same part of them; the carry lets each come to its turn.
  if (floors > pool_) {
    for (PartitionRate* partition : partitions) partition->share *= pool_ / floors;
    floors = pool_;
  }
  double left = pool_ - floors;
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds && left >= 1; ++round) {
    double unmet = 0;
    for (size_t i = 0; i < partitions.size(); ++i) unmet += wants[i] - partitions[i]->share;
    if (unmet <= 0) break;
    const double part = std::min(1.0, left / unmet);
    for (size_t i = 0; i < partitions.size(); ++i) {
      const double more = (wants[i] - partitions[i]->share) * part;
      partitions[i]->share += more;
      left -= more;
    }
  }
  // Whole records, and what is below one for the next time.
  for (PartitionRate* partition : partitions) {
    const double exact = partition->share + partition->carry;
    partition->share = std::min(std::floor(exact), std::floor(pool_));
    partition->carry = std::min(exact - partition->share, 1.0);
    pool_ -= partition->share;
  }
}

void RateGate::note(RateCause cause) {
  held_back_ = std::max(held_back_, cause);
}

size_t RateGate::allow(PartitionRate& partition, size_t wanted, int64_t now_ms) {
  const RateOptions& rate = options_.rate;
  if (!bounded_ && rate.max_per_partition == 0 && rate.max == 0) return wanted;
  double allowed = static_cast<double>(wanted);
  const int64_t tick = now_ms / options_.interval_ms;
  if (rate.max_per_partition > 0) {
    if (tick != partition.quota_tick) {
      partition.quota = std::min(partition.quota, 1.0) + for_tick(rate.max_per_partition);
      partition.quota_tick = tick;
    }
    allowed = std::min(allowed, std::max(0.0, std::floor(partition.quota)));
    if (allowed < 1) note(RateCause::max_per_partition);
  }
  if (bounded_ && allowed >= 1) {
    allowed = std::min(allowed, std::floor(partition.share + pool_));
    if (allowed < 1) note(bound_cause_);
  }
  if (rate.max > 0 && allowed >= 1) {
    allowed = instance_.take(worker_, allowed, waiting_, for_tick(rate.max), tick_of(now_ms));
    if (allowed < 1) note(RateCause::max);
  }
  return static_cast<size_t>(std::max(0.0, allowed));
}

void RateGate::took(PartitionRate& partition, size_t asked, size_t count, bool at_end, int64_t now_ms) {
  const RateOptions& rate = options_.rate;
  const auto taken = static_cast<double>(count);
  partition.quota -= taken;
  if (rate.max > 0 && count < asked) {
    const double returned = taken - static_cast<double>(asked);
    static_cast<void>(instance_.take(worker_, returned, waiting_, for_tick(rate.max), tick_of(now_ms)));
  }
  if (!bounded_) return;
  bound_left_ -= taken;
  const double own = std::min(partition.share, taken);
  partition.share -= own;
  pool_ -= taken - own;
  if (at_end && partition.share >= 1) {
    pool_ += partition.share;
    partition.share = 0;
    returned_ = held_back_ != RateCause::none;
  }
}

bool RateGate::take_returned() {
  const bool returned = returned_;
  returned_ = false;
  return returned;
}

}  // namespace millrace
