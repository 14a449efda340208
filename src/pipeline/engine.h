// Engine: the workers of a pipeline, and the only thing of them that the rest of the program sees.
//
// Made, started, stopped and destroyed by the main thread. assigned/revoked/released are called by the group's thread;
// snapshot, liveness and end may be called by any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "config/spec.h"
#include "io/broker.h"
#include "io/source.h"
#include "pipeline/engine_end.h"
#include "pipeline/snapshot.h"
#include "pipeline/version.h"

namespace millrace {

class Worker;
class DeadLetterThreshold;
class InstanceRate;
class ChunkShare;

using BrokerFactory = std::function<std::unique_ptr<Broker>(int worker)>;

class Engine final : public PartitionOwner {
 public:
  // `clock` outlives the engine. Brokers are made here, one for each worker.
  Engine(VersionShare version, const BrokerFactory& make_broker, const Clock& clock);
  ~Engine() override;

  // Starts the threads. Each worker first initialises its producer, and tries again until it can.
  void start();

  // True when every worker's producer is initialised: the time to subscribe.
  [[nodiscard]] bool producers_ready() const;

  // Asks every worker to close its batch and to end; returns at once. Before start(): nothing will ever run.
  void stop();

  // The second request: what is open is aborted, not committed.
  void hasten();

  // True when every worker has ended (or none was started).
  [[nodiscard]] bool stopped() const;

  // Waits up to `timeout_ms` for stopped(), then joins the threads and destroys the brokers. False: some thread still
  // runs; leave with _exit.
  bool join(int64_t timeout_ms);

  // Set once: a policy, the offset audit, another instance with our id, refused rights. The main thread stops then.
  [[nodiscard]] std::optional<EngineEnd> end() const;

  // Empty when each worker's loop turns, and each worker committed, idled or was blocked within 30 s; else who and why
  // (exit code 7).
  [[nodiscard]] std::string standstill() const;

  [[nodiscard]] Snapshot snapshot() const;

  // Another version of the configuration, with as many workers and the same sources. Returns at once: each worker
  // changes over between two batches. One that no worker has come to when the next is adopted is given up at once. By
  // one thread at a time, as are the next two.
  void adopt(VersionShare version);

  // Which workers run an earlier version than the one adopted last, and what they do; empty: none. Once there is none,
  // the earlier ones are given up, by this thread and not by a worker's, since large tables take their time.
  [[nodiscard]] std::vector<std::string> behind();

  // The one adopted last.
  [[nodiscard]] VersionShare version() const;

  // For tests and the simulation, which turn the workers by themselves and never call start().
  [[nodiscard]] Worker& worker(size_t index);

  // The counts behind `dead_letters.threshold`, to survive a restart: a short text.
  [[nodiscard]] std::string threshold_state() const;
  void restore_threshold(const std::string& text);

  // PartitionOwner
  void assigned(std::vector<AssignedPartition> partitions) override;
  void revoked(const std::vector<TopicPartition>& partitions, bool lost) override;
  [[nodiscard]] bool released(const TopicPartition& partition) override;
  void brokers_away() override;

 private:
  struct Slot;
  static void run(Slot& slot);

  const Clock& clock_;
  mutable Mutex version_mutex_;
  VersionShare version_ GUARDED_BY(version_mutex_);  // shared with the workers
  std::vector<VersionShare> earlier_;                // kept so that no worker is the last to let go of one
  std::unique_ptr<DeadLetterThreshold> threshold_;
  std::unique_ptr<InstanceRate> rate_;
  std::unique_ptr<ChunkShare> share_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<bool> started_{false};
  std::atomic<bool> stopping_{false};
};

}  // namespace millrace
