// RateController: how many records a worker may read into a batch, so that the batch, its commit included, fits the
// interval. A PID controller in the form of Spark's PIDRateEstimator, with the differences that millrace needs:
//
// - Reading, processing and sending overlap, and a batch is closed at the tick anyway. So a pipeline that keeps up is
//   not limited at all: a target comes into being when a batch, its commit included, takes longer than its interval,
//   and goes when it was not needed for a while.
// - After a start or an outage the first batches are bounded by rate.initial, which grows with each batch that is done
//   well before its tick.
// - A commit has a fixed cost, which is taken out before a pace is made of a batch: small batches tell the truth. Where
//   that cost is more than half of the interval, batches are meant to take twice that cost: smaller ones would cost
//   more than they carry. The same goes for acknowledgements that take long however few they are for: two batches of
//   different size tell that time from what each record takes. Without it a target would shrink for ever where brokers
//   answer later than the interval lasts, because no batch is small enough to be acknowledged in time.
// - Nothing is outstanding once a batch is settled, so what Spark calls scheduling delay is no queue here: it is how
//   far into the next interval the commit reached.
// - Batches that went through a recovery, hold no records or were dropped teach nothing. No single batch changes the
//   target by more than a factor of four.
//
// A pure state machine without clock and I/O: it is told what happened. Owned and used by one worker.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/rate_status.h"

namespace millrace {

// What turns the controller. Rates are of one worker, in records a second.
struct BackpressureOptions {
  bool enabled = true;
  double proportional = 1.0;  // weight of the difference between the target and the pace of the last batch
  double integral = 0.2;      // weight of what reached into the next interval
  double derived = 0.0;       // weight of the change of that difference
  double min_rate = 100;      // no target is below
};

// One settled batch, in seconds of a clock that does not step.
struct RateSample {
  uint64_t records = 0;
  double seconds = 0;         // from its first record to the end of its commit
  double idle_seconds = 0;    // of these: reading was held back, and brokers had acknowledged everything
  double commit_seconds = 0;  // from its close to the end of its commit
  double late_seconds = 0;    // from its tick to the end of its commit; 0: it was full before its tick
  double unacknowledged = 0;  // share of the batch, 0 to 1, that brokers had not acknowledged at its close
  bool held_back = false;     // the target ended its reading
  bool teaches = true;        // committed, without a recovery
};

class RateController {
 public:
  // `initial_rate`: records a second in the first batches.
  RateController(const BackpressureOptions& options, double interval_seconds, double initial_rate);

  // New options apply from the next batch on; what was learned stays.
  void configure(const BackpressureOptions& options, double interval_seconds, double initial_rate);

  // After each settled batch.
  void settled(const RateSample& sample);

  // The open batch lives on into a further interval, because it has no outputs to commit; `held_back` as above.
  void extended(bool held_back);

  // The brokers were away, or the batch went through a recovery: the next batches are bounded like the first ones.
  void interrupted();

  // Records that the next batch may hold; negative: no limit.
  [[nodiscard]] double batch_records() const;

  // Records a second; 0: no target.
  [[nodiscard]] double target_rate() const { return target_rate_; }
  [[nodiscard]] bool initial() const { return phase_ == Phase::initial; }
  [[nodiscard]] const RateTerms& terms() const { return terms_; }
  // Time that acknowledgements and commit take whatever the batch holds, as far as it is known; 0: not yet.
  [[nodiscard]] double fixed_seconds() const { return fixed_seconds_ + latency_seconds_; }
  // The time that a batch is meant to take.
  [[nodiscard]] double batch_seconds() const;

 private:
  enum class Phase : uint8_t {
    free,     // no target
    initial,  // a bound that grows
    learned,  // a target that follows the pace
  };

  void note_fixed(const RateSample& sample);
  void note_latency(const RateSample& sample);
  [[nodiscard]] double pace(const RateSample& sample) const;
  double smoothed(double pace);
  [[nodiscard]] bool overrun(const RateSample& sample) const;
  void grow(const RateSample& sample);
  void engage(const RateSample& sample);
  void follow(const RateSample& sample);
  void set_free();

  BackpressureOptions options_;
  double interval_seconds_;
  double initial_rate_;
  Phase phase_ = Phase::initial;
  double target_rate_ = 0;
  double last_error_ = 0;
  double smoothed_pace_ = 0;
  double usual_rate_ = 0;  // of the batches so far, in which nothing was wrong
  int unneeded_ = 0;       // batches in a row that did not come near the target
  double unneeded_seconds_ = 0;
  RateTerms terms_;
  double fixed_seconds_ = 0;    // of the commit
  double latency_seconds_ = 0;  // of acknowledgements
  double other_records_ = 0;    // of the batch that the next one of another size is compared with; 0: none
  double other_seconds_ = 0;
  int in_vain_ = 0;  // batches in a row that are much smaller than that one, and too long
};

}  // namespace millrace
