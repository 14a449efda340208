// EdgeShared: what the parts of the edge have in common. Owned by the edge, outlives every part. Each member says for
// itself which threads may use it.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/thread.h"
#include "kafka/admin.h"
#include "kafka/destinations.h"
#include "kafka/partition_table.h"
#include "kafka/producer_table.h"
#include "kafka/reaper.h"
#include "kafka/settings.h"
#include "kafka/state_files.h"

namespace millrace {

// What ends the process: the first one stays.
class FailureBox {
 public:
  void set(Error error) {
    MutexLock lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  [[nodiscard]] std::optional<Error> get() const {
    MutexLock lock(mutex_);
    return error_;
  }

 private:
  mutable Mutex mutex_;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

struct EdgeShared {
  EdgeShared(EdgeSettings edge_settings, const Clock& edge_clock)
      : settings(std::move(edge_settings)),
        clock(edge_clock),
        state_files(settings.state_directory),
        destinations(settings.destinations),
        tuning(tuning_of(settings)) {}

  // How producers are made now: the settings, with what was taken anew since the start.
  [[nodiscard]] EdgeSettings producer_settings() const {
    EdgeSettings now = settings;
    now.destinations = destinations.used();
    MutexLock lock(tuning_mutex);
    now.producer_linger_ms = tuning.linger_ms;
    now.producer_batch_bytes = tuning.batch_bytes;
    now.producer_retries = tuning.retries;
    now.times.transaction_ms = tuning.transaction_ms;
    return now;
  }

  const EdgeSettings settings;
  const Clock& clock;
  const StateFiles state_files;
  Destinations destinations;
  mutable Mutex tuning_mutex;
  ProducerTuning tuning GUARDED_BY(tuning_mutex);
  PartitionTable partitions;
  ProducerTable producers;
  FailureBox failure;
  std::unique_ptr<Admin> admin;
  Reaper reaper;

  // The group's client; null before it is made. It outlives every broker.
  std::atomic<rd_kafka_t*> consumer{nullptr};
  std::atomic<int> brokers_started{0};
  WakeUp clerk_wake;  // notified: topics and settings are to be asked again

  std::atomic<uint64_t> outcomes_unknown{0};
};

}  // namespace millrace
