// DeadLetterThreshold: the share of dead letters among the records read in a sliding time, over all workers.
// Any thread; one lock inside.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/thread.h"
#include "config/spec.h"

namespace millrace {

class DeadLetterThreshold {
 public:
  explicit DeadLetterThreshold(const std::optional<config::ThresholdSpec>& spec) : spec_(spec) {}

  // Another configuration. Counts of another length of time say nothing about this one: they are forgotten.
  void change(const std::optional<config::ThresholdSpec>& spec);

  // What a settled batch brought. Not empty: the threshold is passed, and this says by how much.
  std::string add(int64_t wall_ms, uint64_t read, uint64_t dead);

  // The counts as a short text, and back; text that is no such thing is ignored.
  [[nodiscard]] std::string state() const;
  void restore(const std::string& text);

  // A share says nothing about a handful of records.
  static constexpr uint64_t kLeastRecords = 100;

 private:
  struct Slice {
    int64_t number = -1;  // of the slice since 1970
    uint64_t read = 0;
    uint64_t dead = 0;
  };
  static constexpr size_t kSlices = 60;

  mutable Mutex mutex_;
  std::optional<config::ThresholdSpec> spec_ GUARDED_BY(mutex_);
  std::array<Slice, kSlices> slices_ GUARDED_BY(mutex_);
};

}  // namespace millrace
