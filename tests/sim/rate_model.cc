#include "sim/rate_model.h"

#include <algorithm>
#include <cmath>

namespace millrace::sim {

namespace {

constexpr double kSteps = 100;  // of an interval

}  // namespace

double RateModel::around(double value) {
  return value * std::uniform_real_distribution<double>(1 - conditions.noise, 1 + conditions.noise)(random_);
}

RateSample RateModel::batch(double allowed) {
  const double step = interval_ / kSteps;
  if (backlog_ < 1 && conditions.load > 0) {
    now_ += (1 - backlog_) / conditions.load;
    backlog_ = 1;
  }
  RateSample sample;
  const double opened = now_;
  const double closes = (std::floor(now_ / interval_) + 1) * interval_;
  const double sink = around(conditions.sink);
  const double limit = allowed < 0 ? budget_ : std::min(std::floor(allowed), budget_);
  double read = 0;
  double waiting = 0;
  double sent_at = now_ - conditions.latency;  // the last record
  while (now_ < closes && read < budget_) {
    const double time = std::min(step, closes - now_);
    const double room = queue_ - waiting + sink * time;
    const double more = std::min({conditions.read * time, backlog_, limit - read, room});
    read += more;
    backlog_ += conditions.load * time - more;
    waiting = std::max(0.0, waiting + more - sink * time);
    if (more > 0) sent_at = now_ + time;
    if (read >= limit && limit < budget_) {
      sample.held_back = true;
      if (waiting == 0 && now_ >= sent_at + conditions.latency) sample.idle_seconds += time;
    }
    now_ += time;
  }
  const double still = std::max(sent_at + conditions.latency - now_, 0.0);
  if (still > 0 && read < limit) waiting = std::max(waiting, std::min(read, conditions.read * conditions.latency));
  if (still > 0 && read >= limit) waiting = read;
  sample.unacknowledged = read < 1 ? 0 : std::min(1.0, waiting / read);
  const double queued = conditions.latency > 0 ? still : waiting / sink;
  sample.commit_seconds = queued + around(conditions.commit);
  now_ += sample.commit_seconds;
  backlog_ += conditions.load * sample.commit_seconds;
  sample.seconds = now_ - opened;
  sample.late_seconds = std::max(0.0, now_ - closes);
  sample.records = static_cast<uint64_t>(read);
  return sample;
}

}  // namespace millrace::sim
