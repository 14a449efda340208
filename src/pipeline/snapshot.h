// Snapshot: what a running engine shows to the outside (metrics, status page, readiness). Self-contained: it holds the
// names that its numbers belong to. A value, made by Engine::snapshot() for whoever asks; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/broker.h"
#include "metrics/histogram.h"
#include "pipeline/counts.h"
#include "pipeline/node_names.h"
#include "pipeline/rate_status.h"
#include "pipeline/spread.h"
#include "record/progress.h"

namespace millrace {

enum class BatchPhase : uint8_t {
  read,      // draining queues
  process,   // decode, stages, encode
  send,      // handing outputs to the producer
  audit,     // the offset audit
  commit,    // offsets into the transaction, and its end
  recovery,  // rebuilds and what follows them; only batches that needed one
  total,     // from the first record to the settled batch
};
inline constexpr size_t kBatchPhaseCount = static_cast<size_t>(BatchPhase::total) + 1;
std::string_view to_string(BatchPhase phase);

enum class BatchResult : uint8_t {
  committed,
  found_committed,  // the outcome was unknown, and the committed offsets said yes
  offsets_only,     // only progress moved
  dropped,          // its partitions are no longer ours
  stopped,          // ended by a policy or the offset audit
};
inline constexpr size_t kBatchResultCount = static_cast<size_t>(BatchResult::stopped) + 1;
std::string_view to_string(BatchResult result);

inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::other) + 1;

// One settled batch. What became of its records is 0 for a batch that was not committed.
struct BatchRow {
  uint64_t number = 0;  // of the worker, from 1
  int worker = 0;
  std::string config_hash;        // of the version that processed it
  int64_t submitted_wall_ms = 0;  // it was due to begin: opened, less the scheduling delay
  int64_t opened_wall_ms = 0;     // its first record was taken
  int64_t completed_wall_ms = 0;  // it was settled
  int64_t completed_mono_ms = 0;  // the same, for comparisons within this process: the wall clock may step
  int64_t interval_ms = 0;        // batch.interval as it was then
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t sent = 0;
  uint64_t filtered = 0;
  uint64_t unmatched = 0;
  uint64_t dead = 0;
  uint64_t dropped = 0;
  ReasonCounts rejected{};  // by reason, whatever on_error made of them
  std::array<double, kBatchPhaseCount> seconds{};
  double scheduling_seconds = 0;  // opened this much late, because the batch before overran its tick
  double delay_seconds = 0;       // settled this much after its tick
  int recoveries = 0;
  BatchResult result = BatchResult::committed;
  uint64_t version = 1;  // of the configuration that processed it, all of it

  // Its phases added up: the time that it kept the worker busy, without the waiting for the tick.
  [[nodiscard]] double processing_seconds() const;
};

// Told of every settled batch by its worker's thread: takes a copy and returns at once.
class BatchObserver {
 public:
  virtual ~BatchObserver() = default;
  virtual void settled(const BatchRow& row) = 0;
};

enum class WorkerState : uint8_t { starting, idle, running, committing, recovering, blocked, ended };
std::string_view to_string(WorkerState state);

struct PartitionStatus {
  TopicPartition partition;
  uint16_t source = 0;
  int worker = 0;
  int64_t position = 0;            // the next offset to read
  int64_t committed = -1;          // what this engine knows to be committed; -1: nothing
  int64_t last_timestamp_ms = -1;  // of the last committed record; -1: none yet
  bool at_end = false;             // the last drain left nothing: the lag in seconds is 0
  std::string error;               // why it is not read; empty when it is
};

struct DestinationStatus {
  std::string destination;  // the name in the YAML; "dead_letters" for the dead-letter topic
  std::string topic;
  int32_t partitions = 0;
  bool usable = false;  // for every worker
  std::string state;    // why not
  bool gone = false;    // of an earlier version of the configuration: written to no more
};

struct WorkerStatus {
  int worker = 0;
  WorkerState state = WorkerState::starting;
  std::string reason;  // of `blocked` and `recovering`
  int64_t state_since_mono_ms = 0;
  int64_t progress_mono_ms = 0;  // last committed, or idle, or known to be blocked: see Engine::liveness
  int64_t loop_mono_ms = 0;      // the loop came round
  uint64_t version = 1;          // of the configuration that it runs
  uint64_t batches = 0;
  uint64_t held_records = 0;
  uint64_t held_bytes = 0;         // values + overhead + arenas of the open batch
  uint64_t discarded_pending = 0;  // 1: a producer given to the reaper is not destroyed yet
  std::string last_error;
  int64_t last_error_wall_ms = 0;
  ProducerLoad load;
  RateStatus rate;
  uint64_t helped_chunks = 0;  // of other workers that it took through the graph
};

// Everything that only grows, summed over the workers (and over those that are gone).
struct EngineTotals {
  NodeNames names;  // whose numbers `counts` holds: of the graph that runs now, then of those before it
  Counts counts;
  std::array<TimeHistogram, kBatchPhaseCount> phase;
  TimeHistogram scheduling_delay;  // BatchRow::scheduling_seconds
  TimeHistogram total_delay;       // BatchRow::delay_seconds
  std::array<uint64_t, kBatchResultCount> batches{};
  std::array<uint64_t, kFaultCount> recoveries{};  // by cause
  uint64_t recovery_failures = 0;                  // attempts that did not come through and were repeated
  uint64_t replayed_batches = 0;
  uint64_t dropped_records = 0;  // read, but their partition went before they were committed
  uint64_t audits = 0;
  uint64_t audit_differences = 0;
  uint64_t sheets_open = 0;  // batches whose balance sheet did not close: always 0, an alert watches it
  uint64_t refused_records = 0;
  std::map<std::string, std::array<uint64_t, kFaultCount>> destination_errors;  // by topic
  // By topic: records of committed batches, and markers: one for each partition and transaction that wrote to it.
  struct Written {
    uint64_t records = 0;
    uint64_t markers = 0;
  };
  std::map<std::string, Written> written;
  void add(const EngineTotals& other);
};

struct Snapshot {
  uint64_t version = 1;  // of the configuration that was adopted last
  int64_t wall_ms = 0;
  int64_t mono_ms = 0;
  std::vector<std::string> sources;             // names, as counts.sources
  std::vector<StageName> stages;                // as counts.stages; those that are gone come last
  std::vector<DestinationStatus> destinations;  // as counts.destinations; the dead-letter topic, if any, comes last
  EngineTotals totals;
  std::vector<SpreadStatus> spread;  // sources, then destinations; of the last minute
  std::vector<WorkerStatus> workers;
  std::vector<PartitionStatus> partitions;
  std::vector<BatchRow> history;  // the newest first, over all workers
  uint64_t memory_held_bytes = 0;
  bool ready = false;     // every worker's producer is up, none is blocked, every destination is usable
  std::string not_ready;  // why not
  bool stopping = false;
};

}  // namespace millrace
