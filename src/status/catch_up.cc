#include "status/catch_up.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr double kAlwaysLevel = 1'000;
constexpr double kIntervals = 3;
constexpr int64_t kPaceMs = 30'000;      // over which the pace is taken
constexpr int64_t kPaceLeastMs = 5'000;  // less tells nothing: commits come in steps
constexpr double kSecondsMost = 1e8;     // three years: the lag stands still

}  // namespace

double level_lag(double records_per_second, int64_t interval_ms) {
  return std::max(kAlwaysLevel, kIntervals * records_per_second * static_cast<double>(interval_ms) / 1e3);
}

CatchUp CatchUpMeter::observe(int64_t mono_ms, int64_t lag, double level) {
  if (static_cast<double>(lag) <= level) {
    highest_lag_ = 0;
    seen_.clear();
    return {};
  }
  highest_lag_ = std::max(highest_lag_, lag);
  seen_.emplace_back(mono_ms, lag);
  while (seen_.size() > 2 && seen_[1].first <= mono_ms - kPaceMs) seen_.pop_front();
  CatchUp now;
  now.behind = true;
  now.highest_lag = highest_lag_;
  now.percent = 100.0 * (1 - static_cast<double>(lag) / static_cast<double>(highest_lag_));
  now.seconds_left = -1;
  const auto [since_ms, before] = seen_.front();
  if (mono_ms - since_ms < kPaceLeastMs) return now;
  now.rate = static_cast<double>(before - lag) * 1e3 / static_cast<double>(mono_ms - since_ms);
  if (now.rate > 0 && static_cast<double>(lag) / now.rate < kSecondsMost) {
    now.seconds_left = static_cast<double>(lag) / now.rate;
  }
  return now;
}

}  // namespace millrace
