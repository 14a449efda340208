// ChunkShare: where a busy worker offers chunks of its batch, and workers that have nothing to do take them through the
// graph with stages of their own. So one partition can keep more than one worker busy.
//
// Taking a chunk through the graph is a pure call: what comes out goes back to the owner, which puts the parts together
// in the order in which it read them and sends them itself. Contents, routing and order are those of one worker.
//
// Shared by the workers of an engine. While nobody is idle a busy worker looks at one atomic and takes no lock.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "pipeline/batch.h"
#include "pipeline/executor.h"
#include "pipeline/version.h"

namespace millrace {

// A chunk on its way, and what came out. Owned by the worker whose batch it is of; while it is taken, the helper alone
// uses it. Its memory belongs to the batch: `work.output_arena` is kept until the batch is settled.
struct SharedChunk {
  enum class State : uint8_t { free, offered, taken, done };

  Chunk chunk;  // in the owner's batch
  Batch work;   // a copy of the chunk's records, and what came out of them
  std::vector<DestinationLimits> limits;
  uint64_t counted_bytes = 0;  // of its arena, in the owner's batch
  // Shared with the helper that ran it last: outputs may point into what its stages hold, and it may change over to
  // another version before they are sent.
  std::shared_ptr<Executor> executor;
  Result<void> result;
  int64_t took_ns = 0;

  // For ChunkShare.
  State state = State::free;
  const Version* version = nullptr;
  int owner = 0;
};

class ChunkShare {
 public:
  // `wakes`: one for each worker, which outlives this.
  explicit ChunkShare(std::vector<WakeUp*> wakes);

  // Workers that wait for something to do.
  [[nodiscard]] int idle() const { return idle_count_.load(std::memory_order_relaxed); }

  // The worker goes to wait, or has come back. It is woken when something is offered.
  void set_idle(int worker, bool idle);

  // By an owner: `chunk` may be taken by others from now on.
  void offer(SharedChunk& chunk, int owner, const Version& version);

  // By an idle worker: something that another worker with the same version has offered; null: nothing.
  SharedChunk* take(int helper, const Version& version);
  void done(SharedChunk& chunk);

  // By an owner: its oldest chunk that nobody has taken; null: none. It is done with done().
  SharedChunk* take_back(int owner);
  // Whether the owner may look into the chunk.
  [[nodiscard]] bool is_done(const SharedChunk& chunk) const;
  [[nodiscard]] size_t offered(int owner) const;
  // Waits until nobody works at the owner's chunks any more; those that nobody has taken are taken back unprocessed.
  // A chunk through the graph is bounded work, and the watchdog sees a loop that stands still.
  void withdraw(int owner);

 private:
  std::vector<WakeUp*> wakes_;
  std::unique_ptr<std::atomic<bool>[]> idle_;
  std::atomic<int> idle_count_{0};

  mutable std::mutex mutex_;  // guards all below, and `state` of the chunks
  std::condition_variable changed_;
  std::deque<SharedChunk*> offered_;
  std::vector<int> taken_;  // by owner
};

}  // namespace millrace
