// The worker's loop: ticks, budgets, quotas, partitions that come and go, stops.
#include "pipeline/worker.h"

#include "pipeline/rig.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::test;

namespace {

void fill(FakeQueue& queue, int count, const std::string& prefix = "r") {
  for (int i = 0; i < count; ++i) queue.add(prefix + std::to_string(i));
}

}  // namespace

TEST_CASE("a batch is committed at the tick, and an empty tick sends nothing") {
  Rig rig(identity_graph());
  auto& queue = rig.assign("in", 0);
  rig.run_ms(10);
  fill(queue, 5);
  rig.run_ms(80);
  CHECK(rig.broker().open);
  CHECK(rig.cluster.written.empty());
  rig.run_ms(30);
  CHECK(rig.cluster.written.size() == 5);
  rig.run_ms(1000);
  CHECK(rig.broker().calls[Call::begin] == 1);
  CHECK(rig.status().state == WorkerState::idle);
}

TEST_CASE("a full batch is committed before the tick") {
  Rig rig(identity_graph());
  rig.options.interval_ms = 60'000;
  SECTION("records") {
    rig.options.max_records = 10;
    fill(rig.assign("in", 0), 25);
    rig.run_ms(100);
    CHECK(rig.cluster.written.size() == 20);
  }
  SECTION("bytes") {
    rig.options.max_bytes = 1000;
    auto& queue = rig.assign("in", 0);
    for (int i = 0; i < 50; ++i) queue.add(std::string(100, 'x'));
    rig.run_ms(100);
    CHECK(rig.cluster.written.size() >= 40);
    CHECK(rig.results(BatchResult::committed) >= 3);
  }
  SECTION("memory") {
    rig.options.held_bytes = 100'000;
    auto& queue = rig.assign("in", 0);
    for (int i = 0; i < 1000; ++i) queue.add(std::string(1000, 'x'));
    uint64_t most = 0;
    for (int i = 0; i < 500; ++i) {
      rig.turn();
      most = std::max(most, rig.status().held_bytes);
    }
    CHECK(rig.cluster.written.size() >= 900);
    CHECK(most <= 100'000);
  }
}

TEST_CASE("partitions are read in turn") {
  Rig rig(identity_graph());
  rig.options.max_records = 4000;
  fill(rig.assign("in", 0), 5000);
  fill(rig.assign("in", 1), 5000);
  rig.run_ms(10);
  const int64_t first = rig.committed("in", 0);
  const int64_t second = rig.committed("in", 1);
  CHECK(first > 0);
  CHECK(second > 0);
  CHECK(std::abs(first - second) <= 2048);
}

TEST_CASE("a partition gives at most its quota in a tick") {
  Rig rig(identity_graph());
  rig.options.rate.max_per_partition = 105;
  fill(rig.assign("in", 0), 1000);
  rig.run_ms(100);
  rig.run_ms(1000);
  CHECK(rig.committed("in", 0) >= 100);
  CHECK(rig.committed("in", 0) <= 116);
}

TEST_CASE("when only progress moved, offsets are committed now and then") {
  Rig rig(identity_graph());
  rig.options.offsets_only_ms = 5000;
  rig.clock.advance_ms(10'000);
  auto& queue = rig.assign("in", 0);
  queue.skip_offset();
  rig.run_ms(300);
  CHECK(rig.committed("in", 0) == 1);
  CHECK(rig.results(BatchResult::offsets_only) == 1);
  queue.skip_offset();
  rig.run_ms(4000);
  CHECK(rig.committed("in", 0) == 1);
  SECTION("at the latest after five seconds") {
    rig.run_ms(1500);
    CHECK(rig.committed("in", 0) == 2);
    CHECK(rig.results(BatchResult::offsets_only) == 2);
  }
  SECTION("at a stop") {
    rig.engine->stop();
    rig.run_ms(10);
    CHECK(rig.committed("in", 0) == 2);
  }
  SECTION("when the partition is revoked") {
    rig.revoke("in", 0);
    rig.run_ms(10);
    CHECK(rig.committed("in", 0) == 2);
    CHECK(rig.released("in", 0));
  }
}

TEST_CASE("a revoked partition is given back when its batch is committed, without waiting for the tick") {
  Rig rig(identity_graph());
  rig.options.interval_ms = 60'000;
  fill(rig.assign("in", 0), 5);
  fill(rig.assign("in", 1), 5);
  rig.run_ms(20);
  CHECK(rig.broker().open);
  rig.revoke("in", 0);
  CHECK_FALSE(rig.released("in", 0));
  rig.run_ms(20);
  CHECK(rig.released("in", 0));
  CHECK(rig.cluster.written.size() == 10);
  CHECK_FALSE(rig.released("in", 1));
}

TEST_CASE("a revoked partition that the batch does not hold goes back at once, and may come again") {
  Rig rig(identity_graph());
  rig.assign("in", 0);
  rig.turn();
  rig.revoke("in", 0);
  auto& again = rig.assign("in", 0);
  again.add("x");
  CHECK_FALSE(rig.released("in", 0));
  rig.run_ms(300);
  CHECK_FALSE(rig.released("in", 0));
  CHECK(rig.committed("in", 0) == 1);
  rig.revoke("in", 0);
  rig.turn();
  CHECK(rig.released("in", 0));
}

TEST_CASE("a partition that comes back while its old batch is stuck waits for that") {
  Rig rig(identity_graph());
  fill(rig.assign("in", 0), 3);
  rig.run_ms(20);
  rig.broker().plan(Call::commit, Fault::unknown_outcome);
  rig.broker().plan(Call::rebuild, Fault::other, false, 5);
  rig.run_ms(300);
  CHECK(rig.status().state == WorkerState::blocked);
  rig.revoke("in", 0);
  rig.turn();
  CHECK_FALSE(rig.released("in", 0));
  rig.raise("in", 0);  // the limit of the revocation is over
  auto& again = rig.assign("in", 0);
  again.add("r0 again");
  rig.run_ms(20'000);
  CHECK(rig.cluster.values(0) == std::vector<std::string>{"r0 again"});
  rig.revoke("in", 0);
  rig.turn();
  CHECK(rig.released("in", 0));
}

TEST_CASE("a partition that cannot be read is left alone; the others go on") {
  Rig rig(identity_graph());
  auto& broken = rig.assign("in", 0);
  auto& good = rig.assign("in", 1);
  broken.fail_next({Remedy::stop, "offset out of range", ExitCode::internal});
  broken.add("never");
  good.add("x");
  rig.run_ms(300);
  CHECK(rig.cluster.values(0) == std::vector<std::string>{"x"});
  const Snapshot snapshot = rig.engine->snapshot();
  CHECK_FALSE(snapshot.ready);
  CHECK(snapshot.not_ready == "in-0 is not read: offset out of range");
}

TEST_CASE("a destination that is not there holds everything up, with a reason") {
  Rig rig(identity_graph());
  rig.cluster.destinations[0].partitions = 0;
  rig.cluster.destinations[0].state = "topic out does not exist";
  rig.assign("in", 0).add("x");
  rig.run_ms(5000);
  CHECK(rig.cluster.written.empty());
  CHECK(rig.status().state == WorkerState::blocked);
  CHECK(rig.status().reason == "topic out does not exist");
  rig.cluster.destinations[0].partitions = 2;
  rig.run_ms(12'000);
  CHECK(rig.cluster.written.size() == 1);
}

TEST_CASE("a stop commits what is open, without waiting for the tick") {
  Rig rig(identity_graph(), 2);
  rig.options.interval_ms = 60'000;
  fill(rig.assign("in", 0), 5);
  fill(rig.assign("in", 1), 5);
  rig.run_ms(20);
  CHECK(rig.cluster.written.empty());
  rig.engine->stop();
  SECTION("once") {}
  SECTION("twice") {
    rig.engine->stop();
  }
  rig.run_ms(10);
  CHECK(rig.cluster.written.size() == 10);
  CHECK(rig.engine->worker(0).ended());
  CHECK(rig.engine->worker(1).ended());
  CHECK(rig.released("in", 0));
  CHECK(FakeQueue::messages_alive == 0);
}

TEST_CASE("a second stop aborts what is open") {
  Rig rig(identity_graph());
  fill(rig.assign("in", 0), 5);
  rig.run_ms(20);
  rig.engine->stop();
  rig.engine->hasten();
  rig.run_ms(10);
  CHECK(rig.cluster.written.empty());
  CHECK(rig.broker().calls[Call::abort] == 1);
  CHECK(rig.engine->worker(0).ended());
}

TEST_CASE("a stop waits for no healing") {
  Rig rig(identity_graph());
  fill(rig.assign("in", 0), 5);
  rig.run_ms(20);
  SECTION("brokers away") {
    rig.broker().plan(Call::commit, Fault::unknown_outcome, false, 100);
    rig.broker().plan(Call::rebuild, Fault::other, false, 100);
  }
  SECTION("a destination out of order") {
    rig.broker().plan(Call::commit, Fault::destination, false, 100);
    rig.cluster.destinations[0].reachable = false;
  }
  SECTION("no group") {
    rig.cluster.stamp.generation = -1;
  }
  rig.run_ms(1000);
  CHECK(rig.status().state == WorkerState::blocked);
  rig.engine->stop();
  rig.run_ms(500);
  CHECK(rig.engine->worker(0).ended());
  CHECK(rig.cluster.written.empty());
  CHECK(rig.committed("in", 0) == 0);
  rig.engine.reset();
  CHECK(FakeQueue::messages_alive == 0);
}

TEST_CASE("stop before start") {
  Rig rig(identity_graph());
  rig.start();
  rig.engine->stop();
  CHECK(rig.engine->stopped());
  rig.engine->start();
  CHECK(rig.engine->stopped());
  CHECK(rig.engine->join(0));
}

TEST_CASE("real threads start, work and stop") {
  const SystemClock clock;
  FakeCluster cluster;
  DestinationLimits limits;
  limits.partitions = 1;
  cluster.destinations = {limits, limits};
  EngineOptions options;
  options.interval_ms = 20;
  Engine engine(
      first_version(identity_graph(), options), [&](int) { return std::make_unique<FakeBroker>(cluster); }, clock);
  std::vector<AssignedPartition> assigned(1);
  auto queue = std::make_unique<FakeQueue>("in", 0);
  fill(*queue, 100);
  assigned[0].partition = {"in", 0};
  assigned[0].queue = std::move(queue);
  assigned[0].committed = 0;
  cluster.committed[{"in", 0}] = 0;
  engine.assigned(std::move(assigned));
  engine.start();
  const auto enough = [&] { return engine.snapshot().totals.counts.sheet().sent == 100; };
  WakeUp pause;
  for (int i = 0; i < 1000 && !enough(); ++i) (void)pause.wait(10);
  CHECK(enough());
  CHECK(engine.standstill().empty());
  engine.stop();
  REQUIRE(engine.join(5000));
  CHECK(engine.stopped());
  CHECK(cluster.written.size() == 100);
}

TEST_CASE("a new engine goes on where the last one stopped") {
  Rig rig(identity_graph());
  fill(rig.assign("in", 0), 3);
  rig.run_ms(300);
  rig.engine->stop();
  rig.run_ms(10);
  rig.start();
  auto& queue = rig.assign("in", 0);
  queue.add("next");
  rig.run_ms(300);
  CHECK(rig.committed("in", 0) == 4);
  CHECK(rig.cluster.values(0).back() == "next");
}

TEST_CASE("what is written does not depend on the number of workers") {
  const auto run = [](int workers, uint64_t max_records) {
    SpecBuilder builder;
    builder.source("in", {"in"})
        .stage("size", "in", "split", "1 2")
        .stage("good", "size.rest, size.1", "reject_if", "7")
        .destination("out", "good, size.2", "out")
        .destination("by", "size", "by.{port}")
        .dead_letters("dead");
    Rig rig(builder.build(), workers);
    rig.options.max_records = max_records;
    std::vector<FakeQueue*> queues;
    for (int partition = 0; partition < 6; ++partition) queues.push_back(&rig.assign("in", partition));
    for (int i = 0; i < 600; ++i) {
      FakeQueue::Input input;
      input.value = std::to_string(i % 6) + ":" + std::to_string(i);
      input.key = std::to_string(i % 17);
      input.null_key = i % 3 == 0;
      queues[static_cast<size_t>(i % 6)]->add(input);
    }
    rig.run_ms(1000);
    // From one source partition to one destination partition, order counts.
    std::map<std::tuple<uint16_t, int32_t, char>, std::vector<std::string>> ways;
    for (const auto& written : rig.cluster.written) {
      ways[{written.destination, written.partition, written.value[0]}].push_back(written.value);
    }
    const BalanceSheet sheet = rig.totals().counts.sheet();
    CHECK(sheet.read == 600);
    CHECK(sheet.dead > 0);
    return ways;
  };
  const auto one = run(1, 100'000);
  CHECK(run(1, 7) == one);
  CHECK(run(2, 100'000) == one);
  CHECK(run(5, 50) == one);
}

TEST_CASE("too many dead letters stop the pipeline") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("check", "in", "reject_if", "bad").destination("out", "check", "out");
  builder.dead_letters("dead");
  builder.spec().dead_letters.threshold = config::ThresholdSpec{10, 600'000};
  Rig rig(builder.build());
  auto& queue = rig.assign("in", 0);
  fill(queue, 200);
  fill(queue, 20, "bad");
  rig.run_ms(300);
  CHECK_FALSE(rig.engine->end().has_value());
  const std::string state = rig.engine->threshold_state();
  SECTION("at once") {
    fill(queue, 5, "bad");
    rig.run_ms(300);
    REQUIRE(rig.engine->end().has_value());
  }
  SECTION("or after a restart, which remembers") {
    rig.engine->stop();
    rig.run_ms(10);
    rig.start();
    rig.engine->restore_threshold(state);
    fill(rig.assign("in", 0), 5, "bad");
    rig.run_ms(300);
    REQUIRE(rig.engine->end().has_value());
  }
  SECTION("but not when it was long ago") {
    rig.clock.advance_ms(700'000);
    fill(queue, 5, "bad");
    rig.run_ms(300);
    CHECK_FALSE(rig.engine->end().has_value());
    return;
  }
  CHECK(rig.engine->end()->code == ExitCode::stopped_by_policy);
  CHECK(rig.engine->end()->by_threshold);
  CHECK(rig.engine->end()->what.find("and the threshold is 10 %") != std::string::npos);
  // What passed it was committed: it is settled, and the count says so.
  CHECK(rig.committed("in", 0) == 225);
}

TEST_CASE("the snapshot tells what there is to know") {
  Rig rig(identity_graph());
  FakeQueue::Input input;
  input.value = "12345";
  input.key = "k";
  input.null_key = false;
  input.timestamp_ms = 999;
  rig.assign("in", 7).add(input);
  rig.run_ms(300);
  const Snapshot snapshot = rig.engine->snapshot();
  CHECK(snapshot.sources == std::vector<std::string>{"in"});
  REQUIRE(snapshot.destinations.size() == 2);
  CHECK(snapshot.destinations[1].destination == "dead_letters");
  CHECK(snapshot.totals.counts.sources[0].read.bytes == 6);
  CHECK(snapshot.totals.counts.destinations[0].sent.records == 1);
  REQUIRE(snapshot.partitions.size() == 1);
  CHECK(snapshot.partitions[0].committed == 1);
  CHECK(snapshot.partitions[0].last_timestamp_ms == 999);
  CHECK(snapshot.partitions[0].at_end);
  REQUIRE(snapshot.history.size() == 1);
  CHECK(snapshot.history[0].records == 1);
  CHECK(snapshot.totals.phase[static_cast<size_t>(BatchPhase::total)].count() == 1);
  CHECK(snapshot.totals.phase[static_cast<size_t>(BatchPhase::recovery)].count() == 0);
  CHECK(snapshot.ready);
}

TEST_CASE(
    "a batch that overran its tick delays the next: one histogram says how late it began, one how late it ended") {
  Rig rig(identity_graph());
  auto& queue = rig.assign("in", 0);
  rig.run_ms(10);
  fill(queue, 5);
  rig.turn();
  CHECK(rig.broker().open);
  rig.clock.advance_ms(400);  // brokers that stand still: the tick is passed, and records wait
  fill(queue, 5);
  rig.run_ms(1'000);
  fill(queue, 5);  // nothing waits for the third
  rig.run_ms(1'000);
  const Snapshot snapshot = rig.engine->snapshot();
  REQUIRE(snapshot.history.size() == 3);  // the newest first
  const BatchRow& late = snapshot.history[2];
  const BatchRow& delayed = snapshot.history[1];
  CHECK(late.scheduling_seconds == 0);
  CHECK(late.delay_seconds > 0.2);
  CHECK(delayed.scheduling_seconds >= late.delay_seconds);
  CHECK(delayed.delay_seconds < 0.02);
  CHECK(snapshot.history[0].scheduling_seconds == 0);
  const auto us = [](double seconds) { return static_cast<int64_t>(seconds * 1e6); };
  int64_t scheduling_us = 0;
  int64_t total_us = 0;
  for (const BatchRow& row : snapshot.history) {
    scheduling_us += us(row.scheduling_seconds);
    total_us += us(row.delay_seconds);
  }
  CHECK(snapshot.totals.scheduling_delay.count() == 3);
  CHECK(snapshot.totals.scheduling_delay.sum_us() == scheduling_us);
  CHECK(snapshot.totals.scheduling_delay.counts()[0] == 2);  // those that began in time
  CHECK(snapshot.totals.total_delay.count() == 3);
  CHECK(snapshot.totals.total_delay.sum_us() == total_us);
}
