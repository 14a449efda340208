// Destinations: what every destination topic takes, published by the clerk and by failures, read by the workers'
// brokers. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
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

  // Those of another version of the configuration: gives the index of each. One that is known keeps its index for ever,
  // so that batches of both versions may be at work. New ones are to be asked for.
  std::vector<uint16_t> add(const std::vector<DestinationSettings>& settings);
  // From here on, only these are written to.
  void keep(const std::vector<uint16_t>& used);
  // Whether the brokers have been asked for it since it was added.
  [[nodiscard]] bool asked(size_t index) const;

  // By index; one that is not written to (any more) has no name here.
  [[nodiscard]] std::vector<DestinationSettings> used() const;

  // Changes when producers that exist do not fit any more: a topic's compression and acks are fixed in them.
  [[nodiscard]] uint64_t producers() const { return producers_.load(std::memory_order_acquire); }
  void outdate_producers() { producers_.fetch_add(1, std::memory_order_release); }

  // What holds now. Shared: a reader keeps its copy while a newer one is published.
  [[nodiscard]] LimitsShare limits() const;

  // Changes whenever something is published.
  [[nodiscard]] uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // True once the brokers have been asked with success.
  [[nodiscard]] bool loaded() const { return loaded_; }

  // By the clerk: what it was told of some. A mark that a failed delivery left stays until clear_mark.
  void publish(const std::map<size_t, DestinationLimits>& limits);

  // A delivery to this destination failed: why. Cleared when a batch with it was committed.
  void mark(size_t index, const std::string& why);
  void clear_marks();

  [[nodiscard]] size_t size() const;
  [[nodiscard]] std::string topic(size_t index) const;

  // The smallest and the largest max.message.bytes.
  [[nodiscard]] std::pair<int64_t, int64_t> message_bytes() const;

  [[nodiscard]] bool all_reachable() const;

  // Each one that is written to wants the answer of all in-sync replicas.
  [[nodiscard]] bool acks_of_all() const;

  // Of all topics together, as far as they are known.
  [[nodiscard]] int64_t partitions() const;

 private:
  void merge() REQUIRES_LOCK(mutex_);

  struct Topic {
    DestinationSettings settings;
    bool used = true;
    bool asked = false;
  };
  mutable Mutex mutex_;
  std::vector<Topic> topics_ GUARDED_BY(mutex_);  // only grows
  LimitsList found_ GUARDED_BY(mutex_);
  std::vector<std::string> marks_ GUARDED_BY(mutex_);
  LimitsShare merged_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> version_{1};
  std::atomic<uint64_t> producers_{1};
  std::atomic<bool> loaded_{false};
  std::atomic<bool> marked_{false};
};

}  // namespace millrace
