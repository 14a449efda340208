// LiveWatch: a thread that looks at exclusive destinations every ten seconds, for LiveReconcile. Beside the pipeline:
// it waits for brokers, the pipeline never waits for it.
//
// Made, started and stopped by the main thread; follow() by the thread that reloads, status() by any. What it asks of
// the engine and the edge must outlive it.
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

  void start();
  // Another version of the configuration runs, with the same brokers.
  void follow(const Pipeline& pipeline);
  // What is being asked is given up; returns at once.
  void hurry();
  // Returns within about a second.
  void stop();

  [[nodiscard]] std::vector<ReconcileStatus> status() const;

 private:
  void run();
  // Topics that may be decidable.
  [[nodiscard]] std::vector<std::string> wanted() const;
  // The client, made when it is first needed; null: it cannot be made.
  Admin* admin();
  void look(Admin& admin, const std::vector<std::string>& topics);

  const EdgeSettings settings_;
  const See see_;
  bool refused_ = false;  // there will be no client; the thread's own
  mutable Mutex mutex_;
  std::unique_ptr<Admin> admin_ GUARDED_BY(mutex_);
  LiveReconcile live_ GUARDED_BY(mutex_);
  std::vector<std::string> wanted_ GUARDED_BY(mutex_);
  WakeUp wake_;
  std::atomic<bool> stopping_{false};
  Thread thread_;
};

}  // namespace millrace
