// Deadline: a point in time that a call must not pass, made from "this many milliseconds from now". A value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace millrace {

class Deadline {
 public:
  Deadline(const Clock& clock, int64_t duration_ms) : clock_(&clock), end_ms_(clock.mono_ms() + duration_ms) {}

  [[nodiscard]] int64_t left_ms() const { return std::max<int64_t>(end_ms_ - clock_->mono_ms(), 0); }
  [[nodiscard]] bool over() const { return left_ms() == 0; }

  // For librdkafka: never negative (that would be for ever), never more than `at_most_ms`.
  [[nodiscard]] int timeout(int64_t at_most_ms = 600'000) const {
    return static_cast<int>(std::min(left_ms(), at_most_ms));
  }

 private:
  const Clock* clock_;
  int64_t end_ms_;
};

}  // namespace millrace
