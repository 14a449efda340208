// Clock: the only way to the time. SystemClock reads the machine's; ManualClock (tests, simulation) is told.
// Passed in by reference, never global. Every member may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace millrace {

class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since an arbitrary start; never goes back. For durations and deadlines.
  [[nodiscard]] virtual int64_t mono_ns() const = 0;

  // Milliseconds since 1970-01-01 UTC; may step. For what people and records see.
  [[nodiscard]] virtual int64_t wall_ms() const = 0;

  [[nodiscard]] int64_t mono_ms() const { return mono_ns() / 1'000'000; }
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] int64_t mono_ns() const override;
  [[nodiscard]] int64_t wall_ms() const override;
};

class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t wall_ms_at_start = 1'700'000'000'000) : wall_start_ms_(wall_ms_at_start) {}
  [[nodiscard]] int64_t mono_ns() const override { return now_ns_.load(std::memory_order_relaxed); }
  [[nodiscard]] int64_t wall_ms() const override { return wall_start_ms_ + mono_ns() / 1'000'000; }
  void advance_ms(int64_t ms) { now_ns_.fetch_add(ms * 1'000'000, std::memory_order_relaxed); }
  void advance_ns(int64_t ns) { now_ns_.fetch_add(ns, std::memory_order_relaxed); }

 private:
  const int64_t wall_start_ms_;
  std::atomic<int64_t> now_ns_{0};
};

}  // namespace millrace
