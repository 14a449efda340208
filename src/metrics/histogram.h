// TimeHistogram: how long something took, counted in fixed buckets of plain integers. A value: the worker that owns it
// records into it, a published snapshot holds a copy, copies of several workers add up. Not shared between threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace {

class TimeHistogram {
 public:
  // Upper bounds in microseconds: 1 ms to 60 s, about two for each factor of three. What took longer has no bound.
  static constexpr std::array<int64_t, 15> kBoundsUs = {1'000,     2'500,     5'000,      10'000,     25'000,
                                                        50'000,    100'000,   250'000,    500'000,    1'000'000,
                                                        2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

  void record_us(int64_t us) {
    const auto bound = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us);
    ++counts_[static_cast<size_t>(bound - kBoundsUs.begin())];
    ++count_;
    sum_us_ += us;
  }

  void add(const TimeHistogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_us_ += other.sum_us_;
  }

  // Not cumulative; the last one counts what took longer than the last bound.
  [[nodiscard]] const std::array<uint64_t, kBoundsUs.size() + 1>& counts() const { return counts_; }
  [[nodiscard]] uint64_t count() const { return count_; }
  [[nodiscard]] int64_t sum_us() const { return sum_us_; }

 private:
  std::array<uint64_t, kBoundsUs.size() + 1> counts_{};
  uint64_t count_ = 0;
  int64_t sum_us_ = 0;
};

}  // namespace millrace
