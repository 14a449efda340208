// ForgetClock: the time by which old rows are forgotten: the wall clock, as long as it goes like the machine's steady
// one. A wall clock that steps forward, or was wrong when the process started, would make rows of today old at once,
// and what is forgotten does not come back. Owned and used by the history's thread; a value with no I/O.
#pragma once

#include <cstdint>
#include <optional>

namespace millrace {

class ForgetClock {
 public:
  // A step forward is believed when it has stood for so long.
  static constexpr int64_t kBelievedMs = 24LL * 3600 * 1000;
  // Less is no step: clocks are set by small amounts all the time.
  static constexpr int64_t kStepMs = 60'000;

  // `newest_wall_ms` is that of the newest row of earlier runs, if there is one: time that passed between it and now is
  // a step, too, whether nobody ran or the clock is wrong.
  ForgetClock(std::optional<int64_t> newest_wall_ms, int64_t wall_ms, int64_t mono_ms);

  // The time now; never later than the wall clock, which may be asked for at any distance.
  int64_t now_ms(int64_t wall_ms, int64_t mono_ms);

  // By how much the wall clock is ahead of what is believed; 0: it is believed.
  [[nodiscard]] int64_t ahead_ms() const { return ahead_ms_; }

 private:
  int64_t believed_;  // wall less steady time
  int64_t stepped_to_ = 0;
  int64_t stepped_mono_ms_ = 0;
  int64_t ahead_ms_ = 0;
};

}  // namespace millrace
