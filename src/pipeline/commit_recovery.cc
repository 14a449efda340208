// Committer: the one recovery, and the waits around it.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/commit.h"

namespace millrace {

namespace {

// The group's members may have moved on before we hear that we lost a partition; and a topic's offsets go away a moment
// before its partitions are revoked. Beyond these times nobody will tell us.
constexpr int64_t kMovedOnLimitMs = 30'000;
constexpr int64_t kMissingLimitMs = 10'000;
// A coordinator that moves twice within a second or two can say the same old thing twice (simulated: seed 1464 with
// shared chunks), and the end of the process has time: so many times the agreement of two answers.
constexpr int64_t kWentBackAgreements = 5;

// Another producer with our id fences us each time that it recovers, as we do it. A delayed request of our own does so
// once.
constexpr size_t kFencesMax = 4;
constexpr int64_t kFencesWithinMs = 60'000;

std::string offset_text(int64_t offset) {
  return offset < 0 ? "none" : std::to_string(offset);
}

int64_t offset_in(const Progress& progress, const TopicPartition& partition) {
  const auto found = progress.find(partition);
  return found == progress.end() ? -1 : found->second;
}

}  // namespace

// Whatever did not end clean comes here.
CommitStep Committer::trouble(const BrokerError& error, Batch& batch) {
  ++counters_.recoveries[static_cast<size_t>(error.fault)];
  ++batch.recoveries;
  batch.closing = true;
  last_error_ = error.what;
  reason_ = error.what;
  state_ = CommitState::rebuilding;
  wake_ms_ = 0;
  answer_.reset();
  hold_for_ = error.fault == Fault::destination ? HoldFor::destination : HoldFor::time;
  cause_ = error.what;
  troubled_destination_ = error.fault == Fault::destination ? error.destination : -1;
  if (error.destination >= 0) destination_errors_.emplace_back(error.destination, error.fault);
  log_warn("recovery", "batch {}: {} ({}): giving the producer up, then comparing the committed offsets", batch.number,
           escape_for_log(error.what), to_string(error.fault));
  if (error.fault == Fault::fenced && fenced_too_often()) {
    return end({ExitCode::fenced, "another producer with our transactional id is alive: " + error.what, {}});
  }
  if (error.fault == Fault::record_refused) {
    broker_.refresh_destinations();
    if (auto over = note_refusal(error, batch)) return end(std::move(*over));
  }
  CommitStep step;
  step.kind = CommitStep::Kind::again;
  return step;
}

bool Committer::fenced_too_often() {
  fences_ms_.push_back(now_ms());
  while (fences_ms_.front() < now_ms() - kFencesWithinMs) fences_ms_.pop_front();
  return fences_ms_.size() >= kFencesMax;
}

// The first refusal may be of limits that changed: they were asked for again. From the second on, find the record.
std::optional<EngineEnd> Committer::note_refusal(const BrokerError& error, Batch& batch) {
  ++refusals_;
  if (refusals_ >= 2) isolate_ = true;
  if (!isolating_) return std::nullopt;
  const auto refused = broker_.refused();
  if (!refused || refused->tag >= batch.tags.size()) {
    if (++unnamed_refusals_ <= options_.max_isolated) return std::nullopt;
    return EngineEnd{ExitCode::stopped_by_policy,
                     "a destination refuses a record of the batch, and not even one by one says which: " + error.what,
                     {}};
  }
  const OutputTag tag = batch.tags[refused->tag];
  const Record& record = batch.records[tag.record];
  log_error("refused", "the broker refuses the record at {}-{} offset {}: {}", record.origin->topic,
            record.origin->partition, record.offset, escape_for_log(refused->what));
  batch.refused.insert(tag);
  ++counters_.refused_records;
  if (batch.refused.size() <= static_cast<size_t>(options_.max_isolated)) return std::nullopt;
  return EngineEnd{
      ExitCode::stopped_by_policy,
      fmt::format("the broker refuses more than {} records of one batch, the last at {}-{} offset {}: {}",
                  options_.max_isolated, record.origin->topic, record.origin->partition, record.offset, refused->what),
      {}};
}

CommitStep Committer::rebuild(Batch& batch) {
  // What is left open now is ended by whoever initialises the id next.
  if (urgency_ == Urgency::hasten) return settle(batch, BatchResult::dropped);
  if (now_ms() < wake_ms_ && urgency_ == Urgency::none) return back_off(reason_);
  const auto rebuilt = broker_.rebuild(isolate_, deadline_ms(options_.rebuild_deadline_ms));
  if (!rebuilt) {
    ++counters_.recovery_failures;
    last_error_ = rebuilt.error().what;
    if (rebuilt.error().fault == Fault::fenced && fenced_too_often()) {
      return end({ExitCode::fenced, "another producer with our transactional id is alive: " + last_error_, {}});
    }
    if (urgency_ != Urgency::none) return settle(batch, BatchResult::dropped);
    return back_off("rebuilding the producer: " + last_error_);
  }
  isolating_ = isolate_;
  state_ = CommitState::comparing;
  wake_ms_ = 0;
  return compare(batch);
}

std::vector<AuditDifference> Committer::differences(const Batch& batch, const Progress& found) const {
  std::vector<AuditDifference> differing;
  for (const auto& partition : batch.partitions) {
    const int64_t committed = offset_in(found, partition.partition);
    if (committed != partition.committed) differing.push_back({partition.partition, partition.committed, committed});
  }
  return differing;
}

CommitStep Committer::compare(Batch& batch) {
  // Whoever reads on finds what is true then, so partitions that go are not kept for a second answer.
  if (answer_) lost_records_ += batch.drop([](const BatchPartition& partition) { return partition.revoked; });
  if (batch.partitions.empty()) return settle(batch, BatchResult::dropped);
  if (now_ms() < wake_ms_ && (urgency_ == Urgency::none || (answer_ && urgency_ == Urgency::stop))) {
    return back_off(reason_);
  }
  const auto found = broker_.committed(batch.topic_partitions(), deadline_ms(options_.call_deadline_ms));
  if (!found) {
    ++counters_.recovery_failures;
    last_error_ = found.error().what;
    if (urgency_ != Urgency::none) return settle(batch, BatchResult::dropped);
    return back_off("reading the committed offsets: " + last_error_);
  }
  // Only a commit moves an offset, so what names the batch's end is true, however old it is.
  const bool at_end = std::all_of(batch.partitions.begin(), batch.partitions.end(), [&found](const auto& partition) {
    return offset_in(*found, partition.partition) == partition.end;
  });
  if (at_end) {
    // A transaction is whole: partitions of it that were lost since were committed with the others.
    lost_records_ = 0;
    return settle(batch, BatchResult::found_committed);
  }
  if (!differences(batch, *found).empty() && options_.delivery == Delivery::exactly_once) {
    if (auto step = ask_again(batch, *found)) return std::move(*step);
    return differs(batch, *found);
  }
  differs_since_ms_ = -1;
  if (urgency_ == Urgency::hasten) return settle(batch, BatchResult::dropped);
  // What was waited for on the way here is over; why it all began is not.
  return hold(batch, held_by_destination() ? HoldFor::destination : HoldFor::time, cause_);
}

// A coordinator that has just moved may answer for some tenths of a second with offsets that are long over: on real
// brokers up to 40 s old. Such an answer can look like the batch's start, which the second audit finds out, or like
// offsets that went back or moved on. That counts only when a second answer, some time later, says the same. Empty: it
// does.
std::optional<CommitStep> Committer::ask_again(Batch& batch, const Progress& found) {
  if (options_.offsets_agree_ms <= 0) return std::nullopt;
  if (urgency_ == Urgency::hasten) return settle(batch, BatchResult::dropped);
  if (!answer_ || answer_->first != found) {
    answer_ = {found, now_ms()};
  } else if (now_ms() - answer_->second >= options_.offsets_agree_ms) {
    return std::nullopt;
  }
  wake_ms_ = answer_->second + options_.offsets_agree_ms;
  return back_off("the committed offsets are neither the batch's start nor its end: asking a second time");
}

// Neither where the batch began nor where it ends.
CommitStep Committer::differs(Batch& batch, const Progress& found) {
  const auto differing = differences(batch, found);
  const auto ahead = [](const AuditDifference& difference) {
    return difference.expected >= 0 && difference.committed > difference.expected;
  };
  const auto missing = [](const AuditDifference& difference) { return difference.committed < 0; };
  const bool moved_on = std::all_of(differing.begin(), differing.end(), ahead);
  const bool gone = std::all_of(differing.begin(), differing.end(), missing);
  if (differs_since_ms_ < 0) {
    differs_since_ms_ = now_ms();
    backoff_ms_ = 0;
  }
  const int64_t went_back_limit_ms = urgency_ == Urgency::none ? kWentBackAgreements * options_.offsets_agree_ms : 0;
  const int64_t limit_ms = moved_on ? kMovedOnLimitMs : gone ? kMissingLimitMs : went_back_limit_ms;
  const AuditDifference& first = differing.front();
  const std::string text =
      fmt::format("the group's committed offset of {} is {}, our last commit wrote {}", first.partition.text(),
                  offset_text(first.committed), offset_text(first.expected));
  if (urgency_ != Urgency::none && limit_ms > 0) return settle(batch, BatchResult::dropped);
  if (now_ms() - differs_since_ms_ < limit_ms) return back_off(text);
  const auto proven = [&batch](const AuditDifference& difference) {
    return batch.partitions[batch.partition_index(difference.partition)].proven;
  };
  if (moved_on && std::none_of(differing.begin(), differing.end(), proven)) {
    return end({ExitCode::no_progress,
                fmt::format("{} was read from {} on, an offset of the group that is over: it stands at {}. Nothing was "
                            "committed; a restart reads on from there",
                            first.partition.text(), offset_text(first.expected), offset_text(first.committed)),
                {}});
  }
  return end({ExitCode::stopped_by_policy,
              text + "; going on could lose or double records, so this waits for a decision", differing});
}

CommitStep Committer::hold(Batch& batch, HoldFor what, std::string why) {
  batch.closing = true;
  state_ = CommitState::holding;
  hold_for_ = what;
  reason_ = std::move(why);
  // The first replay comes at once: most troubles are over when the producer is new.
  wake_ms_ = now_ms() + (what == HoldFor::time ? backoff_ms_ : std::max(backoff_ms_, options_.backoff_first_ms));
  backoff_ms_ = std::clamp(backoff_ms_ * 2, options_.backoff_first_ms, options_.backoff_max_ms);
  return run_holding(batch);
}

CommitStep Committer::run_holding(Batch& batch) {
  // Nothing of the batch is in flight, so whoever wants its partitions can have them.
  const auto wanted = [](const BatchPartition& partition) { return partition.revoked; };
  lost_records_ += batch.drop(wanted);
  if (batch.partitions.empty()) return settle(batch, BatchResult::dropped);
  if (urgency_ == Urgency::hasten) return settle(batch, BatchResult::dropped);
  // A stop waits for no healing, but lets a batch that was never tried again have its one replay.
  if (urgency_ == Urgency::stop && batch.recoveries > 1) return settle(batch, BatchResult::dropped);
  if (now_ms() < wake_ms_ && urgency_ == Urgency::none) {
    CommitStep step;
    step.kind = CommitStep::Kind::wait;
    step.wake_ms = wake_ms_;
    return step;
  }
  const std::string unusable = unusable_destination();
  if (!unusable.empty()) {
    if (urgency_ != Urgency::none) return settle(batch, BatchResult::dropped);
    broker_.refresh_destinations();
    return back_off(unusable);
  }
  if (hold_for_ == HoldFor::group) {
    const GroupStamp stamp = broker_.group_stamp();
    if (!stamp.valid()) {
      if (urgency_ != Urgency::none) return settle(batch, BatchResult::dropped);
      return back_off(reason_);
    }
    // Counts as a try: with a stop, the next refusal ends it.
    ++batch.recoveries;
  }
  return replay(batch);
}

CommitStep Committer::replay(Batch& batch) {
  counters_.dropped_records += lost_records_;
  lost_records_ = 0;
  ++counters_.replayed_batches;
  state_ = CommitState::ready;
  batch.closing = true;
  CommitStep step;
  step.kind = CommitStep::Kind::replay;
  return step;
}

CommitStep Committer::end(EngineEnd why) {
  state_ = CommitState::ended;
  reason_ = why.what;
  last_error_ = why.what;
  CommitStep step;
  step.kind = CommitStep::Kind::end;
  step.end = std::move(why);
  return step;
}

// Waits for wake_ms_, or sets it when it has passed.
CommitStep Committer::back_off(std::string why) {
  reason_ = std::move(why);
  if (now_ms() >= wake_ms_) {
    backoff_ms_ = std::clamp(backoff_ms_ * 2, options_.backoff_first_ms, options_.backoff_max_ms);
    wake_ms_ = now_ms() + backoff_ms_;
  }
  CommitStep step;
  step.kind = CommitStep::Kind::wait;
  step.wake_ms = wake_ms_;
  return step;
}

}  // namespace millrace
