// Worker: chunks that others take through the graph, and those of others that it takes.
#include <algorithm>

#include "base/check.h"
#include "pipeline/worker.h"

namespace millrace {

// A chunk that was just read: through the graph here and now, or offered to whoever is idle.
Result<void> Worker::process(const Chunk& chunk) {
  const bool worth = options_.share_chunks && options_.workers > 1 &&
                     record_ns_ * static_cast<double>(chunk.count) >= static_cast<double>(options_.share_from_ns);
  if (shared_.empty() && (!worth || share_.idle() == 0)) return run_chunk(chunk);
  processed_ = chunk.first + chunk.count;
  share_chunk(chunk);
  // The others have one each, and one more to go on with; from there on this worker does its part.
  const auto helpers = static_cast<size_t>(options_.workers - 1);
  if (share_.offered(index_) > helpers) work_off_one();
  return collect();
}

void Worker::share_chunk(const Chunk& chunk) {
  if (spare_.empty()) spare_.push_back(std::make_unique<SharedChunk>());
  std::unique_ptr<SharedChunk> shared = std::move(spare_.back());
  spare_.pop_back();
  Batch& work = shared->work;
  if (work.counts.stages.size() != batch_->counts.stages.size() || work.counts.sources.empty()) {
    work.counts = batch_->counts;
    work.counts.clear();
  }
  const auto first = batch_->records.begin() + static_cast<std::ptrdiff_t>(chunk.first);
  work.records.assign(first, first + static_cast<std::ptrdiff_t>(chunk.count));
  work.now_ms = batch_->now_ms;
  shared->chunk = chunk;
  shared->limits.assign(limits_.begin(), limits_.end());
  shared_.push_back(std::move(shared));
  share_.offer(*shared_.back(), index_, *version_);
}

void Worker::run_shared(SharedChunk& shared) {
  const int64_t start_ns = clock_.mono_ns();
  shared.result = executor_->run(shared.work, {0, 0, shared.work.records.size()}, shared.limits);
  shared.executor = executor_;
  shared.took_ns = clock_.mono_ns() - start_ns;
  share_.done(shared);
}

bool Worker::work_off_one() {
  SharedChunk* shared = share_.take_back(index_);
  if (shared == nullptr) return false;
  run_shared(*shared);
  return true;
}

// What is done goes into the batch, in the order in which it was read.
Result<void> Worker::collect() {
  while (!shared_.empty() && share_.is_done(*shared_.front())) {
    std::unique_ptr<SharedChunk> shared = std::move(shared_.front());
    shared_.pop_front();
    shared->state = SharedChunk::State::free;
    const Result<void> result = shared->result;
    adopt(*shared);
    spare_.push_back(std::move(shared));
    if (!result) return result;
  }
  return {};
}

void Worker::adopt(SharedChunk& shared) {
  Batch& batch = *batch_;
  Batch& work = shared.work;
  const auto first_tag = static_cast<uint32_t>(batch.tags.size());
  for (const OutputTag& tag : work.tags) {
    batch.tags.push_back({tag.record + static_cast<uint32_t>(shared.chunk.first), tag.topic});
  }
  for (OutputRecord& record : work.pending) {
    record.tag += first_tag;
    batch.pending.push_back(record);
  }
  batch.counts.add(work.counts);
  // The phase is this worker's time; what a node took, by whomever, comes with the counts.
  if (shared.executor == executor_) batch.phase_ns[static_cast<size_t>(BatchPhase::process)] += shared.took_ns;
  const double each_ns = static_cast<double>(shared.took_ns) / static_cast<double>(shared.chunk.count);
  record_ns_ = (3 * record_ns_ + each_ns) / 4;
  batch.shared_bytes += work.output_arena->filled_bytes() - shared.counted_bytes;
  shared.counted_bytes = work.output_arena->filled_bytes();
  work.tags.clear();
  work.pending.clear();
  work.counts.clear();
  if (shared.executor != executor_ && std::find(helpers_.begin(), helpers_.end(), shared.executor) == helpers_.end()) {
    helpers_.push_back(shared.executor);
  }
  shared.executor.reset();
}

// Nothing more is there to be read now: this worker goes on with what nobody has taken.
Result<void> Worker::go_on_with_shared() {
  work_off_one();
  return collect();
}

// Everything that was read is through the graph and in the batch.
Result<void> Worker::complete_shared() {
  if (shared_.empty()) return {};
  while (work_off_one()) TRY(collect());
  const int64_t start_ns = clock_.mono_ns();
  share_.withdraw(index_);
  batch_->phase_ns[static_cast<size_t>(BatchPhase::process)] += clock_.mono_ns() - start_ns;
  return collect();
}

// The batch is run again or given up: what came out of the parts is forgotten.
void Worker::forget_shared() {
  if (!shared_.empty()) share_.withdraw(index_);
  while (!shared_.empty()) {
    std::unique_ptr<SharedChunk> shared = std::move(shared_.front());
    shared_.pop_front();
    shared->state = SharedChunk::State::free;
    shared->result = Result<void>{};
    shared->executor.reset();
    shared->work.tags.clear();
    shared->work.pending.clear();
    shared->work.counts.clear();
    spare_.push_back(std::move(shared));
  }
}

// Memory of the parts, when nothing of them is to be sent any more: kept for the next batch, or left to the reaper.
void Worker::free_shared(bool in_use) {
  CHECK(shared_.empty());
  for (auto& shared : spare_) {
    std::unique_ptr<Arena>& arena = shared->work.output_arena;
    if (in_use && shared->counted_bytes > 0) {
      broker_->free_later({}, std::move(arena));
      arena = std::make_unique<Arena>();
    } else {
      arena->reset();
    }
    shared->counted_bytes = 0;
  }
  if (in_use) {
    for (const auto& helper : helpers_) keep_for_discarded(helper);
  }
  helpers_.clear();
  batch_->shared_bytes = 0;
}

// A chunk of another worker, while this one would wait. True: there was one.
bool Worker::help() {
  SharedChunk* shared = share_.take(index_, *version_);
  if (shared == nullptr) return false;
  run_shared(*shared);
  ++helped_chunks_;
  return true;
}

}  // namespace millrace
