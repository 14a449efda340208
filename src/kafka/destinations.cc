#include "kafka/destinations.h"

#include <algorithm>

namespace millrace {

namespace {

std::vector<std::string> names_of(const std::vector<DestinationSettings>& settings) {
  std::vector<std::string> names;
  for (const DestinationSettings& destination : settings) names.push_back(destination.topic);
  return names;
}

}  // namespace

Destinations::Destinations(const std::vector<DestinationSettings>& settings)
    : topics_(names_of(settings)), found_(topics_.size()), marks_(topics_.size()) {
  for (DestinationLimits& limits : found_) {
    limits.reachable = false;
    limits.state = "the brokers have not been asked yet";
  }
  merged_ = std::make_shared<const LimitsList>(found_);
}

LimitsShare Destinations::limits() const {
  MutexLock lock(mutex_);
  return merged_;
}

void Destinations::merge() {
  LimitsList merged = found_;
  for (size_t i = 0; i < merged.size(); ++i) {
    // A mark says what writing met; whether to try again is the writer's to decide, so it does not make unreachable.
    if (merged[i].state.empty()) merged[i].state = marks_[i];
  }
  merged_ = std::make_shared<const LimitsList>(std::move(merged));
  version_.fetch_add(1, std::memory_order_release);
}

void Destinations::publish(LimitsList limits) {
  MutexLock lock(mutex_);
  found_ = std::move(limits);
  merge();
  loaded_ = true;
}

void Destinations::mark(size_t index, const std::string& why) {
  MutexLock lock(mutex_);
  if (index >= marks_.size()) return;
  marks_[index] = "topic " + topics_[index] + ": " + why;
  marked_ = true;
  merge();
}

void Destinations::clear_marks() {
  if (!marked_) return;
  MutexLock lock(mutex_);
  marked_ = false;
  for (std::string& mark : marks_) mark.clear();
  merge();
}

std::pair<int64_t, int64_t> Destinations::message_bytes() const {
  MutexLock lock(mutex_);
  int64_t smallest = INT64_MAX;
  int64_t largest = 0;
  for (const DestinationLimits& limits : found_) {
    smallest = std::min(smallest, limits.max_message_bytes);
    largest = std::max(largest, limits.max_message_bytes);
  }
  const DestinationLimits usual;
  return found_.empty() ? std::pair(usual.max_message_bytes, usual.max_message_bytes) : std::pair(smallest, largest);
}

int64_t Destinations::partitions() const {
  MutexLock lock(mutex_);
  int64_t count = 0;
  for (const DestinationLimits& limits : found_) count += limits.partitions;
  return count;
}

bool Destinations::all_reachable() const {
  MutexLock lock(mutex_);
  return std::all_of(found_.begin(), found_.end(), [](const DestinationLimits& limits) { return limits.reachable; });
}

}  // namespace millrace
