// The snapshots as metrics: each number of the manual (metrics/probes.h) from the place where it is counted.
#include <map>
#include <string>
#include <string_view>

#include "metrics/exposition.h"
#include "metrics/probes.h"
#include "status/view.h"

namespace millrace {
namespace {

double number(uint64_t value) {
  return static_cast<double>(value);
}

template <typename Enum>
Enum enum_at(size_t index) {
  return static_cast<Enum>(index);
}

void add_process(Exposition& out, const View& view) {
  const ProgramFacts& program = *view.program;
  out.add(kProbes.build_info, {program.instance, program.version, program.config_hash, program.librdkafka}, 1);
  out.add(kProbes.start_time, {}, static_cast<double>(program.started_wall_ms) / 1e3);
  out.add(kProbes.ready, {}, reasons_not_ready(view).empty() ? 1 : 0);
  out.add(kProbes.cpu, {}, view.process.cpu_seconds);
  out.add(kProbes.log_suppressed, {}, number(view.process.log_lines_suppressed));
  out.add(kProbes.log_lost, {}, number(view.process.log_lines_lost));
  for (const auto& [code, count] : view.process.http_answers) {
    out.add(kProbes.http_requests, {std::to_string(code)}, number(count));
  }
  out.add(kProbes.memory_resident, {}, number(view.process.resident_bytes));
  out.add(kProbes.memory_limit, {}, number(program.memory_limit_bytes));
  out.add(kProbes.batch_interval, {}, static_cast<double>(program.interval_ms) / 1e3);
}

// All reasons, also those that never occurred: a series that comes into being with its first event has no rate.
void add_policy(Exposition& out, std::string_view role, std::string_view node, const PolicyCounts& counts) {
  for (size_t i = 1; i < kRejectReasonCount; ++i) {
    const std::string_view reason = to_string(enum_at<RejectReason>(i));
    out.add(kProbes.dead, {role, node, reason}, number(counts.dead[i]));
    out.add(kProbes.dropped, {role, node, reason}, number(counts.dropped[i]));
    out.add(kProbes.kept, {role, node, reason}, number(counts.kept[i]));
  }
}

void add_sources(Exposition& out, const Snapshot& engine) {
  const Counts& counts = engine.totals.counts;
  for (size_t i = 0; i < counts.sources.size() && i < engine.sources.size(); ++i) {
    out.add(kProbes.source_records, {engine.sources[i]}, number(counts.sources[i].read.records));
    out.add(kProbes.source_bytes, {engine.sources[i]}, number(counts.sources[i].read.bytes));
    out.add(kProbes.stage_seconds, {"source", engine.sources[i]}, static_cast<double>(counts.sources[i].busy_ns) / 1e9);
    add_policy(out, "source", engine.sources[i], counts.sources[i].policy);
  }
}

void add_stages(Exposition& out, const Snapshot& engine) {
  const Counts& counts = engine.totals.counts;
  for (size_t i = 0; i < counts.stages.size() && i < engine.stages.size(); ++i) {
    const StageTotals& stage = counts.stages[i];
    const StageName& name = engine.stages[i];
    out.add(kProbes.stage_in, {name.name}, number(stage.in.records));
    out.add(kProbes.stage_in_bytes, {name.name}, number(stage.in.bytes));
    for (size_t port = 0; port < stage.ports.size() && port < name.ports.size(); ++port) {
      out.add(kProbes.stage_out, {name.name, name.ports[port]}, number(stage.ports[port].records));
      out.add(kProbes.stage_out_bytes, {name.name, name.ports[port]}, number(stage.ports[port].bytes));
    }
    out.add(kProbes.stage_filtered, {name.name}, number(stage.filtered));
    out.add(kProbes.stage_unmatched, {name.name}, number(stage.unmatched));
    for (size_t kind = 1; kind < expr::kErrorKindCount; ++kind) {
      out.add(kProbes.expression_errors, {name.name, to_string(enum_at<expr::ErrorKind>(kind))},
              number(stage.errors[kind]));
    }
    out.add(kProbes.stage_seconds, {"stage", name.name}, static_cast<double>(stage.busy_ns) / 1e9);
    add_policy(out, "stage", name.name, stage.policy);
  }
}

void add_errors(Exposition& out, const DestinationStatus& destination, const EngineTotals& totals) {
  const auto found = totals.destination_errors.find(destination.topic);
  for (const Fault kind : {Fault::destination, Fault::record_refused, Fault::unknown_outcome, Fault::other}) {
    const uint64_t count = found == totals.destination_errors.end() ? 0 : found->second[static_cast<size_t>(kind)];
    out.add(kProbes.destination_errors, {destination.destination, destination.topic, to_string(kind)}, number(count));
  }
}

void add_spread(Exposition& out, const Snapshot& engine) {
  for (const SpreadStatus& each : engine.spread) {
    const std::string_view role = each.node.source ? "source" : "destination";
    const auto labels = {role, std::string_view(each.node.name), std::string_view(each.node.topic)};
    out.add(kProbes.spread_share, labels, each.largest_share);
    out.add(kProbes.spread_imbalance, labels, each.max_over_mean);
    out.add(kProbes.spread_hot_key, labels, each.hot_keys.empty() ? 0 : each.hot_keys[0].share);
  }
}

void add_reconcile(Exposition& out, const View& view) {
  for (const ReconcileStatus& each : view.reconcile) {
    out.add(kProbes.reconcile_decidable, {each.destination, each.topic}, each.decidable ? 1 : 0);
    out.add(kProbes.reconcile_difference, {each.destination, each.topic}, static_cast<double>(each.difference));
  }
}

void add_destinations(Exposition& out, const View& view) {
  const Snapshot& engine = view.engine;
  const std::map<std::string, double> storage = storage_needed(view);
  const Counts& counts = engine.totals.counts;
  struct Sums {
    PolicyCounts policy;
    int64_t busy_ns = 0;
  };
  std::map<std::string, Sums> all;  // a destination with {port} has several topics
  for (size_t i = 0; i < engine.destinations.size(); ++i) {
    const DestinationStatus& status = engine.destinations[i];
    add_errors(out, status, engine.totals);
    if (!status.gone) {
      out.add(kProbes.destination_usable, {status.destination, status.topic}, status.usable ? 1 : 0);
      out.add(kProbes.destination_partitions, {status.destination, status.topic}, status.partitions);
      if (const auto bytes = storage.find(status.topic); bytes != storage.end()) {
        out.add(kProbes.destination_storage, {status.destination, status.topic}, bytes->second);
      }
    }
    if (i < counts.destinations.size()) {
      const DestinationCounts& sent = counts.destinations[i];
      out.add(kProbes.destination_records, {status.destination, status.topic}, number(sent.sent.records));
      out.add(kProbes.destination_bytes, {status.destination, status.topic}, number(sent.sent.bytes));
      Sums& sums = all[status.destination];
      sums.policy.add(sent.policy);
      sums.busy_ns += sent.busy_ns;
    } else {  // the dead-letter topic comes last
      out.add(kProbes.dead_letter_bytes, {status.topic}, number(counts.dead_letters.sent.bytes));
      out.add(kProbes.dead_letter_stubs, {status.topic}, number(counts.dead_letters.stubs));
    }
  }
  for (const auto& [name, sums] : all) {
    out.add(kProbes.stage_seconds, {"destination", name}, static_cast<double>(sums.busy_ns) / 1e9);
    add_policy(out, "destination", name, sums.policy);
  }
}

void add_batches(Exposition& out, const EngineTotals& totals) {
  for (size_t i = 0; i < kBatchResultCount; ++i) {
    out.add(kProbes.batches, {to_string(enum_at<BatchResult>(i))}, number(totals.batches[i]));
  }
  for (size_t i = 0; i < kBatchPhaseCount; ++i) {
    const auto phase = enum_at<BatchPhase>(i);
    if (phase == BatchPhase::total) {
      out.add(kProbes.batch_time, {}, totals.phase[i]);
    } else {
      out.add(kProbes.batch_phase, {to_string(phase)}, totals.phase[i]);
    }
  }
  out.add(kProbes.batch_scheduling_delay, {}, totals.scheduling_delay);
  out.add(kProbes.batch_delay, {}, totals.total_delay);
  out.add(kProbes.abandoned, {}, number(totals.dropped_records));
  for (size_t i = 1; i < kFaultCount; ++i) {
    out.add(kProbes.recoveries, {to_string(enum_at<Fault>(i))}, number(totals.recoveries[i]));
  }
  out.add(kProbes.recovery_failures, {}, number(totals.recovery_failures));
  out.add(kProbes.replays, {}, number(totals.replayed_batches));
  out.add(kProbes.refused, {}, number(totals.refused_records));
  out.add(kProbes.audits, {"equal"}, number(totals.audits - totals.audit_differences));
  out.add(kProbes.audits, {"different"}, number(totals.audit_differences));
  const BalanceSheet sheet = totals.counts.sheet();
  out.add(kProbes.copies, {}, number(sheet.copies));
  out.add(kProbes.balance, {},
          number(sheet.read) + number(sheet.copies) - number(sheet.sent) - number(sheet.filtered) -
              number(sheet.unmatched) - number(sheet.dead) - number(sheet.dropped));
  out.add(kProbes.sheets_open, {}, number(totals.sheets_open));
}

void add_rates(Exposition& out, const std::string& id, const RateStatus& rate) {
  for (size_t i = 0; i < kRateStateCount; ++i) {
    const auto state = enum_at<RateState>(i);
    out.add(kProbes.backpressure_state, {id, to_string(state)}, rate.state == state ? 1 : 0);
  }
  if (rate.target_rate > 0) out.add(kProbes.rate_target, {id}, rate.target_rate);
  out.add(kProbes.rate_pace, {id}, rate.terms.pace);
  out.add(kProbes.rate_term, {id, "proportional"}, rate.terms.proportional);
  out.add(kProbes.rate_term, {id, "integral"}, rate.terms.integral);
  out.add(kProbes.rate_term, {id, "derived"}, rate.terms.derived);
  for (size_t i = 1; i < kRateCauseCount; ++i) {
    out.add(kProbes.rate_held_back, {id, to_string(enum_at<RateCause>(i))}, number(rate.held_back[i]));
  }
  out.add(kProbes.commit_fixed, {id}, rate.fixed_seconds);
}

void add_workers(Exposition& out, const Snapshot& engine) {
  constexpr size_t kStates = static_cast<size_t>(WorkerState::ended) + 1;
  for (const WorkerStatus& worker : engine.workers) {
    const std::string id = std::to_string(worker.worker);
    for (size_t i = 0; i < kStates; ++i) {
      const auto state = enum_at<WorkerState>(i);
      out.add(kProbes.worker_state, {id, to_string(state)}, worker.state == state ? 1 : 0);
    }
    add_rates(out, id, worker.rate);
    out.add(kProbes.helped, {id}, number(worker.helped_chunks));
    out.add(kProbes.worker_progress, {id}, static_cast<double>(engine.mono_ms - worker.progress_mono_ms) / 1e3);
  }
  out.add(kProbes.memory_held, {}, number(engine.memory_held_bytes));
}

void add_group(Exposition& out, const EdgeSnapshot& edge) {
  constexpr size_t kStates = static_cast<size_t>(GroupState::closed) + 1;
  for (size_t i = 0; i < kStates; ++i) {
    const auto state = enum_at<GroupState>(i);
    out.add(kProbes.group_state, {to_string(state)}, edge.state == state ? 1 : 0);
  }
  out.add(kProbes.rebalances, {}, number(edge.counters.rebalances));
  out.add(kProbes.partitions_lost, {}, number(edge.counters.partitions_lost));
  out.add(kProbes.partitions, {}, number(edge.partitions.size()));
  out.add(kProbes.data_losses, {}, number(edge.counters.data_losses));
  out.add(kProbes.skipped, {}, number(edge.counters.offsets_skipped));
  out.add(kProbes.unknown_outcomes, {}, number(edge.counters.outcomes_unknown));
  out.add(kProbes.producers_outstanding, {}, number(edge.counters.producers_outstanding));
}

void add_history(Exposition& out, const HistoryStatus& history) {
  if (history.store.empty()) return;
  out.add(kProbes.history_rows, {"batch"}, number(history.batches_written));
  out.add(kProbes.history_rows, {"event"}, number(history.events_written));
  out.add(kProbes.history_dropped, {}, number(history.dropped));
  out.add(kProbes.history_waiting, {}, number(history.waiting));
  out.add(kProbes.history_usable, {}, history.trouble.empty() ? 1 : 0);
}

void add_producers(Exposition& out, const EdgeSnapshot& edge) {
  for (const ProducerSnapshot& each : edge.producers) {
    const std::string id = std::to_string(each.worker);
    out.add(kProbes.producer_queue_fill, {id}, each.load.queue_fill);
    out.add(kProbes.producer_queue_records, {id}, static_cast<double>(each.queued_records));
    out.add(kProbes.producer_queue_bytes, {id}, static_cast<double>(each.queued_bytes));
    out.add(kProbes.producer_ack_time, {id, "50"}, each.ack_p50_ms / 1e3);
    out.add(kProbes.producer_ack_time, {id, "99"}, each.ack_p99_ms / 1e3);
    out.add(kProbes.producer_request_time, {id, "50"}, each.request_p50_ms / 1e3);
    out.add(kProbes.producer_request_time, {id, "99"}, each.request_p99_ms / 1e3);
    out.add(kProbes.producer_throttle, {id}, each.load.throttle_ms / 1e3);
    out.add(kProbes.producer_errors, {id}, number(each.load.errors));
  }
}

void add_readers(Exposition& out, const View& view) {
  for (const ReaderSnapshot& each : view.edge.readers) {
    int64_t sum = 0;
    int64_t most = 0;
    for (const auto& [partition, lag] : each.lag) {
      sum += lag;
      most = std::max(most, lag);
      if (each.lag.size() > view.program->partition_series_max) continue;
      out.add(kProbes.reader_lag, {each.destination, each.topic, each.group, std::to_string(partition)},
              static_cast<double>(lag));
    }
    out.add(kProbes.reader_lag_sum, {each.destination, each.topic, each.group}, static_cast<double>(sum));
    out.add(kProbes.reader_lag_max, {each.destination, each.topic, each.group}, static_cast<double>(most));
  }
}

void add_headroom(Exposition& out, const std::vector<PartitionView>& partitions, size_t series_max) {
  std::map<std::string, double> least;
  for (const PartitionView& each : partitions) {
    if (!each.headroom_seconds) continue;
    const auto [at, fresh] = least.emplace(each.partition.topic, *each.headroom_seconds);
    at->second = std::min(at->second, *each.headroom_seconds);
    if (partitions.size() > series_max) continue;
    out.add(kProbes.retention_headroom, {each.partition.topic, std::to_string(each.partition.partition)},
            *each.headroom_seconds);
  }
  for (const auto& [topic, seconds] : least) out.add(kProbes.retention_headroom_min, {topic}, seconds);
}

// What is told of each topic whatever the number of its partitions is.
struct OfTopic {
  double lag_seconds = -1;
  uint64_t stopped = 0;
};

// Of each partition, lag alone has a series in any case: alerts compare the partitions' lags. Of the rest more series
// than the knob allows would be most of what a scrape costs.
void add_partitions(Exposition& out, const View& view) {
  const std::vector<PartitionView> partitions = partition_views(view);
  const size_t series_max = view.program->partition_series_max;
  const bool all = partitions.size() <= series_max;
  size_t stopped_series = 0;
  std::map<std::string, OfTopic> topics;
  add_headroom(out, partitions, series_max);
  for (const PartitionView& each : partitions) {
    const std::string id = std::to_string(each.partition.partition);
    const std::string& topic = each.partition.topic;
    const bool stopped = !each.stopped.empty();
    OfTopic& sums = topics[topic];
    sums.lag_seconds = std::max(sums.lag_seconds, each.lag_seconds);
    if (stopped) ++sums.stopped;
    if (each.lag_records >= 0) out.add(kProbes.lag_records, {topic, id}, static_cast<double>(each.lag_records));
    if (all || (stopped && stopped_series++ < series_max)) out.add(kProbes.partition_stopped, {topic, id}, stopped);
    if (!all) continue;
    if (each.lag_seconds >= 0) out.add(kProbes.lag_seconds, {topic, id}, each.lag_seconds);
    if (each.committed >= 0) out.add(kProbes.committed_offset, {topic, id}, static_cast<double>(each.committed));
    if (each.committed >= 0 && each.low >= 0) {
      out.add(kProbes.headroom, {topic, id}, static_cast<double>(each.committed - each.low));
    }
  }
  for (const auto& [topic, sums] : topics) {
    if (sums.lag_seconds >= 0) out.add(kProbes.lag_seconds_max, {topic}, sums.lag_seconds);
    out.add(kProbes.partitions_stopped, {topic}, number(sums.stopped));
  }
}

void add_configuration(Exposition& out, const View& view) {
  const ReloadView& reload = view.reload;
  out.add(kProbes.reloads, {"applied"}, number(reload.applied));
  out.add(kProbes.reloads, {"partly"}, number(reload.partly));
  out.add(kProbes.reloads, {"unchanged"}, number(reload.unchanged));
  out.add(kProbes.reloads, {"refused"}, number(reload.refused));
  out.add(kProbes.reload_well, {}, reload.error.empty() ? 1 : 0);
  out.add(kProbes.reload_waiting, {}, number(reload.waiting.size()));
  out.add(kProbes.reload_time, {}, static_cast<double>(reload.applied_wall_ms) / 1e3);
  for (const TableView& table : reload.tables) {
    out.add(kProbes.table_version, {table.name}, number(table.version));
    out.add(kProbes.table_age, {table.name}, static_cast<double>(view.engine.wall_ms - table.read_wall_ms) / 1e3);
    out.add(kProbes.table_rows, {table.name}, number(table.rows));
    out.add(kProbes.table_bytes, {table.name}, number(table.bytes));
    out.add(kProbes.table_ok, {table.name}, table.error.empty() ? 1 : 0);
    out.add(kProbes.table_refusals, {table.name}, number(table.refusals));
  }
}

}  // namespace

std::string metrics_page(const View& view) {
  Exposition out(view.program->pipeline);
  add_process(out, view);
  add_sources(out, view.engine);
  add_stages(out, view.engine);
  add_destinations(out, view);
  add_spread(out, view.engine);
  add_reconcile(out, view);
  add_batches(out, view.engine.totals);
  add_workers(out, view.engine);
  add_group(out, view.edge);
  add_partitions(out, view);
  out.add(kProbes.catch_up_ratio, {}, view.catch_up.percent / 100);
  out.add(kProbes.catch_up_rate, {}, view.catch_up.rate);
  if (view.catch_up.seconds_left >= 0) out.add(kProbes.catch_up_left, {}, view.catch_up.seconds_left);
  for (size_t i = 0; i < kAdviceKindCount; ++i) {
    const auto kind = enum_at<AdviceKind>(i);
    out.add(kProbes.advice, {to_string(kind)}, view.advice.kind == kind ? 1 : 0);
  }
  add_history(out, view.history);
  add_producers(out, view.edge);
  add_readers(out, view);
  add_configuration(out, view);
  return out.text();
}

}  // namespace millrace
