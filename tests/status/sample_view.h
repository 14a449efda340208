// A view of a pipeline in the middle of its life, for the tests of the pages.
#pragma once

#include "status/view.h"

namespace millrace {

inline ProgramFacts sample_facts() {
  ProgramFacts facts;
  facts.pipeline = "shop";
  facts.instance = "shop-1";
  facts.version = "1.0 (abc)";
  facts.librdkafka = "2.14.2";
  facts.config_file = "/etc/millrace/<shop>.yaml";
  facts.config_hash = "0123456789abcdef";
  facts.graph = "orders -> large -> out\n";
  facts.knobs = {{"batch.interval", "1s"}};
  facts.started_wall_ms = 1'700'000'000'000;
  facts.interval_ms = 1'000;
  facts.memory_limit_bytes = 256 << 20;
  return facts;
}

// 100 read: 40 filtered, 10 dead at the stage, 50 sent.
inline View sample_view(const ProgramFacts& facts) {
  View view;
  view.program = &facts;
  view.process.resident_bytes = 1 << 20;
  view.process.cpu_seconds = 1.5;
  view.process.log_lines_suppressed = 7;
  view.process.log_lines_lost = 1234;
  view.process.http_answers = {{200, 3}, {404, 1}};
  view.history.store = "/var/lib/millrace/shop/shop-1/history.sqlite";

  Snapshot& engine = view.engine;
  engine.wall_ms = 1'700'000'010'000;
  engine.mono_ms = 10'000;
  engine.sources = {"orders"};
  engine.stages = {{"large", "filter", {""}}, {"size", "classify", {"huge", "small"}}};
  engine.destinations = {{"out", "orders.huge", 3, true, ""},
                         {"out", "orders.small", 3, true, ""},
                         {"dead_letters", "orders.dead", 1, true, ""}};
  Counts& counts = engine.totals.counts;
  counts.shape(1, {1, 2}, 2);
  counts.sources[0].read = {100, 10'000};
  counts.sources[0].out = 100;
  counts.stages[0].in = {100, 10'000};
  counts.stages[0].filtered = 40;
  counts.stages[0].policy.dead[static_cast<size_t>(RejectReason::expression_error)] = 10;
  counts.stages[0].errors[static_cast<size_t>(expr::ErrorKind::no_such_field)] = 10;
  counts.stages[0].ports[0] = {50, 5'000};
  counts.stages[0].out = 50;
  counts.stages[1].in = {50, 5'000};
  counts.stages[1].ports[0] = {20, 2'000};
  counts.stages[1].ports[1] = {30, 3'000};
  counts.stages[1].out = 50;
  counts.destinations[0].in = 20;
  counts.destinations[0].sent = {20, 2'000};
  counts.destinations[1].in = 30;
  counts.destinations[1].sent = {30, 3'000};
  counts.dead_letters.sent = {10, 1'500};
  engine.totals.phase[static_cast<size_t>(BatchPhase::total)].record_us(300'000);
  engine.totals.phase[static_cast<size_t>(BatchPhase::commit)].record_us(20'000);
  engine.totals.scheduling_delay.record_us(40'000);
  engine.totals.total_delay.record_us(70'000);
  engine.totals.batches[static_cast<size_t>(BatchResult::committed)] = 1;
  engine.totals.audits = 5;
  engine.totals.audit_differences = 1;
  engine.spread = {{{true, "orders", "orders"}, 100, 2, 0, 0.6, 1.2, {}},
                   {{false, "out", "orders.huge"}, 20, 3, 2, 0.9, 2.7, {{0.8, 2, {"orders", 0}, 57}}}};
  engine.totals.destination_errors["orders.small"][static_cast<size_t>(Fault::record_refused)] = 3;
  WorkerStatus worker;
  worker.state = WorkerState::running;
  worker.progress_mono_ms = 9'000;
  worker.batches = 1;
  worker.rate.target_rate = 1000;
  engine.workers = {worker};
  PartitionStatus first;
  first.partition = {"orders", 0};
  first.committed = 60;
  first.last_timestamp_ms = engine.wall_ms - 2'500;
  PartitionStatus second;
  second.partition = {"orders", 1};
  second.committed = 40;
  second.last_timestamp_ms = engine.wall_ms - 9'000;
  second.at_end = true;
  engine.partitions = {first, second};
  BatchRow row;
  row.number = 1;
  row.records = 100;
  row.sent = 60;
  engine.history = {row};
  engine.ready = true;

  TableView table;
  table.name = "languages";
  table.file = "languages.csv";
  table.rows = 12;
  table.bytes = 340;
  view.reload.tables = {table};
  view.reconcile = {{"out", "orders.huge", true, "", -2}, {"out", "orders.small", false, "others write there", 0}};
  view.catch_up = {true, 400, 25, 5, 60};
  view.written = {{"orders.huge", 1'000}, {"orders.small", 500}, {"orders.dead", 10}};
  EdgeSnapshot& edge = view.edge;
  edge.state = GroupState::steady;
  edge.ever_assigned = true;
  edge.partitions = {{{"orders", 0}, 0, 70, 60, 10, 75, 15, ""}, {{"orders", 1}, 0, 40, 40, 0, 40, 0, ""}};
  TopicSettings kept;
  kept.retention_ms = 3'600'000;
  edge.sources = {{"orders", 2, 3, kept}};
  DestinationLimits limits;
  limits.partitions = 3;
  edge.destinations = {{"orders.huge", limits, 3, kept}, {"orders.small", limits, 3, {}}};
  edge.readers = {{"out", "orders.huge", "audit", {{0, 4}, {1, 6}}}};
  ProducerSnapshot producer;
  producer.load.queue_fill = 0.25;
  producer.load.throttle_ms = 1500;
  producer.load.errors = 2;
  producer.queued_records = 9;
  producer.queued_bytes = 900;
  producer.ack_p50_ms = 3;
  producer.ack_p99_ms = 40;
  producer.request_p50_ms = 2;
  producer.request_p99_ms = 30;
  edge.producers = {producer};
  edge.brokers = {{1, "127.0.0.1:9092", "UP"}};
  return view;
}

}  // namespace millrace
