#include "pipeline/worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/worker_partition.h"

namespace millrace {

namespace {

constexpr int64_t kPublishMs = 250;  // while nothing changes but sums

void add_written(EngineTotals& totals, const Batch& batch, const Graph& graph) {
  const auto& topics = batch.spread.written();
  for (size_t i = 0; i < topics.size() && i < graph.topics().size(); ++i) {
    EngineTotals::Written& written = totals.written[graph.topics()[i].topic];
    for (const uint32_t count : topics[i]) {
      written.records += count;
      written.markers += count > 0 ? 1 : 0;
    }
  }
}

}  // namespace

Worker::Worker(int index, VersionShare version, std::unique_ptr<Broker> broker, const Clock& clock, WakeUp& wake,
               DeadLetterThreshold& threshold, InstanceRate& instance_rate, ChunkShare& share)
    : index_(index),
      version_(std::move(version)),
      options_(version_->options),
      clock_(clock),
      wake_(wake),
      threshold_(threshold),
      broker_(std::move(broker)),
      committer_(*broker_, clock, *version_),
      executor_(std::make_shared<Executor>(*version_, &clock)),
      share_(share),
      controller_(options_.rate.backpressure, static_cast<double>(options_.interval_ms) / 1000, initial_rate()),
      gate_(index, options_, instance_rate),
      observer_(version_->options.observer),
      state_since_ms_(clock.mono_ms()),
      version_number_(version_->number) {
  totals_.names = node_names(*version_->graph);
  totals_.counts = shape_of(totals_.names);
  loop_ms_.store(clock.mono_ms());
  note_progress();
  make_batch();
  publish();
}

Worker::~Worker() {
  release();
}

void Worker::release() {
  // A producer that still has parts of a batch is destroyed before the batch.
  broker_.reset();
  for (const HeldMessage& held : batch_->held) held.release(held.message);
  batch_->held.clear();
}

void Worker::stop() {
  stop_asked_.store(true);
  wake_.notify();
}

void Worker::hasten() {
  hasten_asked_.store(true);
  stop();
}

int64_t Worker::step(bool woken) {
  if (ended_.load()) return kIdleMs;
  loop_ms_.store(clock_.mono_ms());
  share_.set_idle(index_, false);
  int64_t wait_ms = turn(woken);
  if (wait_ms > 0 && !ended_.load() && options_.share_chunks) {
    if (help()) {
      wait_ms = 0;
    } else {
      share_.set_idle(index_, true);
    }
  }
  if (!ended_.load() && clock_.mono_ms() - published_ms_ >= kPublishMs) {
    let_go_of_kept();
    publish();
  }
  return wait_ms;
}

int64_t Worker::turn(bool woken) {
  take_mail();
  take_version();
  if (stop_asked_.load() && !stopping_) {
    stopping_ = true;
    log_debug("stop", "worker {}: closing its batch", index_);
  }
  if (stopping_) committer_.set_urgency(hasten_asked_.load() ? Urgency::hasten : Urgency::stop);
  if (stopping_ && !batch_->open) {
    end_quietly();
    return 0;
  }
  if (committer_.state() == CommitState::down) return bring_up();
  ready_all(woken);

  if (!batch_->open) {
    const std::string unusable = committer_.unusable_destination();
    if (!unusable.empty()) {
      set_state(WorkerState::blocked, unusable);
      note_progress();
      return std::max<int64_t>(1, committer_.wait_for_destinations() - clock_.mono_ms());
    }
    refresh_limits();
  }
  // A batch whose tick is over does not take what the rates allow for the next one.
  const bool room = batch_->open ? !should_close() : !stopping_ && budget_left();
  const bool open_for_more = room && committer_.accepts();
  if (open_for_more && read_chunk()) {
    set_state(WorkerState::running, "");
    if (processed_ < batch_->records.size()) {
      const auto done = process(batch_->chunks.back());
      if (!done) return finish({done.error().exit_code, done.error().what, {}});
    }
  } else if (!shared_.empty()) {
    const auto done = go_on_with_shared();
    if (!done) return finish({done.error().exit_code, done.error().what, {}});
  }
  if (!batch_->open) {
    set_state(WorkerState::idle, "");
    note_progress();
    return ready_.empty() ? idle_ms() : 0;
  }
  return run_batch();
}

int64_t Worker::bring_up() {
  CommitStep step = committer_.start();
  switch (step.kind) {
    case CommitStep::Kind::ready:
      producer_ready_.store(true);
      set_state(WorkerState::idle, "");
      note_progress();
      return 0;
    case CommitStep::Kind::end:
      return finish(std::move(step.end));
    default:
      set_state(WorkerState::blocked, committer_.reason());
      note_progress();
      return std::max<int64_t>(1, step.wake_ms - clock_.mono_ms());
  }
}

bool Worker::should_close() const {
  if (batch_->closing || stopping_ || version_waits_.load() || !budget_left()) return true;
  // The first batches need not wait for the tick to be judged, unless a rate was asked for.
  if (controller_.initial() && options_.rate.initial == 0 && gate_.target_reached()) return true;
  const auto wanted = [](const BatchPartition& partition) { return partition.revoked; };
  if (std::any_of(batch_->partitions.begin(), batch_->partitions.end(), wanted)) return true;
  if (clock_.mono_ms() < batch_->closes_ms) return false;
  return !batch_->tags.empty() || clock_.mono_ms() - last_offsets_only_ms_ >= options_.offsets_only_ms;
}

int64_t Worker::run_batch() {
  if (should_close()) {
    const auto done = complete_shared();
    if (!done) return finish({done.error().exit_code, done.error().what, {}});
    note_closing();
    batch_->closing = true;
    if (committer_.accepts()) show_try();
  } else if (clock_.mono_ms() >= batch_->closes_ms) {
    // Only progress moved, and its turn has not come: the batch goes on into the next tick.
    batch_->closes_ms = (clock_.mono_ms() / options_.interval_ms + 1) * options_.interval_ms;
    extend_rates();
  }
  CommitStep step = committer_.step(*batch_);
  switch (step.kind) {
    case CommitStep::Kind::ready:
      return wait_for_more();
    case CommitStep::Kind::again:
      if (!committer_.accepts()) show_try();
      return 0;
    case CommitStep::Kind::wait:
      set_state(WorkerState::blocked, committer_.reason());
      note_progress();
      remove_released();
      return std::max<int64_t>(1, step.wake_ms - clock_.mono_ms());
    case CommitStep::Kind::replay: {
      remove_released();
      const auto done = run_again();
      if (!done) return finish({done.error().exit_code, done.error().what, {}});
      return 0;
    }
    case CommitStep::Kind::settled:
      return settle(step.result);
    case CommitStep::Kind::end:
      return finish(std::move(step.end));
  }
  return 0;
}

int64_t Worker::wait_for_more() {
  if (!ready_.empty() || (!shared_.empty() && share_.offered(index_) > 0)) return 0;
  note_progress();
  return watch_idle(std::max<int64_t>(1, std::min(kIdleMs, batch_->closes_ms - clock_.mono_ms())));
}

Result<void> Worker::run_chunk(const Chunk& chunk) {
  const int64_t start_ns = clock_.mono_ns();
  processed_ = chunk.first + chunk.count;
  const auto done = executor_->run(*batch_, chunk, limits_);
  const int64_t took_ns = clock_.mono_ns() - start_ns;
  batch_->phase_ns[static_cast<size_t>(BatchPhase::process)] += took_ns;
  const double each_ns = static_cast<double>(took_ns) / static_cast<double>(chunk.count);
  record_ns_ = record_ns_ == 0 ? each_ns : (3 * record_ns_ + each_ns) / 4;
  return done;
}

void Worker::refresh_limits() {
  limits_.resize(version_->graph->topics().size());
  for (size_t i = 0; i < limits_.size(); ++i) {
    const DestinationLimits& now = broker_->destination(version_->destination(i));
    if (now.partitions > 0 || limits_[i].partitions == 0) limits_[i] = now;
  }
}

// The same records, with the destinations' limits of now; what a discarded producer may still read stays untouched.
Result<void> Worker::run_again() {
  forget_shared();
  Batch& batch = *batch_;
  free_shared(broker_->discarded_pending());
  if (broker_->discarded_pending()) {
    broker_->free_later({}, std::move(batch.output_arena));
    batch.output_arena = std::make_unique<Arena>();
  } else {
    batch.output_arena->reset();
  }
  batch.counts.clear();
  batch.tags.clear();
  batch.pending.clear();
  batch.next_pending = 0;
  batch.spread.clear();
  refresh_limits();
  for (const Chunk& chunk : batch.chunks) TRY(run_chunk(chunk));
  return {};
}

int64_t Worker::settle(BatchResult result) {
  forget_shared();
  const bool committed = result != BatchResult::dropped;
  const int64_t now_ms = clock_.mono_ms();
  for (const BatchPartition& entry : batch_->partitions) {
    Partition* partition = find(entry.partition);
    CHECK(partition != nullptr);
    if (committed) {
      partition->committed = entry.end;
      partition->proven = true;
      if (entry.last_timestamp_ms >= 0) partition->last_timestamp_ms = entry.last_timestamp_ms;
    } else if (!stopping_) {
      // Its records were read and not written: whoever reads on from here would leave them out.
      CHECK_MSG(partition->revoked || !entry.ours(), "dropped while it is ours: " + entry.partition.text());
    }
  }
  if (result == BatchResult::offsets_only) last_offsets_only_ms_ = now_ms;
  account(result);
  teach(result);
  std::string threshold;
  if (committed) {
    const BalanceSheet sheet = batch_->counts.sheet();
    threshold = threshold_.add(clock_.wall_ms(), sheet.read, sheet.dead);
  }
  // A stop that gave up in the middle of a recovery leaves a producer that may still read the batch.
  const bool in_use = committer_.state() == CommitState::rebuilding;
  note_progress();
  if (!in_use) {
    free_batch_memory();
    make_batch();
    remove_released();
  }
  publish();
  if (!threshold.empty()) return finish({ExitCode::stopped_by_policy, std::move(threshold), {}, true});
  if (in_use || (stopping_ && !committed)) end_quietly();
  return 0;
}

void Worker::account(BatchResult result) {
  Batch& batch = *batch_;
  const int64_t now_ns = clock_.mono_ns();
  batch.phase_ns[static_cast<size_t>(BatchPhase::total)] = now_ns - batch.opened_mono_ns;
  BatchRow row;
  row.number = batch.number;
  row.worker = index_;
  row.opened_wall_ms = batch.now_ms;
  row.scheduling_seconds = static_cast<double>(scheduling_delay_ms(batch)) / 1e3;
  row.submitted_wall_ms = batch.now_ms - scheduling_delay_ms(batch);
  row.completed_wall_ms = clock_.wall_ms();
  row.completed_mono_ms = now_ns / 1'000'000;
  row.interval_ms = options_.interval_ms;
  row.records = batch.records.size();
  row.bytes = batch.bytes;
  row.delay_seconds = std::max(0.0, static_cast<double>(now_ns / 1'000'000 - batch.closes_ms) / 1000);
  row.recoveries = batch.recoveries;
  row.result = result;
  row.version = version_->number;
  row.config_hash = version_->graph->config_hash();
  for (size_t i = 0; i < kBatchPhaseCount; ++i) row.seconds[i] = static_cast<double>(batch.phase_ns[i]) / 1e9;
  const bool committed = result != BatchResult::dropped;
  std::string imbalance;
  if (committed) {
    const BalanceSheet sheet = batch.counts.sheet();
    row.sent = sheet.sent;
    row.filtered = sheet.filtered;
    row.unmatched = sheet.unmatched;
    row.dead = sheet.dead;
    row.dropped = sheet.dropped;
    row.rejected = batch.counts.rejected();
    imbalance = batch.counts.imbalance();
    if (!imbalance.empty()) {
      log_error("balance", "batch {} of worker {} does not balance: {}", batch.number, index_, imbalance);
    }
  }
  previous_closes_ms_ = batch.closes_ms;
  previous_settled_ms_ = now_ns / 1'000'000;
  if (observer_ != nullptr) observer_->settled(row);
  const MutexLock lock(view_mutex_);
  if (committed) {
    totals_.counts.add(batch.counts);
    spread_.add(batch, *version_->graph, now_ns / 1'000'000);
    add_written(totals_, batch, *version_->graph);
  }
  ++totals_.batches[static_cast<size_t>(result)];
  totals_.sheets_open += imbalance.empty() ? 0 : 1;
  totals_.scheduling_delay.record_us(static_cast<int64_t>(row.scheduling_seconds * 1e6));
  totals_.total_delay.record_us(static_cast<int64_t>(row.delay_seconds * 1e6));
  for (size_t i = 0; i < kBatchPhaseCount; ++i) {
    if (i == static_cast<size_t>(BatchPhase::recovery) && batch.recoveries == 0) continue;
    totals_.phase[i].record_us(batch.phase_ns[i] / 1000);
  }
  view_.rows.push_front(std::move(row));
  if (view_.rows.size() > kRowsMax) view_.rows.pop_back();
}

// A batch that begins as soon as the one before is settled had records waiting for it since that one's tick. One that
// begins later began with the first record there was.
int64_t Worker::scheduling_delay_ms(const Batch& batch) const {
  constexpr int64_t kAtOnceMs = 20;
  const int64_t opened_ms = batch.opened_mono_ns / 1'000'000;
  const bool overran = previous_settled_ms_ > previous_closes_ms_;
  if (!overran || opened_ms - previous_settled_ms_ > kAtOnceMs) return 0;
  return std::max<int64_t>(opened_ms - previous_closes_ms_, 0);
}

void Worker::free_batch_memory() {
  Batch& batch = *batch_;
  free_shared(broker_->discarded_pending());
  if (broker_->discarded_pending()) {
    broker_->free_later(std::move(batch.held), std::move(batch.output_arena));
    broker_->free_later({}, std::move(batch.input_arena));
  } else {
    for (const HeldMessage& held : batch.held) held.release(held.message);
  }
  batch.held.clear();
}

// The next batch takes over the memory of the one before, as far as nobody else needs it.
void Worker::make_batch() {
  auto next = std::make_unique<Batch>();
  if (batch_ != nullptr) {
    if (batch_->input_arena != nullptr && batch_->output_arena != nullptr) {
      next->input_arena = std::move(batch_->input_arena);
      next->output_arena = std::move(batch_->output_arena);
      next->input_arena->reset();
      next->output_arena->reset();
    }
    next->records = std::move(batch_->records);
    next->held = std::move(batch_->held);
    next->chunks = std::move(batch_->chunks);
    next->tags = std::move(batch_->tags);
    next->pending = std::move(batch_->pending);
    next->records.clear();
    next->held.clear();
    next->chunks.clear();
    next->tags.clear();
    next->pending.clear();
    next->counts = std::move(batch_->counts);
    next->counts.clear();
    next->spread = std::move(batch_->spread);
    next->spread.clear();
  } else {
    next->counts = totals_.counts;
  }
  batch_ = std::move(next);
  processed_ = 0;
  rates_begun_ = false;
  closing_ns_ = -1;
  idle_from_ns_ = -1;
}

// The process is to end; this worker does no more. Its partitions stay with it, so that nobody reads them meanwhile.
int64_t Worker::finish(EngineEnd end) {
  forget_shared();
  log_error("end", "worker {}: {}", index_, escape_for_log(end.what, 1024));
  const bool free = committer_.abandon();
  if (batch_->open) {
    {
      const MutexLock lock(view_mutex_);
      ++totals_.batches[static_cast<size_t>(BatchResult::stopped)];
    }
    if (free) free_batch_memory();
  }
  {
    const MutexLock lock(view_mutex_);
    end_ = std::move(end);
  }
  set_state(WorkerState::ended, "");
  publish();
  ended_.store(true);
  return 0;
}

void Worker::end_quietly() {
  forget_shared();
  partitions_.clear();
  arriving_.clear();
  ready_.clear();
  {
    const MutexLock lock(mail_mutex_);
    mail_.clear();
    held_.clear();
  }
  set_state(WorkerState::ended, "");
  publish();
  ended_.store(true);
}

// A batch that had to be given up is not well until it is settled: its next try looks like the trouble before it.
void Worker::show_try() {
  if (committer_.held_by_destination()) {
    set_state(WorkerState::blocked, committer_.cause());
  } else if (!committer_.cause().empty() || !committer_.accepts()) {
    set_state(WorkerState::recovering, committer_.cause().empty() ? committer_.reason() : committer_.cause());
  } else {
    set_state(WorkerState::committing, "");
  }
}

void Worker::set_state(WorkerState state, const std::string& reason) {
  if (state_ == state && reason_ == reason) return;
  const bool was_blocked = state_ == WorkerState::blocked;
  if (state == WorkerState::blocked && !was_blocked) {
    log_warn("blocked", "worker {}: {}", index_, escape_for_log(reason, 1024));
  } else if (was_blocked && (state == WorkerState::running || state == WorkerState::idle)) {
    log_info("blocked", "worker {}: goes on", index_);
  }
  note_state_for_rates(state);
  if (state_ != state) state_since_ms_ = clock_.mono_ms();
  state_ = state;
  reason_ = reason;
  // Reading and committing follow each other all the time; what matters to others is published at once.
  if (state == WorkerState::blocked || was_blocked || state == WorkerState::ended) publish();
}

void Worker::publish() {
  published_ms_ = clock_.mono_ms();
  WorkerStatus status;
  status.worker = index_;
  status.state = state_;
  status.reason = reason_;
  status.state_since_mono_ms = state_since_ms_;
  status.progress_mono_ms = progress_ms_.load();
  status.loop_mono_ms = loop_ms_.load();
  status.version = version_->number;
  status.batches = batches_;
  status.held_records = batch_->open ? batch_->records.size() : 0;
  status.held_bytes = batch_->input_arena != nullptr && batch_->output_arena != nullptr ? batch_->held_bytes() : 0;
  status.discarded_pending = broker_->discarded_pending() ? 1 : 0;
  status.last_error = committer_.last_error();
  status.load = broker_->load();
  status.rate = rate_status();
  status.helped_chunks = helped_chunks_;
  std::vector<PartitionStatus> partitions;
  for (const auto& partition : partitions_) {
    partitions.push_back({partition->name(), partition->assigned.queue->origin().source, index_, partition->position,
                          partition->committed, partition->last_timestamp_ms, partition->at_end, partition->error});
  }
  std::vector<DestinationStatus> destinations;
  const std::vector<TopicNode>& topics = version_->graph->topics();
  for (size_t i = 0; i < topics.size(); ++i) {
    const DestinationLimits& limits = broker_->destination(version_->destination(i));
    DestinationStatus& destination = destinations.emplace_back();
    destination = {topics[i].destination, topics[i].topic,
                   limits.partitions,     limits.partitions > 0 && limits.reachable,
                   limits.state,          false};
    if (committer_.troubled_destination() != version_->destination(i)) continue;
    destination.usable = false;
    destination.state = committer_.cause();
  }
  const CommitCounters& counters = committer_.counters();
  const MutexLock lock(view_mutex_);
  status.last_error_wall_ms =
      status.last_error == view_.status.last_error ? view_.status.last_error_wall_ms : clock_.wall_ms();
  view_.status = std::move(status);
  view_.partitions = std::move(partitions);
  view_.destinations = std::move(destinations);
  totals_.recoveries = counters.recoveries;
  totals_.recovery_failures = counters.recovery_failures;
  totals_.replayed_batches = counters.replayed_batches;
  totals_.dropped_records = counters.dropped_records;
  totals_.audits = counters.audits;
  totals_.audit_differences = counters.audit_differences;
  totals_.refused_records = counters.refused_records;
  for (const auto& [topic, fault] : committer_.take_destination_errors()) {
    for (size_t i = 0; i < topics.size(); ++i) {
      if (version_->destination(i) != topic) continue;
      ++totals_.destination_errors[topics[i].topic][static_cast<size_t>(fault)];
      break;
    }
  }
}

WorkerView Worker::view() const {
  const MutexLock lock(view_mutex_);
  return view_;
}

void Worker::add_totals(EngineTotals& to) const {
  const MutexLock lock(view_mutex_);
  to.add(totals_);
}

void Worker::add_spread(SpreadSum& to) const {
  const MutexLock lock(view_mutex_);
  spread_.add_to(to, clock_.mono_ms());
}

std::optional<EngineEnd> Worker::end() const {
  const MutexLock lock(view_mutex_);
  return end_;
}

}  // namespace millrace
