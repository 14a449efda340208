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

TEST_CASE("the recorder sees catching up, and what is written to each topic", "[recorder]") {
  const ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  Recorder recorder(
      {}, [&] { return view; }, nullptr);
  const auto second = [&](int64_t lag, uint64_t bytes) {
    view.engine.mono_ms += 1'000;
    view.engine.wall_ms += 1'000;
    view.edge.partitions[0].lag = lag;
    view.engine.totals.counts.destinations[0].sent.bytes += bytes;
    view.engine.totals.counts.dead_letters.sent.bytes += 7;
    recorder.look();
  };
  recorder.look();
  CHECK_FALSE(recorder.catch_up().behind);
  for (int i = 0; i < 10; ++i) second(50'000 - 1'000 * i, 300);
  const CatchUp way = recorder.catch_up();
  CHECK(way.behind);
  CHECK(way.percent == Approx(18));
  CHECK(way.rate == Approx(1'000));
  CHECK(way.seconds_left == Approx(41));
  CHECK(recorder.written().at("orders.huge") == Approx(300));
  CHECK(recorder.written().at("orders.small") == 0);
  CHECK(recorder.written().at("orders.dead") == Approx(7));
  second(10, 300);
  CHECK_FALSE(recorder.catch_up().behind);
}

TEST_CASE("the advice sees the batches of its window, whatever the wall clock does meanwhile", "[recorder]") {
  const auto advice_after = [](bool batches, int64_t step_ms) {
    const ProgramFacts facts = sample_facts();
    View view = sample_view(facts);
    for (PartitionSnapshot& each : view.edge.partitions) each.lag = 1'000'000;
    Recorder recorder(
        Recorder::Settings{}, [&] { return view; }, nullptr);
    recorder.look();
    view.engine.wall_ms += step_ms;
    for (int second = 1; second <= 10; ++second) {
      view.engine.mono_ms += 1'000;
      view.engine.wall_ms += 1'000;
      view.engine.totals.counts.sources[0].read.records += 100;
      BatchRow row;
      row.number = static_cast<uint64_t>(second);
      row.records = 100;
      row.interval_ms = 1'000;
      row.seconds[static_cast<size_t>(BatchPhase::process)] = 0.99;
      row.completed_wall_ms = view.engine.wall_ms - 5;
      if (batches) recorder.settled(row);
      recorder.look();
    }
    return recorder.advice().text;
  };
  const std::string steady = advice_after(true, 0);
  CHECK(steady != advice_after(false, 0));
  CHECK(advice_after(true, -3'600'000) == steady);
  CHECK(advice_after(true, 3'600'000) == steady);
}
