#include "status/recorder.h"

#include "sample_view.h"
#include "support/catch.h"

using namespace millrace;

namespace {

std::string only(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events) text += event.kind + " " + event.subject + "\n";
  return text;
}

}  // namespace

TEST_CASE("nothing happens between two equal views", "[event]") {
  const ProgramFacts facts = sample_facts();
  const View view = sample_view(facts);
  CHECK(events_between(view, view).empty());
}

TEST_CASE("what changed between two views is told, once for each topic, worker and broker", "[event]") {
  const ProgramFacts facts = sample_facts();
  const View before = sample_view(facts);
  View now = before;
  for (int32_t i = 2; i < 6; ++i) now.edge.partitions.push_back({{"orders", i}, 0, 0, 0, 0, 0, 0, ""});
  now.edge.partitions.push_back({{"orders", 9}, 0, 0, 0, 0, 0, 0, ""});
  CHECK(only(events_between(before, now)) == "partition_assigned orders 2-5, 9\n");
  CHECK(only(events_between(now, before)) == "partition_revoked orders 2-5, 9\n");
  View lost = before;
  lost.edge.counters.partitions_lost = 5;
  CHECK(only(events_between(now, lost)) == "partition_lost orders 2-5, 9\n");

  now = before;
  now.engine.workers[0].state = WorkerState::blocked;
  now.engine.workers[0].reason = "topic orders.small: not enough replicas";
  now.engine.destinations[1].usable = false;
  now.edge.brokers[0].state = "DOWN";
  CHECK(only(events_between(before, now)) ==
        "connection_lost broker 1 127.0.0.1:9092\nworker_blocked worker 0\ndestination_unusable orders.small\n");
  CHECK(only(events_between(now, before)) ==
        "connection_regained broker 1 127.0.0.1:9092\nworker_goes_on worker 0\ndestination_usable orders.small\n");

  now = before;
  now.engine.totals.recoveries[1] = 2;
  now.edge.counters.data_losses = 1;
  now.edge.partitions[0].stopped = "records were deleted";
  CHECK(only(events_between(before, now)) == "partition_stopped orders-0\nrecovery " +
                                                 std::string(to_string(static_cast<Fault>(1))) +
                                                 "\ndata_loss source\n");

  now = before;
  now.engine.workers[0].state = WorkerState::ended;
  now.engine.workers[0].last_error = "gone";
  CHECK(only(events_between(before, now)) == "worker_failed worker 0\n");
  now.engine.stopping = true;
  CHECK(only(events_between(before, now)) == "worker_stopped worker 0\n");
  View starting = before;
  starting.engine.workers[0].state = WorkerState::starting;
  CHECK(only(events_between(starting, before)) == "worker_started worker 0\n");
}

TEST_CASE("the recorder keeps the last batches and events, and a point for each look", "[recorder]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  Recorder::Settings settings;
  settings.batches_max = 3;
  settings.points_max = 2;
  Recorder recorder(
      settings, [&] { return view; }, nullptr);
  recorder.look();
  CHECK(recorder.timeline().empty());
  BatchRow row;
  row.records = 10;
  row.delay_seconds = 0.5;
  for (row.number = 1; row.number <= 5; ++row.number) recorder.settled(row);
  row.delay_seconds = 0.25;
  recorder.settled(row);
  row.result = BatchResult::offsets_only;
  row.records = 0;
  row.number = 100;
  recorder.settled(row);  // moved over markers only
  REQUIRE(recorder.batches(10).size() == 3);
  CHECK(recorder.batches(10)[0].number == 6);
  CHECK(recorder.batches(1).size() == 1);

  view.engine.mono_ms += 2'000;
  view.engine.totals.counts.sources[0].read.records += 500;
  view.edge.brokers[0].state = "DOWN";
  recorder.look();
  REQUIRE(recorder.timeline().size() == 1);
  const TimelinePoint point = recorder.timeline()[0];
  CHECK(point.read_per_second == 250);
  CHECK(point.sent_per_second == 0);
  CHECK(point.lag_records == 15);
  CHECK(point.batches == 6);
  CHECK(point.delay_ms == 500);
  REQUIRE(recorder.events(10).size() == 1);
  CHECK(recorder.events(10)[0].kind == "connection_lost");
  for (int i = 0; i < 5; ++i) recorder.look();
  REQUIRE(recorder.timeline().size() == 2);
  CHECK(recorder.timeline()[1].batches == 0);
  CHECK(recorder.timeline()[1].delay_ms == -1);
}
