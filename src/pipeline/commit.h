// Committer: the state machine that writes and commits one worker's batches through its Broker, and the one recovery
// for everything that does not end clean. kafka/ and the simulation both stand behind the Broker.
//
// Owned by one worker, used by that worker's thread. It never sleeps: a step that has to wait says until when. Calls of
// the Broker may block up to their deadline.
//
//   down -> ready -> open -> ready ...           start, begin, commit
//   open -> rebuilding -> comparing -> ready     recovery: found committed, dropped, or replay
//   open, comparing -> holding -> ready          nothing in flight, and it is no time to try again yet
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "io/broker.h"
#include "pipeline/batch.h"
#include "pipeline/engine_end.h"
#include "pipeline/options.h"
#include "pipeline/snapshot.h"
#include "pipeline/version.h"

namespace millrace {

enum class CommitState : uint8_t {
  down,        // the producer is not initialised
  ready,       // no transaction is open
  open,        // a transaction is open
  rebuilding,  // recovery: the producer is to be given up, its id fenced
  comparing,   // the committed offsets have to say what became of the batch
  holding,     // nothing is in flight and nothing was committed; wait, then replay
  ended,       // see CommitStep::end
};
std::string_view to_string(CommitState state);

// What the worker does next.
struct CommitStep {
  enum class Kind : uint8_t {
    ready,    // all outputs are with the producer; more may be read
    again,    // call once more, soon
    wait,     // call once more at wake_ms, or when the group or a stop has news
    replay,   // run the batch's chunks through the graph once more, then call again
    settled,  // the batch is done with: `result`
    end,      // the process is to end
  };
  Kind kind = Kind::ready;
  int64_t wake_ms = 0;
  BatchResult result = BatchResult::committed;
  EngineEnd end;
};

// Only grows.
struct CommitCounters {
  std::array<uint64_t, kFaultCount> recoveries{};
  uint64_t recovery_failures = 0;
  uint64_t replayed_batches = 0;
  uint64_t dropped_records = 0;
  uint64_t audits = 0;
  uint64_t audit_differences = 0;
  uint64_t refused_records = 0;
};

enum class Urgency : uint8_t {
  none,
  stop,    // commit what is there, but wait for nothing that has to heal
  hasten,  // do not even commit
};

class Committer {
 public:
  Committer(Broker& broker, const Clock& clock, const Version& version);

  // Goes on with the numbers and destinations of another version. For may_change() only.
  void change(const Version& version);
  // True while no batch is at work, or where one is held of which nothing is in flight and nothing was committed: then
  // change() has it replayed, and all of it is processed anew.
  [[nodiscard]] bool may_change(const Batch& batch) const;

  // Brings the producer up: `ready`, `wait`, or `end`.
  CommitStep start();

  // Does what is due for this batch. With batch.closing, goes on to the commit.
  CommitStep step(Batch& batch);

  void set_urgency(Urgency urgency) { urgency_ = urgency; }

  // The worker ends without this batch: an open transaction is aborted, so that readers need not wait for its time-out.
  // True when the producer has nothing of the batch any more.
  bool abandon();

  // True when a batch may be read into: no recovery is under way.
  [[nodiscard]] bool accepts() const { return state_ == CommitState::ready || state_ == CommitState::open; }
  // Why a batch cannot be begun now: a destination whose partitions are not known. Empty: it can.
  [[nodiscard]] std::string unusable_destination() const;
  // Asks for the destinations again, at most as often as the backoff allows; says when to look again.
  int64_t wait_for_destinations();

  [[nodiscard]] CommitState state() const { return state_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const CommitCounters& counters() const { return counters_; }
  // Why the batch at work had to be given up; empty once it is settled. Between two tries too, so that readiness
  // does not go back and forth.
  [[nodiscard]] const std::string& cause() const { return cause_; }
  // That cause is a state of a destination.
  [[nodiscard]] bool held_by_destination() const { return !cause_.empty() && hold_for_ == HoldFor::destination; }
  // Which one, as the broker counts them, where it is known; -1 otherwise.
  [[nodiscard]] int troubled_destination() const { return troubled_destination_; }
  // Errors since the last call that name a destination's topic. Bounded: a worker asks at each turn.
  [[nodiscard]] std::vector<std::pair<int, Fault>> take_destination_errors() {
    return std::exchange(destination_errors_, {});
  }
  // The last thing that went wrong.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  enum class HoldFor : uint8_t { time, destination, group };

  // commit.cc
  CommitStep leave_out(Batch& batch);
  CommitStep begin(Batch& batch);
  CommitStep run_open(Batch& batch);
  std::optional<CommitStep> pump(Batch& batch);
  CommitStep commit(Batch& batch);
  std::optional<CommitStep> audit(Batch& batch);
  std::optional<CommitStep> send_offsets(Batch& batch);
  std::optional<CommitStep> second_audit(Batch& batch);
  CommitStep abort_and(CommitState next, Batch& batch, std::string why);
  CommitStep abort_for_stop(Batch& batch);
  CommitStep settle(Batch& batch, BatchResult result);

  // commit_recovery.cc
  CommitStep trouble(const BrokerError& error, Batch& batch);
  std::optional<EngineEnd> note_refusal(const BrokerError& error, Batch& batch);
  bool fenced_too_often();
  CommitStep rebuild(Batch& batch);
  CommitStep compare(Batch& batch);
  std::optional<CommitStep> ask_again(Batch& batch, const Progress& found);
  CommitStep differs(Batch& batch, const Progress& found);
  CommitStep hold(Batch& batch, HoldFor what, std::string why);
  CommitStep run_holding(Batch& batch);
  CommitStep replay(Batch& batch);
  CommitStep end(EngineEnd end);
  CommitStep back_off(std::string why);
  [[nodiscard]] std::vector<AuditDifference> differences(const Batch& batch, const Progress& found) const;
  [[nodiscard]] int64_t now_ms() const { return clock_.mono_ms(); }
  // A stop asks brokers that may be away for a short time only.
  [[nodiscard]] int64_t deadline_ms(int64_t usual_ms) const {
    constexpr int64_t kStoppingMs = 2000;
    return urgency_ == Urgency::none ? usual_ms : std::min(usual_ms, kStoppingMs);
  }

  Broker& broker_;
  const Clock& clock_;
  EngineOptions options_;
  std::vector<uint16_t> destinations_;  // of the version, as the broker counts them
  CommitState state_ = CommitState::down;
  Urgency urgency_ = Urgency::none;
  std::string reason_;
  std::string last_error_;
  std::vector<std::pair<int, Fault>> destination_errors_;
  CommitCounters counters_;
  int64_t wake_ms_ = 0;
  int64_t backoff_ms_ = 0;
  int64_t refused_since_ms_ = -1;  // start(): rights are refused since then
  std::deque<int64_t> fences_ms_;  // when another producer with our id was met

  // Of the batch at work.
  HoldFor hold_for_ = HoldFor::time;
  std::string cause_;
  int troubled_destination_ = -1;
  bool isolate_ = false;    // the next producer is to be an isolating one
  bool isolating_ = false;  // the present one is
  int refusals_ = 0;
  int unnamed_refusals_ = 0;
  uint64_t lost_records_ = 0;
  int64_t differs_since_ms_ = -1;
  std::optional<std::pair<Progress, int64_t>> answer_;  // committed offsets that were answered, and since when
};

}  // namespace millrace
