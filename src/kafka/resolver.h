// Resolver: finds out where newly assigned partitions begin, on its own thread, because that takes questions to brokers
// and the group's thread must not wait. Retries until it knows or the question is withdrawn.
//
// Owned by the group; ask, take and cancel are for the group's thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "kafka/shared.h"
#include "kafka/start_rules.h"

namespace millrace {

struct ResolvedPartition {
  TopicPartition partition;
  uint16_t source = 0;
  int64_t offset = 0;      // the next offset to read
  int64_t committed = -1;  // what was found or has been committed
  int32_t leader_epoch = -1;
  std::string note;
  std::string refused;  // why it is not to be read; empty: it is
  bool needs_accept_start = false;
};

struct ResolveRequest {
  uint64_t number = 0;
  std::vector<TopicPartition> partitions;
  std::map<TopicPartition, int64_t> overrides;  // begin here, whatever is committed, and commit it
};

// What became of a position that is out of range.
struct LossAnswer {
  TopicPartition partition;
  int64_t low = -1;
  int64_t end = -1;
  bool made_anew = false;  // the topic is not the one that the offset was committed for
};

struct ResolverAnswer {
  uint64_t number = 0;
  std::vector<ResolvedPartition> partitions;
  std::optional<LossAnswer> loss;
};

class Resolver {
 public:
  explicit Resolver(EdgeShared& shared);
  ~Resolver();

  void ask(ResolveRequest request);
  void ask_loss(uint64_t number, const TopicPartition& partition);
  void cancel(uint64_t number);

  // The answer to what was asked last, once.
  std::optional<ResolverAnswer> take();

  // Why there is no answer yet; empty when nothing is asked.
  [[nodiscard]] KafkaError trouble() const;

  void stop();

 private:
  struct Job {
    ResolveRequest request;
    std::optional<TopicPartition> loss;
  };
  using SourceOf = std::map<std::string, uint16_t>;

  void run();
  void post(Job job);
  [[nodiscard]] bool withdrawn(uint64_t number) const;
  KafkaResult<ResolverAnswer> answer(const Job& job);
  KafkaResult<ResolverAnswer> answer_loss(const Job& job);
  KafkaResult<std::map<std::string, TopicHistory>> histories(const ResolveRequest& request,
                                                             std::map<TopicPartition, int32_t>& epochs);
  KafkaError place(const ResolveRequest& request, const std::map<std::string, TopicHistory>& histories,
                   std::vector<ResolvedPartition>& resolved, std::map<TopicPartition, OffsetQuestion>& questions);
  KafkaError commit_starts(const std::vector<ResolvedPartition>& resolved);
  void remember(const std::map<std::string, TopicHistory>& histories);

  EdgeShared& shared_;
  SourceOf source_of_;
  mutable Mutex mutex_;
  std::optional<Job> job_ GUARDED_BY(mutex_);
  std::optional<ResolverAnswer> answer_ GUARDED_BY(mutex_);
  KafkaError trouble_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> cancelled_{0};  // every number up to this one
  std::atomic<bool> stopping_{false};
  WakeUp wake_;
  Thread thread_;
};

}  // namespace millrace
