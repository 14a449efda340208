// Worker: what holds its reading back, and what the controller is told of its batches.
#include <algorithm>

#include "base/log.h"
#include "pipeline/worker_partition.h"

namespace millrace {

namespace {

constexpr uint64_t kUsualRecordBytes = 1024;  // until records have been seen
constexpr uint64_t kFirstBatchMin = 1024;     // records
constexpr int64_t kLongOutageMs = 1000;

}  // namespace

// A quarter of what a batch may hold, unless a rate was asked for. Of this worker.
double Worker::initial_rate() const {
  if (options_.rate.initial > 0) return options_.rate.initial / options_.workers;
  const uint64_t fit = std::min({options_.max_records, options_.max_bytes / kUsualRecordBytes,
                                 held_limit() / (kUsualRecordBytes + kRecordOverheadBytes)});
  const auto records = static_cast<double>(std::max(kFirstBatchMin, fit / 4));
  return records * 1000 / static_cast<double>(options_.interval_ms);
}

// The bound of the batch that is about to be read, shared over the partitions.
void Worker::begin_rates() {
  rates_begun_ = true;
  if (outage_.exchange(false)) controller_.interrupted();
  const double allowed = controller_.batch_records();
  std::vector<PartitionRate*> partitions;
  if (allowed >= 0 || options_.rate.max > 0) {
    for (auto& partition : partitions_) {
      if (partition->revoked || !partition->error.empty()) continue;
      const int64_t end = partition->assigned.queue->end_offset();
      partition->rate.waiting = end < 0 ? -1 : std::max<int64_t>(0, end - partition->position);
      partitions.push_back(&partition->rate);
    }
  }
  gate_.begin(allowed, controller_.initial() ? RateCause::initial : RateCause::backpressure, partitions);
}

// Where a rate holds reading back, the next tick brings more.
int64_t Worker::idle_ms() const {
  if (gate_.held_back() == RateCause::none) return kIdleMs;
  return std::min(kIdleMs, options_.interval_ms - clock_.mono_ms() % options_.interval_ms);
}

// The batch has nothing to commit and lives on.
void Worker::extend_rates() {
  controller_.extended(gate_.target_reached());
  const bool held_back = gate_.held_back() != RateCause::none;
  rates_begun_ = false;
  if (held_back) make_all_ready();
}

void Worker::note_closing() {
  if (batch_->closing) return;
  closing_ns_ = clock_.mono_ns();
  idle_seconds_ = idle_from_ns_ < 0 ? 0 : static_cast<double>(closing_ns_ - idle_from_ns_) / 1e9;
  uint64_t sent = batch_->counts.dead_letters.sent.bytes;
  for (const DestinationCounts& destination : batch_->counts.destinations) sent += destination.sent.bytes;
  const auto queued = static_cast<double>(broker_->load().queued_bytes);
  unacknowledged_ = sent == 0 ? 0 : std::min(1.0, queued / static_cast<double>(sent));
}

// While reading is held back, the moment when brokers have acknowledged everything tells how much room is left: it is
// looked for now and then.
int64_t Worker::watch_idle(int64_t wait_ms) {
  if (!gate_.exhausted() || idle_from_ns_ >= 0) return wait_ms;
  if (broker_->load().queued_bytes == 0) {
    idle_from_ns_ = clock_.mono_ns();
    return wait_ms;
  }
  constexpr int64_t kLooks = 50;  // in an interval
  constexpr int64_t kLongestMs = 20;
  return std::min(wait_ms, std::clamp<int64_t>(options_.interval_ms / kLooks, 1, kLongestMs));
}

// After account(): the batch is settled.
void Worker::teach(BatchResult result) {
  const Batch& batch = *batch_;
  const int64_t now_ns = clock_.mono_ns();
  if (closing_ns_ < 0) closing_ns_ = now_ns;
  RateSample sample;
  sample.records = batch.records.size();
  sample.seconds = static_cast<double>(now_ns - batch.opened_mono_ns) / 1e9;
  sample.idle_seconds = std::min(idle_seconds_, sample.seconds);
  sample.commit_seconds = static_cast<double>(now_ns - closing_ns_) / 1e9;
  sample.late_seconds = std::max(0.0, static_cast<double>(now_ns / 1'000'000 - batch.closes_ms) / 1000);
  sample.unacknowledged = unacknowledged_;
  sample.held_back = gate_.target_reached();
  sample.teaches = batch.recoveries == 0 && (result == BatchResult::committed || result == BatchResult::offsets_only);
  if (batch.recoveries > 0) controller_.interrupted();
  controller_.settled(sample);

  if (batch.records.empty()) return;
  last_cause_ = gate_.held_back();
  last_cause_ms_ = clock_.mono_ms();
  ++held_back_[static_cast<size_t>(last_cause_)];
  if (last_cause_ != RateCause::none) make_all_ready();
}

void Worker::note_state_for_rates(WorkerState state) {
  const int64_t now_ms = clock_.mono_ms();
  if (state == WorkerState::blocked) {
    if (blocked_since_ms_ < 0) blocked_since_ms_ = now_ms;
    return;
  }
  const bool well = state == WorkerState::running || state == WorkerState::idle;
  if (!well || blocked_since_ms_ < 0) return;
  if (now_ms - blocked_since_ms_ >= std::max(kLongOutageMs, options_.interval_ms)) controller_.interrupted();
  blocked_since_ms_ = -1;
}

RateStatus Worker::rate_status() const {
  RateStatus status;
  status.target_rate = controller_.target_rate();
  status.terms = controller_.terms();
  status.fixed_seconds = controller_.fixed_seconds();
  status.batch_seconds = controller_.batch_seconds();
  status.held_back = held_back_;
  // A worker that has nothing to read any more is held back by nothing.
  const bool recent = clock_.mono_ms() - last_cause_ms_ < 2 * options_.interval_ms + kLongOutageMs;
  status.cause = recent ? last_cause_ : RateCause::none;
  if (state_ == WorkerState::blocked) {
    status.state = RateState::blocked;
  } else if (status.cause == RateCause::backpressure) {
    status.state = RateState::saturated;
  } else if (status.cause != RateCause::none) {
    status.state = RateState::limited;
  }
  return status;
}

}  // namespace millrace
