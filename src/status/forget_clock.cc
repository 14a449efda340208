#include "status/forget_clock.h"

#include <algorithm>
#include <cstdlib>

namespace millrace {

ForgetClock::ForgetClock(std::optional<int64_t> newest_wall_ms, int64_t wall_ms, int64_t mono_ms)
    : believed_(std::min(newest_wall_ms.value_or(wall_ms), wall_ms) - mono_ms) {
  static_cast<void>(now_ms(wall_ms, mono_ms));
}

int64_t ForgetClock::now_ms(int64_t wall_ms, int64_t mono_ms) {
  const int64_t offset = wall_ms - mono_ms;
  if (offset <= believed_ + kStepMs) {
    believed_ = offset;
    ahead_ms_ = 0;
    return wall_ms;
  }
  // Another step begins its own time.
  if (ahead_ms_ == 0 || std::abs(offset - stepped_to_) > kStepMs) stepped_mono_ms_ = mono_ms;
  stepped_to_ = offset;
  ahead_ms_ = offset - believed_;
  if (mono_ms - stepped_mono_ms_ < kBelievedMs) return mono_ms + believed_;
  believed_ = offset;
  ahead_ms_ = 0;
  return wall_ms;
}

}  // namespace millrace
