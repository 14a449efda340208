// CatchUp: how far a pipeline that fell behind has come: what is worked off of the highest lag since it was last level,
// at which pace the lag falls, and the time left.
//
// CatchUpMeter is told the lag once a second by the one thread that owns it; no clock and no I/O. CatchUp is a value.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

namespace millrace {

struct CatchUp {
  bool behind = false;      // more waits than the batches under way explain
  int64_t highest_lag = 0;  // records, since it was last level
  double percent = 100;     // of that lag, worked off; 100: level
  double rate = 0;          // records a second by which the lag falls, over half a minute; below 0 it grows
  double seconds_left = 0;  // until nothing waits, at that pace; -1: the lag does not fall, or it is not known yet
};

// Up to this lag a pipeline is level that reads so many records a second in batches of this interval.
double level_lag(double records_per_second, int64_t interval_ms);

class CatchUpMeter {
 public:
  // `lag`: records that wait in all partitions of the instance, 0 and more; `level`: as level_lag() says.
  CatchUp observe(int64_t mono_ms, int64_t lag, double level);

 private:
  int64_t highest_lag_ = 0;
  std::deque<std::pair<int64_t, int64_t>> seen_;  // mono_ms and lag, the oldest first; empty: level
};

}  // namespace millrace
