// What the tests of the Kafka edge share: a mock cluster, settings for it, and the smallest engine that can own
// partitions. One thread of the test uses it.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/thread.h"
#include "io/broker.h"
#include "io/source.h"
#include "kafka/edge.h"
#include "kafka/handles.h"

namespace millrace::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-edge-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// librdkafka's mock cluster, with a client that it belongs to.
class MockCluster {
 public:
  explicit MockCluster(int brokers = 1) {
    char text[256];
    client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text)));
    cluster_ = rd_kafka_mock_cluster_new(client_.get(), brokers);
  }
  ~MockCluster() { rd_kafka_mock_cluster_destroy(cluster_); }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  [[nodiscard]] std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  void topic(const std::string& name, int partitions) {
    rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1);
  }
  // The next request of this kind is answered so (a local error such as _TRANSPORT cuts the connection).
  void next(int16_t api_key, std::vector<rd_kafka_resp_err_t> errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, api_key, errors.size(), errors.data());
  }
  void clear(int16_t api_key) { rd_kafka_mock_clear_request_errors(cluster_, api_key); }
  [[nodiscard]] rd_kafka_mock_cluster_t* get() const { return cluster_; }

 private:
  ClientHandle client_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

inline EdgeSettings settings_for(const std::string& brokers) {
  EdgeSettings settings;
  settings.pipeline = "p";
  settings.instance = "i";
  settings.brokers = {brokers};
  settings.group = "p";
  settings.transactional_id_prefix = "p";
  settings.times.socket_ms = 10'000;
  settings.times.message_ms = 15'000;
  settings.times.transaction_ms = 20'000;
  settings.times.session_ms = 6000;
  settings.times.admin_request_ms = 300;
  settings.times.lag_ms = 100;
  return settings;
}

// Turns until `done`, or `timeout_ms` is over. True when done.
inline bool wait_until(const std::function<bool()>& done, int64_t timeout_ms = 15'000) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// Owns partitions as an engine would; the test drains them.
class MiniOwner final : public PartitionOwner {
 public:
  void assigned(std::vector<AssignedPartition> partitions) override {
    MutexLock lock(mutex_);
    for (AssignedPartition& partition : partitions) {
      const TopicPartition name = partition.partition;
      starts_[name] = partition.start_offset;
      owned_[name] = std::move(partition);
    }
  }
  void revoked(const std::vector<TopicPartition>& partitions, bool lost) override {
    MutexLock lock(mutex_);
    if (lost) ++losses_;
    ++revokes_;
    for (const TopicPartition& partition : partitions) {
      if (hold_) continue;
      owned_.erase(partition);
    }
  }
  bool released(const TopicPartition& partition) override {
    MutexLock lock(mutex_);
    return !owned_.contains(partition);
  }

  // While true, revoked partitions are not given back.
  void hold(bool hold) {
    MutexLock lock(mutex_);
    hold_ = hold;
  }
  size_t count() {
    MutexLock lock(mutex_);
    return owned_.size();
  }
  std::map<TopicPartition, int64_t> starts() {
    MutexLock lock(mutex_);
    return starts_;
  }
  int revokes() {
    MutexLock lock(mutex_);
    return revokes_;
  }
  uint64_t epoch(const TopicPartition& partition) {
    MutexLock lock(mutex_);
    const auto at = owned_.find(partition);
    return at == owned_.end() ? 0 : at->second.ownership->epoch.load();
  }
  void drop_all() {
    MutexLock lock(mutex_);
    owned_.clear();
  }
  // Drains every partition once; positions move to what was read.
  size_t drain(Arena& arena, std::vector<Record>& records, std::vector<HeldMessage>& held, Progress& progress) {
    MutexLock lock(mutex_);
    size_t count = 0;
    for (auto& [name, partition] : owned_) {
      const size_t before = records.size();
      Result<Drained> drained = partition.queue->drain(1000, arena, records, held);
      if (!drained) {
        failures_[name] = drained.error().what;
        continue;
      }
      count += drained->records;
      if (records.size() > before) progress[name] = records.back().offset + 1;
      if (drained->end_offset >= 0) progress[name] = drained->end_offset;
    }
    return count;
  }
  std::map<TopicPartition, std::string> failures() {
    MutexLock lock(mutex_);
    return failures_;
  }

 private:
  Mutex mutex_;
  std::map<TopicPartition, AssignedPartition> owned_;
  std::map<TopicPartition, int64_t> starts_;
  std::map<TopicPartition, std::string> failures_;
  bool hold_ = false;
  int losses_ = 0;
  int revokes_ = 0;
};

// Messages of one batch, given back at its end.
struct Batch {
  Arena arena;
  std::vector<Record> records;
  std::vector<HeldMessage> held;
  Progress progress;
  ~Batch() { clear(); }
  void clear() {
    for (const HeldMessage& message : held) message.release(message.message);
    held.clear();
    records.clear();
    progress.clear();
    arena.reset();
  }
};

}  // namespace millrace::test
