// Clerk: asks the brokers, again and again, what others want to know without waiting: the settings of destinations, the
// partitions of sources, the ends of the assigned partitions. Owns its thread.
//
// Owned by the edge. start and stop by its owner; the rest by any thread.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka/coverage.h"
#include "kafka/readers.h"
#include "kafka/retention.h"
#include "kafka/shared.h"

namespace millrace {

// A topic that is written to: how often it is kept, and for how long. Without settings: they cannot be seen.
struct KeptTopic {
  int32_t replication = 0;
  std::optional<TopicSettings> settings;
};

class Clerk {
 public:
  explicit Clerk(EdgeShared& shared);
  ~Clerk() { stop(); }

  void start();
  void stop();
  // Makes stop() short: what is being asked is given up.
  void hurry();

  // Of the source topics; empty until the brokers have been asked with success.
  [[nodiscard]] std::map<std::string, TopicFacts> sources() const;
  [[nodiscard]] int64_t partitions_of_sources() const;

  // The settings of source topics, as far as they may be seen.
  [[nodiscard]] std::map<std::string, TopicSettings> source_settings() const;

  // Of the topics that are written to and are there.
  [[nodiscard]] std::map<std::string, KeptTopic> destination_topics() const;

  // How far the groups are that read destinations.
  [[nodiscard]] std::vector<ReaderSnapshot> readers() const;

  // Source partitions that nobody in the group has had for `wait_ms`; a rebalance that is heard of begins that anew.
  [[nodiscard]] std::vector<TopicPartition> without_owner(int64_t wait_ms) const;
  void group_changes();
  // So long the group has had no rebalance, nor anybody who begins to join it, by every look.
  [[nodiscard]] int64_t group_at_rest_ms() const;

  // mono_ms of the last answer of a broker; 0: none yet.
  [[nodiscard]] int64_t last_answer_ms() const { return last_answer_ms_; }

  // Why the brokers do not answer; Ok when they do.
  [[nodiscard]] KafkaError trouble() const;

 private:
  void run();
  bool ask_topics();
  void renew_client();
  void publish_destinations(const std::vector<DestinationSettings>& destinations,
                            const std::map<std::string, TopicFacts>& facts);
  bool ask_ends(bool low_too);
  bool ask_ends_of(const std::vector<PartitionTable::StatePointer>& states, int64_t at, bool stable);
  void ask_source_settings();
  void ask_readers();
  void ask_coverage();

  EdgeShared& shared_;
  mutable Mutex mutex_;
  std::map<std::string, TopicFacts> sources_ GUARDED_BY(mutex_);
  std::map<std::string, TopicSettings> source_settings_ GUARDED_BY(mutex_);
  std::map<std::string, KeptTopic> destination_topics_ GUARDED_BY(mutex_);
  std::vector<ReaderSnapshot> readers_ GUARDED_BY(mutex_);
  KafkaError trouble_ GUARDED_BY(mutex_);
  Coverage coverage_ GUARDED_BY(mutex_);
  // The thread's own.
  std::map<std::string, std::string> said_;  // the state of each topic that was last logged
  std::map<TopicPartition, Pace> paces_;     // at which the first offsets go up
  std::string readers_trouble_;              // as it was last logged
  int64_t renew_due_ms_ = 0;                 // its thread only
  std::atomic<int64_t> last_answer_ms_{0};
  std::atomic<bool> stopping_{false};
  Thread thread_;
};

}  // namespace millrace
