#include "base/clock.h"

#include <ctime>

namespace millrace {

namespace {

int64_t read_ns(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t SystemClock::mono_ns() const {
  return read_ns(CLOCK_MONOTONIC);
}

int64_t SystemClock::wall_ms() const {
  return read_ns(CLOCK_REALTIME) / 1'000'000;
}

}  // namespace millrace
