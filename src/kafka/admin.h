// Admin: asks the brokers (topics, their settings, ends of partitions, offsets of groups) and changes nothing but,
// where it is told to, a group's offsets. Every call blocks up to its time-out. Any thread; the edge calls it from its
// clerk's and resolver's threads, and from a worker's in a recovery.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread.h"
#include "kafka/error.h"
#include "kafka/handles.h"
#include "kafka/settings.h"
#include "record/progress.h"

#include "kafka/coverage.h"

namespace millrace {

template <typename T>
using KafkaResult = tl::expected<T, KafkaError>;

struct TopicFacts {
  KafkaError error;         // unknown topic, no right to see it
  int32_t partitions = 0;   // 0 with an error
  std::string id;           // empty: not asked, or the brokers do not tell
  int32_t leaderless = 0;   // partitions without a leader
  int32_t replication = 0;  // the smallest number of replicas of a partition
};

struct TopicRights {
  bool read = false;
  bool write = false;
};

// One setting of a topic, and where it comes from.
struct TopicSetting {
  std::string value;
  bool of_topic = false;  // the topic has its own; else it is the broker's default
  std::string broker_default;
};

// What of a topic's settings concerns who writes to it, and how long a reader has.
struct TopicSettings {
  KafkaError error;  // no right to see them
  int64_t max_message_bytes = 1'048'588;
  bool compacted = false;
  bool log_append_time = false;
  int64_t timestamp_before_max_ms = INT64_MAX;
  int64_t timestamp_after_max_ms = INT64_MAX;
  int64_t retention_ms = -1;     // -1: nothing is deleted by age
  int64_t retention_bytes = -1;  // of a partition; -1: nothing is deleted by size
  int64_t segment_ms = -1;
  int64_t segment_bytes = -1;
  int64_t min_insync_replicas = 1;
  bool deletes = true;                         // cleanup.policy says delete
  std::map<std::string, TopicSetting> origin;  // those of kShownSettings, by name
};

// What check --connect shows of a topic.
inline constexpr std::array<std::string_view, 5> kShownSettings = {"retention.ms", "retention.bytes", "cleanup.policy",
                                                                   "max.message.bytes", "min.insync.replicas"};

// Which offset of a partition is asked for: the first, the last stable one, or the first at or after a timestamp (>=
// 0).
struct OffsetQuestion {
  static constexpr int64_t kEarliest = -2;
  static constexpr int64_t kLatest = -1;
  int64_t at = kLatest;
};

struct OffsetAnswer {
  int64_t offset = -1;  // -1 without an error: no record is that late
  KafkaError error;
};

class Admin {
 public:
  static Result<std::unique_ptr<Admin>> create(const EdgeSettings& settings);

  // A new client, with passwords and certificates as they are now; what is being asked goes on with the old one.
  Result<void> renew(const EdgeSettings& settings);
  ~Admin() = default;
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // Partition counts and leaders, in one request. An entry for each name.
  KafkaResult<std::map<std::string, TopicFacts>> topics(const std::vector<std::string>& names, int timeout_ms);

  // Ids; topics that have none known are left out.
  KafkaResult<std::map<std::string, std::string>> topic_ids(const std::vector<std::string>& names, int timeout_ms);

  // What we may do with topics; those that the brokers tell nothing of are left out.
  KafkaResult<std::map<std::string, TopicRights>> topic_rights(const std::vector<std::string>& names, int timeout_ms);

  KafkaResult<std::map<std::string, TopicSettings>> topic_settings(const std::vector<std::string>& names,
                                                                   int timeout_ms);

  // `committed`: the latest is the last stable offset; else the high watermark.
  KafkaResult<std::map<TopicPartition, OffsetAnswer>> offsets(const std::map<TopicPartition, OffsetQuestion>& questions,
                                                              int timeout_ms, bool committed = true);

  // What a group has committed; partitions without a commit are left out.
  KafkaResult<Progress> group_offsets(const std::string& group, const std::vector<TopicPartition>& partitions,
                                      int timeout_ms);

  // What the coordinator says of a group's members.
  KafkaResult<GroupDescription> group_description(const std::string& group, int timeout_ms);

  // Moves what a group has committed; the notes that go with the offsets stay as they are. The group must have no
  // member: brokers refuse it otherwise. `timeout_ms` is that of each of the two requests.
  KafkaResult<void> move_group_offsets(const std::string& group, const Progress& to, int timeout_ms);

  // Whatever is being asked, now and later, ends without an answer soon.
  void give_up() { given_up_ = true; }

  // The last thing librdkafka complained about.
  [[nodiscard]] KafkaError complaint() const;

 private:
  // Shared by the questions under way, which may outlast a renewal.
  using ClientShare = std::shared_ptr<rd_kafka_t>;

  Admin() = default;
  [[nodiscard]] ClientShare client() const;
  // Made when the first group is asked for: most pipelines ask for none.
  KafkaResult<ClientShare> group_client();
  void forget_group_client(const ClientShare& client);
  KafkaResult<PartitionListHandle> list_group_offsets(const std::string& group,
                                                      const std::vector<TopicPartition>& partitions, int timeout_ms);
  KafkaResult<EventHandle> describe(const std::vector<std::string>& names, bool rights, int timeout_ms);
  // Waits for the answer to a request; null with the error when there is none.
  KafkaResult<EventHandle> wait(rd_kafka_queue_t* queue, int timeout_ms);
  AdminOptionsHandle options(rd_kafka_admin_op_t operation, int timeout_ms) const;
  KafkaError explained(KafkaError error);
  static void on_error(rd_kafka_t* client, int code, const char* reason, void* opaque);

  std::atomic<bool> given_up_{false};
  mutable Mutex mutex_;
  KafkaError complaint_ GUARDED_BY(mutex_);
  ClientShare client_ GUARDED_BY(mutex_);
  ConfHandle group_conf_ GUARDED_BY(mutex_);
  ClientShare group_client_ GUARDED_BY(mutex_);
  // Declared behind the client: topics are destroyed before it.
  std::map<std::string, TopicHandle> topics_ GUARDED_BY(mutex_);
};

}  // namespace millrace
