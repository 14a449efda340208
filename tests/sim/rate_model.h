// RateModel: one worker's batches as a flow: records come in at some rate, are read and processed at another, wait in
// the producer's queue, and are acknowledged at a third; a commit waits for the queue and has a cost of its own. The
// controller is the product's. Small steps of time, no clock, one seed a run: thousands of pipelines in a second.
#pragma once

#include <cstdint>
#include <random>

#include "pipeline/rate_controller.h"

namespace millrace::sim {

// Seconds, and records a second.
struct RateConditions {
  double load = 0;      // that comes in
  double read = 0;      // reading and processing can do
  double sink = 0;      // brokers acknowledge
  double commit = 0;    // cost of a commit whatever it holds
  double noise = 0.04;  // of sink and commit from batch to batch, to either side
  double latency = 0;   // until a record is acknowledged, however many are on their way
};

class RateModel {
 public:
  // `queue`: records that the producer holds at most; `budget`: records of a batch at most.
  RateModel(uint64_t seed, double interval, double queue, double budget)
      : random_(seed), interval_(interval), queue_(queue), budget_(budget) {}

  RateConditions conditions;

  // One batch of at most `allowed` records; negative: no limit of that kind.
  RateSample batch(double allowed);

  // Nothing is read for so long.
  void pause(double seconds) {
    now_ += seconds;
    backlog_ += conditions.load * seconds;
  }

  [[nodiscard]] double now() const { return now_; }
  [[nodiscard]] double backlog() const { return backlog_; }
  void add_backlog(double records) { backlog_ += records; }

 private:
  double around(double value);

  std::mt19937_64 random_;
  const double interval_;
  const double queue_;
  const double budget_;
  double now_ = 0;
  double backlog_ = 0;
};

}  // namespace millrace::sim
