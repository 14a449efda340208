#include "pipeline/chunk_share.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace millrace {

ChunkShare::ChunkShare(std::vector<WakeUp*> wakes)
    : wakes_(std::move(wakes)), idle_(std::make_unique<std::atomic<bool>[]>(wakes_.size())), taken_(wakes_.size()) {}

void ChunkShare::set_idle(int worker, bool idle) {
  std::atomic<bool>& flag = idle_[static_cast<size_t>(worker)];
  // Only a worker itself comes to be idle; an offer may have ended that.
  if (flag.load(std::memory_order_relaxed) == idle) return;
  if (flag.exchange(idle) != idle) idle_count_.fetch_add(idle ? 1 : -1);
}

void ChunkShare::offer(SharedChunk& chunk, int owner, const Version& version) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    CHECK(chunk.state == SharedChunk::State::free);
    chunk.state = SharedChunk::State::offered;
    chunk.owner = owner;
    chunk.version = &version;
    offered_.push_back(&chunk);
  }
  for (size_t i = 0; i < wakes_.size(); ++i) {
    if (static_cast<int>(i) == owner || !idle_[i].exchange(false)) continue;
    idle_count_.fetch_sub(1);
    wakes_[i]->notify();
    return;
  }
}

SharedChunk* ChunkShare::take(int helper, const Version& version) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto fits = [&](const SharedChunk* chunk) { return chunk->owner != helper && chunk->version == &version; };
  const auto found = std::find_if(offered_.begin(), offered_.end(), fits);
  if (found == offered_.end()) return nullptr;
  SharedChunk* chunk = *found;
  offered_.erase(found);
  chunk->state = SharedChunk::State::taken;
  ++taken_[static_cast<size_t>(chunk->owner)];
  return chunk;
}

void ChunkShare::done(SharedChunk& chunk) {
  const int owner = chunk.owner;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    chunk.state = SharedChunk::State::done;
    --taken_[static_cast<size_t>(owner)];
  }
  changed_.notify_all();
  wakes_[static_cast<size_t>(owner)]->notify();
}

SharedChunk* ChunkShare::take_back(int owner) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto own = [owner](const SharedChunk* chunk) { return chunk->owner == owner; };
  const auto found = std::find_if(offered_.begin(), offered_.end(), own);
  if (found == offered_.end()) return nullptr;
  SharedChunk* chunk = *found;
  offered_.erase(found);
  chunk->state = SharedChunk::State::taken;
  ++taken_[static_cast<size_t>(owner)];
  return chunk;
}

bool ChunkShare::is_done(const SharedChunk& chunk) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return chunk.state == SharedChunk::State::done;
}

size_t ChunkShare::offered(int owner) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<size_t>(std::count_if(offered_.begin(), offered_.end(),
                                           [owner](const SharedChunk* chunk) { return chunk->owner == owner; }));
}

void ChunkShare::withdraw(int owner) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (SharedChunk* chunk : offered_) {
    if (chunk->owner == owner) chunk->state = SharedChunk::State::done;
  }
  std::erase_if(offered_, [owner](const SharedChunk* chunk) { return chunk->owner == owner; });
  constexpr std::chrono::seconds kPiece{1};
  while (taken_[static_cast<size_t>(owner)] > 0) changed_.wait_for(lock, kPiece);
}

}  // namespace millrace
