// Destinations: what every destination topic takes, published by the clerk and by failures, read by the workers'
// brokers. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "io/broker.h"
#include "kafka/settings.h"

namespace millrace {

using LimitsList = std::vector<DestinationLimits>;
// Shared: a worker goes on reading the list it has while the edge publishes the next.
using LimitsShare = std::shared_ptr<const LimitsList>;

class Destinations {
 public:
  explicit Destinations(const std::vector<DestinationSettings>& settings);

  // What holds now. Shared: a reader keeps its copy while a newer one is published.
  [[nodiscard]] LimitsShare limits() const;

  // Changes whenever something is published.
  [[nodiscard]] uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // True once the brokers have been asked with success.
  [[nodiscard]] bool loaded() const { return loaded_; }

  // By the clerk. A mark that a failed delivery left stays until clear_mark.
  void publish(LimitsList limits);

  // A delivery to this destination failed: why. Cleared when a batch with it was committed.
  void mark(size_t index, const std::string& why);
  void clear_marks();

  [[nodiscard]] size_t size() const { return topics_.size(); }
  [[nodiscard]] const std::string& topic(size_t index) const { return topics_[index]; }

  // The smallest and the largest max.message.bytes.
  [[nodiscard]] std::pair<int64_t, int64_t> message_bytes() const;

  [[nodiscard]] bool all_reachable() const;

  // Of all topics together, as far as they are known.
  [[nodiscard]] int64_t partitions() const;

 private:
  void merge() REQUIRES_LOCK(mutex_);

  const std::vector<std::string> topics_;
  mutable Mutex mutex_;
  LimitsList found_ GUARDED_BY(mutex_);
  std::vector<std::string> marks_ GUARDED_BY(mutex_);
  LimitsShare merged_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> version_{1};
  std::atomic<bool> loaded_{false};
  std::atomic<bool> marked_{false};
};

}  // namespace millrace
