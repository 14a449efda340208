#include "pipeline/threshold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "base/text.h"

namespace millrace {

std::string DeadLetterThreshold::add(int64_t wall_ms, uint64_t read, uint64_t dead) {
  const MutexLock lock(mutex_);
  if (!spec_) return "";
  const int64_t slice_ms = std::max<int64_t>(1, spec_->over_ms / static_cast<int64_t>(kSlices));
  const int64_t number = wall_ms / slice_ms;
  Slice& slice = slices_[static_cast<size_t>(number) % kSlices];
  if (slice.number != number) slice = {number, 0, 0};
  slice.read += read;
  slice.dead += dead;
  uint64_t all_read = 0;
  uint64_t all_dead = 0;
  for (const Slice& one : slices_) {
    if (one.number <= number - static_cast<int64_t>(kSlices) || one.number > number) continue;
    all_read += one.read;
    all_dead += one.dead;
  }
  const double percent = all_read == 0 ? 0 : 100.0 * static_cast<double>(all_dead) / static_cast<double>(all_read);
  if (dead == 0 || all_read < kLeastRecords || percent <= spec_->percent) return "";
  return fmt::format("{} of {} records of the last {} went to the dead letters: {:.2f} %, and the threshold is {} %",
                     all_dead, all_read, format_duration_ms(spec_->over_ms), percent, spec_->percent);
}

void DeadLetterThreshold::change(const std::optional<config::ThresholdSpec>& spec) {
  const MutexLock lock(mutex_);
  if (!spec || !spec_ || spec->over_ms != spec_->over_ms) slices_ = {};
  spec_ = spec;
}

std::string DeadLetterThreshold::state() const {
  const MutexLock lock(mutex_);
  std::string text;
  for (const Slice& slice : slices_) {
    if (slice.number >= 0) text += fmt::format("{} {} {}\n", slice.number, slice.read, slice.dead);
  }
  return text;
}

void DeadLetterThreshold::restore(const std::string& text) {
  const MutexLock lock(mutex_);
  for (const std::string_view line : split(text, '\n')) {
    Slice slice;
    if (std::sscanf(std::string(line).c_str(), "%" SCNd64 " %" SCNu64 " %" SCNu64, &slice.number, &slice.read,
                    &slice.dead) != 3 ||
        slice.number < 0) {
      continue;
    }
    slices_[static_cast<size_t>(slice.number) % kSlices] = slice;
  }
}

}  // namespace millrace
