#include "pipeline/snapshot.h"

namespace millrace {

namespace {

template <size_t N>
void add_all(std::array<uint64_t, N>& to, const std::array<uint64_t, N>& from) {
  for (size_t i = 0; i < N; ++i) to[i] += from[i];
}

}  // namespace

std::string_view to_string(BatchPhase phase) {
  switch (phase) {
    case BatchPhase::read:
      return "read";
    case BatchPhase::process:
      return "process";
    case BatchPhase::send:
      return "send";
    case BatchPhase::audit:
      return "audit";
    case BatchPhase::commit:
      return "commit";
    case BatchPhase::recovery:
      return "recovery";
    case BatchPhase::total:
      return "total";
  }
  return "total";
}

std::string_view to_string(BatchResult result) {
  switch (result) {
    case BatchResult::committed:
      return "committed";
    case BatchResult::found_committed:
      return "found_committed";
    case BatchResult::offsets_only:
      return "offsets_only";
    case BatchResult::dropped:
      return "dropped";
    case BatchResult::stopped:
      return "stopped";
  }
  return "stopped";
}

std::string_view to_string(WorkerState state) {
  switch (state) {
    case WorkerState::starting:
      return "starting";
    case WorkerState::idle:
      return "idle";
    case WorkerState::running:
      return "reading";
    case WorkerState::committing:
      return "committing";
    case WorkerState::recovering:
      return "recovering";
    case WorkerState::blocked:
      return "blocked";
    case WorkerState::ended:
      return "stopped";
  }
  return "stopped";
}

double BatchRow::processing_seconds() const {
  double sum = 0;
  for (size_t i = 0; i < static_cast<size_t>(BatchPhase::total); ++i) sum += seconds[i];
  return sum;
}

void EngineTotals::add(const EngineTotals& other) {
  add_by_name(names, counts, other.names, other.counts);
  for (size_t i = 0; i < kBatchPhaseCount; ++i) phase[i].add(other.phase[i]);
  scheduling_delay.add(other.scheduling_delay);
  total_delay.add(other.total_delay);
  add_all(batches, other.batches);
  add_all(recoveries, other.recoveries);
  recovery_failures += other.recovery_failures;
  replayed_batches += other.replayed_batches;
  dropped_records += other.dropped_records;
  audits += other.audits;
  audit_differences += other.audit_differences;
  sheets_open += other.sheets_open;
  refused_records += other.refused_records;
  for (const auto& [topic, sum] : other.written) {
    written[topic].records += sum.records;
    written[topic].markers += sum.markers;
  }
  for (const auto& [topic, kinds] : other.destination_errors) add_all(destination_errors[topic], kinds);
}

}  // namespace millrace
