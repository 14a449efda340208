// Reaper: destroys discarded producers on its own thread, because destroying one can block, and frees the memory that
// they may have read when they are gone.
//
// Owned by the edge. discard and free_after are called by workers, the rest by the edge's owner.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/thread.h"
#include "io/broker.h"
#include "kafka/producer.h"

namespace millrace {

// A producer on its way out. Shared by the reaper, which destroys it, and the broker that discarded it, which looks.
struct Discarded {
  std::unique_ptr<Producer> producer;
  std::atomic<bool> destroyed{false};
};
// Shared: whichever of the two is done last lets go.
using DiscardedShare = std::shared_ptr<Discarded>;

class Reaper {
 public:
  Reaper();
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  DiscardedShare discard(std::unique_ptr<Producer> producer);

  // Releases the messages and the arena when all of `readers` are destroyed.
  void free_after(std::vector<DiscardedShare> readers, std::vector<HeldMessage> held, std::unique_ptr<Arena> arena);

  [[nodiscard]] uint64_t discarded() const { return discarded_; }
  [[nodiscard]] uint64_t outstanding() const { return outstanding_; }

  // Waits until all is destroyed and freed. False: something still blocks after `timeout_ms`; its memory is leaked.
  bool drain(int64_t timeout_ms);

 private:
  struct Bundle {
    std::vector<DiscardedShare> readers;
    std::vector<HeldMessage> held;
    std::unique_ptr<Arena> arena;
  };
  void run();
  void free_ready();

  // Plain std::mutex: a condition variable waits on it.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<DiscardedShare> queue_;
  std::vector<Bundle> bundles_;
  bool working_ = false;
  bool stopping_ = false;
  std::atomic<uint64_t> discarded_{0};
  std::atomic<uint64_t> outstanding_{0};
  Thread thread_;
};

}  // namespace millrace
