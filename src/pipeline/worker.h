// Worker: reads its partitions in turn, takes the records through the graph, writes and commits: one batch at a time.
//
// `step` is the whole of it, and is called by one thread: the engine's, a test's or the simulation's. The mailbox
// (assign, revoke, stop) and what is published may be used by any thread.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/thread.h"
#include "io/broker.h"
#include "io/source.h"
#include "pipeline/batch.h"
#include "pipeline/chunk_share.h"
#include "pipeline/commit.h"
#include "pipeline/engine_end.h"
#include "pipeline/executor.h"
#include "pipeline/options.h"
#include "pipeline/rate_controller.h"
#include "pipeline/rate_gate.h"
#include "pipeline/snapshot.h"
#include "pipeline/threshold.h"
#include "pipeline/version.h"

namespace millrace {

// What a worker shows. A copy, taken under the worker's lock.
struct WorkerView {
  WorkerStatus status;
  std::vector<PartitionStatus> partitions;
  std::vector<DestinationStatus> destinations;
  std::deque<BatchRow> rows;  // the newest first, kRowsMax at most
};

class Worker {
 public:
  static constexpr size_t kRowsMax = 60;

  // `wake` is notified when a queue has records or the mailbox has news. Everything passed by reference outlives the
  // worker; `threshold`, `instance_rate` and `share` are shared by all workers.
  Worker(int index, VersionShare version, std::unique_ptr<Broker> broker, const Clock& clock, WakeUp& wake,
         DeadLetterThreshold& threshold, InstanceRate& instance_rate, ChunkShare& share);
  ~Worker();

  // One turn. Gives the milliseconds after which the next one is due if nothing wakes it before; 0: at once.
  // `woken`: the wake-up was notified since the last turn.
  int64_t step(bool woken);

  // Nothing more will be done: a stop is through, or there is an end.
  [[nodiscard]] bool ended() const { return ended_.load(); }

  // After the last step: destroys the broker and gives back what is held, so that the edge can end before the worker
  // is destroyed.
  void release();

  // The mailbox.
  void assign(std::vector<AssignedPartition> partitions);
  void revoke(const std::vector<TopicPartition>& partitions, bool lost);
  [[nodiscard]] bool holds(const TopicPartition& partition) const;
  [[nodiscard]] size_t load() const;  // partitions held or on their way
  void stop();
  void hasten();
  // The brokers are away: the next batches are bounded like the first ones.
  void note_outage() { outage_.store(true); }
  // Another version, to be run from the next batch on; the open one is closed for it. A later one takes its place.
  void give(VersionShare version);

  // What is published.
  // The version that it runs: no batch of an earlier one comes after it.
  [[nodiscard]] uint64_t version() const { return version_number_.load(); }
  [[nodiscard]] bool producer_ready() const { return producer_ready_.load(); }
  [[nodiscard]] WorkerView view() const;
  void add_totals(EngineTotals& to) const;
  void add_spread(SpreadSum& to) const;
  [[nodiscard]] std::optional<EngineEnd> end() const;
  [[nodiscard]] int64_t loop_ms() const { return loop_ms_.load(); }
  [[nodiscard]] int64_t progress_ms() const { return progress_ms_.load(); }

 private:
  struct Partition;
  // What outputs point into that a discarded producer, which the reaper has not destroyed yet, may still read.
  struct Kept {
    VersionShare version;                // shared, as ever
    std::shared_ptr<Executor> executor;  // of it; shared with the worker that ran it
  };
  struct Mail {
    std::vector<std::unique_ptr<Partition>> assigned;
    std::vector<TopicPartition> revoked;
    bool lost = false;
  };

  // worker_version.cc: changing over to another version
  void take_version();
  void change_version(VersionShare next);
  // Shared, see Kept.
  void keep_for_discarded(const std::shared_ptr<Executor>& executor);
  void let_go_of_kept();

  // worker.cc: the loop
  int64_t turn(bool woken);
  int64_t bring_up();
  int64_t run_batch();
  int64_t wait_for_more();
  int64_t settle(BatchResult result);
  void account(BatchResult result);
  [[nodiscard]] int64_t scheduling_delay_ms(const Batch& batch) const;
  void free_batch_memory();
  void make_batch();
  void refresh_limits();
  Result<void> run_again();
  Result<void> run_chunk(const Chunk& chunk);
  bool should_close() const;
  int64_t finish(EngineEnd end);
  void end_quietly();
  void show_try();
  void set_state(WorkerState state, const std::string& reason);
  void publish();
  void note_progress() { progress_ms_.store(clock_.mono_ms()); }

  // worker_read.cc: partitions and reading
  void take_mail();
  void take_assigned(std::vector<std::unique_ptr<Partition>> partitions);
  void admit();
  void take_revoked(const Mail& mail);
  void remove_released();
  void ready_all(bool woken);
  void make_all_ready();
  bool read_chunk();
  bool read_from(Partition& partition);
  size_t chunk_limit(Partition& partition);
  void add_to_batch(Partition& partition, size_t first, const Drained& drained, size_t count);
  [[nodiscard]] bool budget_left() const;
  [[nodiscard]] uint64_t held_limit() const;
  Partition* find(const TopicPartition& partition);

  // worker_share.cc: chunks that others take through the graph, and those of others
  Result<void> process(const Chunk& chunk);
  void share_chunk(const Chunk& chunk);
  void run_shared(SharedChunk& shared);
  bool work_off_one();
  Result<void> collect();
  void adopt(SharedChunk& shared);
  Result<void> go_on_with_shared();
  Result<void> complete_shared();
  void forget_shared();
  void free_shared(bool in_use);
  bool help();

  static constexpr int64_t kIdleMs = 1000;  // nothing to do, and nobody who wakes it
  // worker_rate.cc: what holds reading back, and what the controller is told
  void begin_rates();
  [[nodiscard]] int64_t idle_ms() const;
  void extend_rates();
  void note_closing();
  int64_t watch_idle(int64_t wait_ms);
  void teach(BatchResult result);
  void note_state_for_rates(WorkerState state);
  [[nodiscard]] double initial_rate() const;
  [[nodiscard]] RateStatus rate_status() const;

  const int index_;
  VersionShare version_;   // shared with the engine and the other workers
  EngineOptions options_;  // of the version
  const Clock& clock_;
  WakeUp& wake_;
  DeadLetterThreshold& threshold_;
  std::unique_ptr<Broker> broker_;
  Committer committer_;
  std::shared_ptr<Executor> executor_;  // of the version; shared with batches that hold what it made
  ChunkShare& share_;
  uint64_t helped_chunks_ = 0;                       // of other workers
  std::deque<std::unique_ptr<SharedChunk>> shared_;  // of the open batch, in the order of the input
  std::vector<std::unique_ptr<SharedChunk>> spare_;  // their arenas hold what the open batch sends
  std::vector<std::shared_ptr<Executor>> helpers_;   // shared with the workers that ran chunks of the open batch
  std::vector<Kept> kept_;
  std::unique_ptr<Batch> batch_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  // Assigned again while the open batch still holds what was read before: let in when that is dropped.
  std::vector<std::unique_ptr<Partition>> arriving_;
  std::deque<Partition*> ready_;
  RateController controller_;
  RateGate gate_;
  bool rates_begun_ = false;   // for the batch that is open or comes next
  int64_t idle_from_ns_ = -1;  // nothing was read or outstanding any more, because reading is held back
  int64_t closing_ns_ = -1;    // when the open batch was closed
  double idle_seconds_ = 0;    // of the open batch, up to its close
  double unacknowledged_ = 0;  // share of it at its close
  double record_ns_ = 0;       // time that a record takes through the graph, of late; 0: not known
  int64_t blocked_since_ms_ = -1;
  RateCause last_cause_ = RateCause::none;
  int64_t last_cause_ms_ = 0;
  std::array<uint64_t, kRateCauseCount> held_back_{};
  std::vector<DestinationLimits> limits_;  // as they were when the batch was begun or replayed
  uint64_t batches_ = 0;
  size_t processed_ = 0;  // records of the batch that went through the graph
  int64_t last_offsets_only_ms_ = 0;
  int64_t previous_closes_ms_ = 0;   // the tick of the batch before
  int64_t previous_settled_ms_ = 0;  // when it was settled
  int64_t published_ms_ = 0;
  int64_t last_sweep_ms_ = 0;
  int64_t last_sweep_tick_ = -1;
  bool stopping_ = false;
  WorkerState state_ = WorkerState::starting;
  std::string reason_;
  BatchObserver* const observer_;  // of the first version; the same for all
  int64_t state_since_ms_ = 0;

  std::atomic<bool> ended_{false};
  std::atomic<bool> producer_ready_{false};
  std::atomic<bool> stop_asked_{false};
  std::atomic<bool> outage_{false};  // brokers were away since the last batch was begun
  std::atomic<bool> hasten_asked_{false};
  std::atomic<int64_t> loop_ms_{0};
  std::atomic<int64_t> progress_ms_{0};
  std::atomic<uint64_t> version_number_{0};
  std::atomic<bool> version_waits_{false};

  mutable Mutex mail_mutex_;
  std::deque<Mail> mail_ GUARDED_BY(mail_mutex_);
  // From the assignment until the release; twice while an assignment waits behind its predecessor's revocation.
  std::multiset<TopicPartition> held_ GUARDED_BY(mail_mutex_);

  VersionShare next_version_ GUARDED_BY(mail_mutex_);

  mutable Mutex view_mutex_;
  WorkerView view_ GUARDED_BY(view_mutex_);
  EngineTotals totals_ GUARDED_BY(view_mutex_);
  SpreadWindow spread_ GUARDED_BY(view_mutex_);
  std::optional<EngineEnd> end_ GUARDED_BY(view_mutex_);
};

}  // namespace millrace
