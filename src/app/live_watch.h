// LiveWatch: a thread that looks at exclusive destinations every ten seconds, for LiveReconcile. Beside the pipeline:
// it waits for brokers, the pipeline never waits for it.
//
// Made, started and stopped by the main thread; status() by any thread. What it asks of the engine and the edge must
// outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/assemble.h"
#include "base/thread.h"
#include "kafka/admin.h"
#include "pipeline/live_reconcile.h"

namespace millrace {

class LiveWatch {
 public:
  static constexpr int64_t kEveryMs = 10'000;

  using See = std::function<LiveReconcile::Seen()>;
  LiveWatch(const Pipeline& pipeline, See see);
  ~LiveWatch() { stop(); }
  LiveWatch(const LiveWatch&) = delete;
  LiveWatch& operator=(const LiveWatch&) = delete;

  // Begins, where there is something to look at.
  void start();
  // What is being asked is given up; returns at once.
  void hurry();
  // Returns within about a second.
  void stop();

  [[nodiscard]] std::vector<ReconcileStatus> status() const;

 private:
  void run();
  void look();

  EdgeSettings settings_;
  const See see_;
  std::vector<std::string> asked_;  // topics that may be decidable
  std::unique_ptr<Admin> admin_;
  mutable Mutex mutex_;
  LiveReconcile live_ GUARDED_BY(mutex_);
  WakeUp wake_;
  std::atomic<bool> stopping_{false};
  Thread thread_;
};

}  // namespace millrace
