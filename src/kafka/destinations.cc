#include "kafka/destinations.h"

#include <algorithm>

namespace millrace {

namespace {

DestinationLimits not_asked() {
  DestinationLimits limits;
  limits.reachable = false;
  limits.state = "the brokers have not been asked yet";
  return limits;
}

}  // namespace

Destinations::Destinations(const std::vector<DestinationSettings>& settings)
    : found_(settings.size(), not_asked()), marks_(settings.size()) {
  for (const DestinationSettings& each : settings) topics_.push_back({each, true, false});
  merged_ = std::make_shared<const LimitsList>(found_);
}

std::vector<uint16_t> Destinations::add(const std::vector<DestinationSettings>& settings) {
  MutexLock lock(mutex_);
  std::vector<uint16_t> places;
  for (const DestinationSettings& each : settings) {
    const auto at = std::find_if(topics_.begin(), topics_.end(),
                                 [&each](const Topic& known) { return known.settings.topic == each.topic; });
    const auto place = static_cast<uint16_t>(at - topics_.begin());
    // Of two that write to one topic the first decides, as it does in a producer.
    const bool first = std::find(places.begin(), places.end(), place) == places.end();
    if (at == topics_.end()) {
      topics_.push_back({each, true, false});
      found_.push_back(not_asked());
      marks_.emplace_back();
    } else if (first) {
      if (at->settings.compression != each.compression || at->settings.acks != each.acks) outdate_producers();
      at->settings = each;
      if (!at->used) {
        at->asked = false;
        found_[place] = not_asked();
        marks_[place].clear();
      }
      at->used = true;
    } else {
      std::vector<std::string>& readers = at->settings.readers;
      for (const std::string& group : each.readers) {
        if (std::find(readers.begin(), readers.end(), group) == readers.end()) readers.push_back(group);
      }
    }
    places.push_back(place);
  }
  merge();
  return places;
}

void Destinations::keep(const std::vector<uint16_t>& used) {
  MutexLock lock(mutex_);
  for (Topic& topic : topics_) topic.used = false;
  for (const uint16_t index : used) topics_[index].used = true;
}

bool Destinations::asked(size_t index) const {
  MutexLock lock(mutex_);
  return topics_[index].asked;
}

std::vector<DestinationSettings> Destinations::used() const {
  MutexLock lock(mutex_);
  std::vector<DestinationSettings> list;
  for (const Topic& topic : topics_) list.push_back(topic.used ? topic.settings : DestinationSettings{});
  return list;
}

size_t Destinations::size() const {
  MutexLock lock(mutex_);
  return topics_.size();
}

std::string Destinations::topic(size_t index) const {
  MutexLock lock(mutex_);
  return topics_[index].settings.topic;
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

void Destinations::publish(const std::map<size_t, DestinationLimits>& limits) {
  MutexLock lock(mutex_);
  for (const auto& [index, limit] : limits) {
    found_[index] = limit;
    topics_[index].asked = true;
  }
  merge();
  loaded_ = true;
}

void Destinations::mark(size_t index, const std::string& why) {
  MutexLock lock(mutex_);
  if (index >= marks_.size()) return;
  marks_[index] = "topic " + topics_[index].settings.topic + ": " + why;
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
  for (size_t i = 0; i < found_.size(); ++i) {
    if (!topics_[i].used) continue;
    smallest = std::min(smallest, found_[i].max_message_bytes);
    largest = std::max(largest, found_[i].max_message_bytes);
  }
  const DestinationLimits usual;
  return largest == 0 ? std::pair(usual.max_message_bytes, usual.max_message_bytes) : std::pair(smallest, largest);
}

int64_t Destinations::partitions() const {
  MutexLock lock(mutex_);
  int64_t count = 0;
  for (const DestinationLimits& limits : found_) count += limits.partitions;
  return count;
}

bool Destinations::acks_of_all() const {
  MutexLock lock(mutex_);
  return std::all_of(topics_.begin(), topics_.end(),
                     [](const Topic& topic) { return !topic.used || topic.settings.acks == "all"; });
}

bool Destinations::all_reachable() const {
  MutexLock lock(mutex_);
  for (size_t i = 0; i < found_.size(); ++i) {
    if (topics_[i].used && !found_[i].reachable) return false;
  }
  return true;
}

}  // namespace millrace
