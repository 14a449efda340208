// The state of the pipeline for programs: /status.json. No record's content, no value of the configuration but knobs.
#include "base/text.h"
#include "status/api.h"
#include "status/json_writer.h"
#include "status/view.h"

namespace millrace {
namespace {

void write_program(JsonWriter& out, const View& view) {
  const ProgramFacts& program = *view.program;
  out.member("pipeline", program.pipeline).member("instance", program.instance);
  out.member("version", program.version).member("librdkafka", program.librdkafka);
  out.key("config").open('{').member("file", program.config_file).member("hash", program.config_hash).close('}');
  out.member("started_ms", program.started_wall_ms).member("now_ms", view.engine.wall_ms);
  out.member("interval_ms", program.interval_ms);
  const auto reasons = reasons_not_ready(view);
  out.member("ready", reasons.empty());
  out.key("not_ready").open('[');
  for (const std::string& reason : reasons) out.value(reason);
  out.close(']');
  out.key("memory").open('{').member("limit_bytes", program.memory_limit_bytes);
  out.member("resident_bytes", view.process.resident_bytes);
  out.member("held_bytes", view.engine.memory_held_bytes);
  out.close('}');
  out.key("log").open('{').member("lines_suppressed", view.process.log_lines_suppressed);
  out.member("lines_lost", view.process.log_lines_lost).close('}');
  out.key("knobs").open('{');
  for (const auto& [name, value] : program.knobs) out.member(name, value);
  out.close('}');
}

void write_configuration(JsonWriter& out, const View& view) {
  const ReloadView& reload = view.reload;
  out.key("reload").open('{').member("version", view.engine.version).member("applied_ms", reload.applied_wall_ms);
  out.member("tried_ms", reload.tried_wall_ms).member("ok", reload.error.empty()).member("error", reload.error);
  out.key("needs_restart").open('[');
  for (const std::string& change : reload.waiting) out.value(change);
  out.close(']').member("applied", reload.applied).member("partly", reload.partly);
  out.member("unchanged", reload.unchanged).member("refused", reload.refused).close('}');
  out.key("tables").open('[');
  for (const TableView& table : reload.tables) {
    out.open('{').member("name", table.name).member("file", table.file).member("version", table.version);
    out.member("rows", table.rows).member("bytes", table.bytes).member("read_ms", table.read_wall_ms);
    out.member("error", table.error).member("refusals", table.refusals).close('}');
  }
  out.close(']');
}

void write_group(JsonWriter& out, const EdgeSnapshot& edge) {
  out.key("group").open('{').member("state", to_string(edge.state)).member("trouble", edge.trouble);
  out.member("member", edge.member_id).member("generation", edge.generation);
  out.member("rebalances", edge.counters.rebalances).close('}');
  out.key("brokers").open('[');
  for (const BrokerSnapshot& broker : edge.brokers) {
    out.open('{').member("id", broker.id).member("address", broker.address).member("state", broker.state).close('}');
  }
  out.close(']');
}

// What was rejected by reason, whatever on_error made of it.
void write_rejected(JsonWriter& out, const PolicyCounts& policy) {
  out.member("dead", policy.dead_total()).member("dropped", policy.dropped_total()).key("rejected").open('{');
  for (size_t i = 1; i < kRejectReasonCount; ++i) {
    const uint64_t all = policy.dead[i] + policy.dropped[i] + policy.kept[i];
    if (all > 0) out.member(to_string(static_cast<RejectReason>(i)), all);
  }
  out.close('}');
}

void write_nodes(JsonWriter& out, const View& view) {
  const Snapshot& engine = view.engine;
  const Counts& counts = engine.totals.counts;
  out.key("sources").open('[');
  for (size_t i = 0; i < counts.sources.size() && i < engine.sources.size(); ++i) {
    const SourceCounts& source = counts.sources[i];
    out.open('{').member("name", engine.sources[i]);
    out.member("records", source.read.records).member("bytes", source.read.bytes).member("out", source.out);
    out.member("busy_seconds", static_cast<double>(source.busy_ns) / 1e9);
    write_rejected(out, source.policy);
    out.close('}');
  }
  out.close(']').key("stages").open('[');
  for (size_t i = 0; i < counts.stages.size() && i < engine.stages.size(); ++i) {
    const StageTotals& stage = counts.stages[i];
    out.open('{').member("name", engine.stages[i].name).member("kind", engine.stages[i].kind);
    out.member("busy_seconds", static_cast<double>(stage.busy_ns) / 1e9);
    out.member("in", stage.in.records).key("out").open('{');
    for (size_t port = 0; port < stage.ports.size() && port < engine.stages[i].ports.size(); ++port) {
      out.member(engine.stages[i].ports[port], stage.ports[port].records);
    }
    out.close('}').member("filtered", stage.filtered).member("unmatched", stage.unmatched);
    write_rejected(out, stage.policy);
    out.close('}');
  }
  const std::map<std::string, double> storage = storage_needed(view);
  out.close(']').key("destinations").open('[');
  for (size_t i = 0; i < engine.destinations.size(); ++i) {
    const DestinationStatus& status = engine.destinations[i];
    const Tally& sent = i < counts.destinations.size() ? counts.destinations[i].sent : counts.dead_letters.sent;
    out.open('{').member("name", status.destination).member("topic", status.topic);
    out.member("gone", status.gone)
        .member("usable", status.usable)
        .member("state", status.state)
        .member("partitions", status.partitions);
    out.member("records", sent.records).member("bytes", sent.bytes);
    const auto needed = storage.find(status.topic);
    out.member("storage_bytes",
               needed == storage.end() || status.gone ? int64_t{-1} : static_cast<int64_t>(needed->second));
    // The dead-letter topic comes last, and has no policy of its own.
    write_rejected(out, i < counts.destinations.size() ? counts.destinations[i].policy : PolicyCounts());
    out.close('}');
  }
  out.close(']');
}

void write_rate(JsonWriter& out, const RateStatus& rate) {
  out.key("rate").open('{').member("state", to_string(rate.state)).member("cause", to_string(rate.cause));
  out.member("target_records_per_second", rate.target_rate).member("pace_records_per_second", rate.terms.pace);
  out.member("proportional", rate.terms.proportional).member("integral", rate.terms.integral);
  out.member("derived", rate.terms.derived).member("commit_fixed_seconds", rate.fixed_seconds);
  out.member("batch_seconds", rate.batch_seconds).key("held_back_batches").open('{');
  for (size_t i = 1; i < kRateCauseCount; ++i) {
    out.member(to_string(static_cast<RateCause>(i)), rate.held_back[i]);
  }
  out.close('}').close('}');
}

void write_producer(JsonWriter& out, const EdgeSnapshot& edge, int worker) {
  out.key("producer").open('{');
  for (const ProducerSnapshot& each : edge.producers) {
    if (each.worker != worker) continue;
    out.member("queue_ratio", each.load.queue_fill).member("queued_records", each.queued_records);
    out.member("queued_bytes", each.queued_bytes).member("ack_p50_ms", each.ack_p50_ms);
    out.member("ack_p99_ms", each.ack_p99_ms).member("throttle_ms", each.load.throttle_ms);
    out.member("errors", each.load.errors);
  }
  out.close('}');
}

void write_reconcile(JsonWriter& out, const View& view) {
  out.key("reconcile").open('[');
  for (const ReconcileStatus& each : view.reconcile) {
    out.open('{').member("destination", each.destination).member("topic", each.topic);
    out.member("decidable", each.decidable).member("reason", each.reason);
    out.member("difference", each.difference).close('}');
  }
  out.close(']');
}

void write_engine(JsonWriter& out, const Snapshot& engine, const EdgeSnapshot& edge) {
  out.key("workers").open('[');
  for (const WorkerStatus& worker : engine.workers) {
    out.open('{').member("worker", worker.worker).member("state", to_string(worker.state));
    out.member("reason", worker.reason).member("batches", worker.batches);
    out.member("held_records", worker.held_records).member("held_bytes", worker.held_bytes);
    write_rate(out, worker.rate);
    write_producer(out, edge, worker.worker);
    out.member("helped_chunks", worker.helped_chunks);
    out.member("last_error", worker.last_error).member("last_error_ms", worker.last_error_wall_ms).close('}');
  }
  out.close(']');
  const BalanceSheet sheet = engine.totals.counts.sheet();
  out.key("balance").open('{').member("read", sheet.read).member("copies", sheet.copies).member("sent", sheet.sent);
  out.member("filtered", sheet.filtered).member("unmatched", sheet.unmatched).member("dead", sheet.dead);
  out.member("dropped", sheet.dropped).member("closes", sheet.closes()).close('}');
  out.key("batches").open('[');
  for (const BatchRow& row : engine.history) {
    out.open('{')
        .member("worker", row.worker)
        .member("number", row.number)
        .member("config", row.config_hash)
        .member("opened_ms", row.opened_wall_ms);
    out.member("result", to_string(row.result)).member("records", row.records).member("bytes", row.bytes);
    out.member("sent", row.sent).member("dead", row.dead).member("delay_seconds", row.delay_seconds);
    out.member("recoveries", row.recoveries).key("seconds").open('{');
    for (size_t i = 0; i < kBatchPhaseCount; ++i) {
      out.member(to_string(static_cast<BatchPhase>(i)), row.seconds[i]);
    }
    out.close('}').close('}');
  }
  out.close(']');
}

}  // namespace

std::string json_page(const View& view) {
  JsonWriter out;
  out.open('{');
  write_program(out, view);
  write_advice(out.key("advice"), view.advice);
  out.key("catch_up").open('{').member("behind", view.catch_up.behind).member("percent", view.catch_up.percent);
  out.member("rate", view.catch_up.rate).member("seconds_left", view.catch_up.seconds_left);
  out.member("highest_lag", view.catch_up.highest_lag).close('}');
  out.key("history").open('{').member("store", view.history.store).member("trouble", view.history.trouble);
  out.member("batches", view.history.batches_written).member("events", view.history.events_written);
  out.member("dropped", view.history.dropped).member("waiting", view.history.waiting).close('}');
  write_configuration(out, view);
  write_group(out, view.edge);
  write_engine(out, view.engine, view.edge);
  write_nodes(out, view);
  write_spread(out, view.engine);
  write_reconcile(out, view);
  write_partitions(out, view);
  out.close('}');
  return out.text() + "\n";
}

}  // namespace millrace
