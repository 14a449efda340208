#include "pipeline/commit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"

namespace millrace {

namespace {

// Adds the time of a scope to a phase of the batch.
class PhaseTimer {
 public:
  PhaseTimer(const Clock& clock, Batch& batch, BatchPhase phase)
      : clock_(clock), to_(batch.phase_ns[static_cast<size_t>(phase)]), start_ns_(clock.mono_ns()) {}
  ~PhaseTimer() { to_ += clock_.mono_ns() - start_ns_; }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  const Clock& clock_;
  int64_t& to_;
  const int64_t start_ns_;
};

CommitStep step_of(CommitStep::Kind kind) {
  CommitStep step;
  step.kind = kind;
  return step;
}

}  // namespace

std::string_view to_string(CommitState state) {
  switch (state) {
    case CommitState::down:
      return "down";
    case CommitState::ready:
      return "ready";
    case CommitState::open:
      return "open";
    case CommitState::rebuilding:
      return "rebuilding";
    case CommitState::comparing:
      return "comparing";
    case CommitState::holding:
      return "holding";
    case CommitState::ended:
      return "ended";
  }
  return "ended";
}

Committer::Committer(Broker& broker, const Clock& clock, const Version& version) : broker_(broker), clock_(clock) {
  change(version);
}

void Committer::change(const Version& version) {
  options_ = version.options;
  destinations_.clear();
  for (size_t i = 0; i < version.graph->topics().size(); ++i) destinations_.push_back(version.destination(i));
  if (state_ == CommitState::holding) wake_ms_ = 0;
}

bool Committer::may_change(const Batch& batch) const {
  if (!batch.open) return true;
  // Elsewhere an earlier try may be there already, and then the batch would be of two versions.
  return state_ == CommitState::holding && options_.delivery == Delivery::exactly_once;
}

CommitStep Committer::start() {
  CHECK(state_ == CommitState::down);
  if (now_ms() < wake_ms_) {
    CommitStep step = step_of(CommitStep::Kind::wait);
    step.wake_ms = wake_ms_;
    return step;
  }
  const auto started = broker_.start(options_.start_deadline_ms);
  if (started) {
    state_ = CommitState::ready;
    reason_.clear();
    backoff_ms_ = 0;
    return step_of(CommitStep::Kind::ready);
  }
  if (started.error().fault == Fault::authorization) {
    if (refused_since_ms_ < 0) refused_since_ms_ = now_ms();
    if (now_ms() - refused_since_ms_ >= options_.refused_limit_ms) {
      return end({ExitCode::refused, "initialising the producer: " + started.error().what, {}});
    }
  } else {
    refused_since_ms_ = -1;
  }
  if (started.error().fault == Fault::fenced && fenced_too_often()) {
    return end({ExitCode::fenced, "initialising the producer: " + started.error().what, {}});
  }
  return back_off("initialising the producer: " + started.error().what);
}

std::string Committer::unusable_destination() const {
  for (const uint16_t index : destinations_) {
    const DestinationLimits& limits = broker_.destination(index);
    if (limits.partitions > 0 && limits.reachable) continue;
    return limits.state.empty() ? "a destination topic is not known yet" : limits.state;
  }
  return "";
}

int64_t Committer::wait_for_destinations() {
  if (now_ms() < wake_ms_) return wake_ms_;
  broker_.refresh_destinations();
  return back_off(unusable_destination()).wake_ms;
}

CommitStep Committer::step(Batch& batch) {
  const auto lost = [](const BatchPartition& partition) { return !partition.ours(); };
  const bool some_lost = std::any_of(batch.partitions.begin(), batch.partitions.end(), lost);
  if (some_lost) lost_records_ += batch.drop(lost);
  switch (state_) {
    case CommitState::ready:
      if (some_lost) return leave_out(batch);
      return begin(batch);
    case CommitState::open:
      if (some_lost) return trouble({Fault::generation, "partitions of the batch were lost", -1}, batch);
      return run_open(batch);
    case CommitState::rebuilding: {
      const PhaseTimer timer(clock_, batch, BatchPhase::recovery);
      return rebuild(batch);
    }
    case CommitState::comparing: {
      const PhaseTimer timer(clock_, batch, BatchPhase::recovery);
      return compare(batch);
    }
    case CommitState::holding:
      return run_holding(batch);
    case CommitState::down:
    case CommitState::ended:
      break;
  }
  check_failed(__FILE__, __LINE__, "a batch needs a producer that was started", to_string(state_));
}

// Nothing of the batch is in flight, and some of its partitions are gone.
CommitStep Committer::leave_out(Batch& batch) {
  if (batch.partitions.empty()) return settle(batch, BatchResult::dropped);
  return replay(batch);
}

CommitStep Committer::begin(Batch& batch) {
  const bool outputs = batch.next_pending < batch.pending.size();
  if (!outputs && !batch.closing) return step_of(CommitStep::Kind::ready);
  if (batch.closing && batch.partitions.empty()) return settle(batch, BatchResult::dropped);
  if (urgency_ == Urgency::hasten) return settle(batch, BatchResult::dropped);
  if (isolating_ != isolate_ || broker_.outdated()) {
    const auto rebuilt = broker_.rebuild(isolate_, deadline_ms(options_.rebuild_deadline_ms));
    if (!rebuilt) return trouble(rebuilt.error(), batch);
    isolating_ = isolate_;
  }
  const auto begun = broker_.begin();
  if (!begun) return trouble(begun.error(), batch);
  state_ = CommitState::open;
  return run_open(batch);
}

CommitStep Committer::run_open(Batch& batch) {
  if (urgency_ == Urgency::hasten) return abort_for_stop(batch);
  if (auto step = pump(batch)) return std::move(*step);
  if (!batch.closing) return step_of(CommitStep::Kind::ready);
  return commit(batch);
}

// Hands the outputs over. Empty when all are with the producer and nothing failed so far.
std::optional<CommitStep> Committer::pump(Batch& batch) {
  const PhaseTimer timer(clock_, batch, BatchPhase::send);
  while (batch.next_pending < batch.pending.size()) {
    const auto sent = broker_.send(batch.pending[batch.next_pending]);
    if (sent) {
      const OutputRecord& record = batch.pending[batch.next_pending];
      batch.spread.add(record, batch.tags[record.tag].topic);
      ++batch.next_pending;
      continue;
    }
    if (sent.error().fault != Fault::queue_full) return trouble(sent.error(), batch);
    constexpr int64_t kServeMs = 10;
    const auto served = broker_.poll(kServeMs);
    if (!served) return trouble(served.error(), batch);
    return step_of(CommitStep::Kind::again);
  }
  batch.pending.clear();
  batch.next_pending = 0;
  const auto served = broker_.poll(0);
  if (!served) return trouble(served.error(), batch);
  return std::nullopt;
}

CommitStep Committer::commit(Batch& batch) {
  const bool empty = batch.tags.empty();
  if (auto step = audit(batch)) return std::move(*step);
  if (auto step = send_offsets(batch)) return std::move(*step);
  const PhaseTimer timer(clock_, batch, BatchPhase::commit);
  const auto committed = broker_.commit(options_.commit_deadline_ms);
  if (committed) return settle(batch, empty ? BatchResult::offsets_only : BatchResult::committed);
  if (committed.error().fault == Fault::generation && options_.delivery != Delivery::exactly_once) {
    // Everything was delivered; only the offsets were refused.
    last_error_ = committed.error().what;
    return hold(batch, HoldFor::group, "committing offsets: " + committed.error().what);
  }
  return trouble(committed.error(), batch);
}

// The group's offsets must be what our last commit wrote, or its batch is there and its offsets are not.
std::optional<CommitStep> Committer::audit(Batch& batch) {
  if (options_.delivery != Delivery::exactly_once || !options_.audit) return std::nullopt;
  const PhaseTimer timer(clock_, batch, BatchPhase::audit);
  const auto found = broker_.committed(batch.topic_partitions(), deadline_ms(options_.call_deadline_ms));
  if (!found) return trouble(found.error(), batch);
  ++counters_.audits;
  const auto differing = differences(batch, *found);
  if (differing.empty()) return std::nullopt;
  ++counters_.audit_differences;
  return abort_and(CommitState::comparing, batch, "the committed offsets are not those of the last commit");
}

std::optional<CommitStep> Committer::send_offsets(Batch& batch) {
  const PhaseTimer timer(clock_, batch, BatchPhase::commit);
  const GroupStamp stamp = broker_.group_stamp();
  // Brokers take offsets without a generation from anybody, unfenced.
  if (!stamp.valid()) return abort_and(CommitState::holding, batch, "this instance is in no group generation");
  // Looked at after the stamp: a partition that goes from here on goes with a generation that refuses the stamp.
  const auto lost = [](const BatchPartition& partition) { return !partition.ours(); };
  if (std::any_of(batch.partitions.begin(), batch.partitions.end(), lost)) return step(batch);
  const auto sent = broker_.send_offsets(batch.progress(), stamp, deadline_ms(options_.call_deadline_ms));
  if (sent) return second_audit(batch);
  if (sent.error().fault == Fault::generation) {
    return abort_and(CommitState::holding, batch, "sending offsets: " + sent.error().what);
  }
  return trouble(sent.error(), batch);
}

// A coordinator that moved can answer with offsets that are long over, as often as it is asked, for as long as its log
// is not replicated. One that has just taken our offsets has a log that is. So what a batch rests on that was only
// read, the start of a replay or of a partition new to us, is read once more where it cannot be old.
std::optional<CommitStep> Committer::second_audit(Batch& batch) {
  if (options_.delivery != Delivery::exactly_once || !options_.second_audit) return std::nullopt;
  const auto read_only = [](const BatchPartition& partition) { return !partition.proven; };
  if (batch.recoveries == 0 && std::none_of(batch.partitions.begin(), batch.partitions.end(), read_only)) {
    return std::nullopt;
  }
  const auto found = broker_.committed_before_open(batch.topic_partitions(), deadline_ms(options_.call_deadline_ms));
  if (!found) return trouble(found.error(), batch);
  if (differences(batch, *found).empty()) return std::nullopt;
  ++counters_.audit_differences;
  return abort_and(CommitState::comparing, batch, "the committed offsets were not those that the batch began with");
}

// Only where nothing failed to be sent.
CommitStep Committer::abort_and(CommitState next, Batch& batch, std::string why) {
  last_error_ = why;
  batch.closing = true;
  if (options_.delivery == Delivery::exactly_once) {
    const auto aborted = broker_.abort(options_.abort_deadline_ms);
    if (!aborted) return trouble({aborted.error().fault, why + "; aborting: " + aborted.error().what, -1}, batch);
  }
  if (next == CommitState::holding) return hold(batch, HoldFor::group, std::move(why));
  state_ = next;
  answer_.reset();
  hold_for_ = HoldFor::time;
  cause_ = why;
  troubled_destination_ = -1;
  reason_ = std::move(why);
  wake_ms_ = 0;
  return step_of(CommitStep::Kind::again);
}

CommitStep Committer::abort_for_stop(Batch& batch) {
  if (options_.delivery == Delivery::exactly_once) {
    const auto aborted = broker_.abort(options_.abort_deadline_ms);
    if (!aborted) return trouble(aborted.error(), batch);
  }
  return settle(batch, BatchResult::dropped);
}

bool Committer::abandon() {
  const bool open = state_ == CommitState::open;
  const bool clean = state_ == CommitState::ready || state_ == CommitState::holding;
  state_ = CommitState::ended;
  if (!open) return clean;
  return broker_.abort(options_.abort_deadline_ms).has_value() && options_.delivery == Delivery::exactly_once;
}

CommitStep Committer::settle(Batch& batch, BatchResult result) {
  if (result == BatchResult::dropped) {
    counters_.dropped_records += lost_records_;
    for (const Chunk& chunk : batch.chunks) counters_.dropped_records += chunk.count;
  } else {
    backoff_ms_ = 0;
    reason_.clear();
  }
  // Where a stop gave up before the producer was rebuilt, the recovery stays due: nothing may be begun before it.
  if (state_ != CommitState::rebuilding) state_ = CommitState::ready;
  lost_records_ = 0;
  isolate_ = false;
  refusals_ = 0;
  unnamed_refusals_ = 0;
  differs_since_ms_ = -1;
  answer_.reset();
  hold_for_ = HoldFor::time;
  cause_.clear();
  troubled_destination_ = -1;
  CommitStep step = step_of(CommitStep::Kind::settled);
  step.result = result;
  return step;
}

}  // namespace millrace
