// What the rates let through: the gate by itself, and in a worker.
#include "pipeline/rate_gate.h"

#include <algorithm>

#include "pipeline/rig.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::test;

namespace {

struct Bench {
  explicit Bench(size_t count) : instance(2), partitions(count) {
    options.workers = 2;
    options.interval_ms = 1000;
    options.rate.min_per_partition = 10;
  }

  void begin(double records, const std::vector<int64_t>& waiting) {
    std::vector<PartitionRate*> all;
    for (size_t i = 0; i < partitions.size(); ++i) {
      partitions[i].waiting = waiting[i];
      all.push_back(&partitions[i]);
    }
    gate.begin(records, RateCause::backpressure, all);
  }

  // Reads in turn until nothing more is allowed; what each partition gave.
  std::vector<int64_t> read(std::vector<int64_t> there, int64_t now_ms = 0) {
    std::vector<int64_t> given(partitions.size());
    for (int round = 0; round < 1000; ++round) {
      bool any = false;
      for (size_t i = 0; i < partitions.size(); ++i) {
        const size_t asked = gate.allow(partitions[i], 64, now_ms);
        if (asked == 0) continue;
        const auto count = std::min<int64_t>(static_cast<int64_t>(asked), there[i]);
        gate.took(partitions[i], asked, static_cast<size_t>(count), count < static_cast<int64_t>(asked), now_ms);
        given[i] += count;
        there[i] -= count;
        any = any || count > 0;
      }
      if (!any) break;
    }
    return given;
  }

  EngineOptions options;
  InstanceRate instance;
  RateGate gate{0, options, instance};
  std::vector<PartitionRate> partitions;
};

int64_t sum(const std::vector<int64_t>& all) {
  int64_t total = 0;
  for (const int64_t each : all) total += each;
  return total;
}

}  // namespace

TEST_CASE("a hot partition gets more, and none starves") {
  Bench bench(4);
  const std::vector<int64_t> waiting{1'000'000, 50, 5, 1000};
  bench.begin(500, waiting);
  const auto given = bench.read(waiting);
  CHECK(sum(given) == 500);
  CHECK(given[0] > 400);
  CHECK(given[1] >= 10);
  CHECK(given[2] == 5);
  CHECK(given[3] >= 10);
  CHECK(bench.gate.exhausted());
  CHECK(bench.gate.held_back() == RateCause::backpressure);
}

TEST_CASE("equal partitions get the same, and the bound is kept to the record") {
  Bench bench(3);
  for (const double bound : {1.0, 2.0, 100.0, 999.0}) {
    bench.begin(bound, {5000, 5000, 5000});
    const auto given = bench.read({5000, 5000, 5000});
    CHECK(sum(given) == static_cast<int64_t>(bound));
  }
}

TEST_CASE("what a partition does not use goes to the others") {
  Bench bench(2);
  bench.begin(1000, {500, 500});
  CHECK(sum(bench.read({10, 5000})) == 1000);
  // Nobody knows how much waits.
  bench.begin(1000, {-1, -1});
  CHECK(sum(bench.read({5000, 3})) == 1000);
}

TEST_CASE("even a bound below one record for each partition comes round") {
  Bench bench(5);
  std::vector<int64_t> given(5);
  for (int batch = 0; batch < 50; ++batch) {
    bench.begin(2, {100, 100, 100, 100, 1'000'000});
    const auto now = bench.read({100, 100, 100, 100, 100});
    CHECK(sum(now) <= 2);
    for (size_t i = 0; i < 5; ++i) given[i] += now[i];
  }
  CHECK(*std::min_element(given.begin(), given.end()) >= 8);
  CHECK(sum(given) >= 90);
}

TEST_CASE("the instance's maximum is shared by what waits, and nothing of it is left lying") {
  Bench bench(1);
  bench.options.rate.max = 1000;
  RateGate other(1, bench.options, bench.instance);
  PartitionRate hot;
  hot.waiting = 9000;
  PartitionRate* one = &hot;
  int64_t first = 0;
  int64_t second = 0;
  for (int64_t tick = 0; tick < 20; ++tick) {
    bench.begin(-1, {1000});
    other.begin(-1, RateCause::none, {&one, 1});
    for (int round = 0; round < 40; ++round) {
      const size_t a = bench.gate.allow(bench.partitions[0], 50, tick * 1000);
      bench.gate.took(bench.partitions[0], a, a, false, tick * 1000);
      const size_t b = other.allow(hot, 50, tick * 1000);
      other.took(hot, b, b, false, tick * 1000);
      first += static_cast<int64_t>(a);
      second += static_cast<int64_t>(b);
    }
    CHECK(first + second <= 1000 * (tick + 1));
  }
  CHECK(first + second >= 19'500);
  CHECK(second > 7 * first);
  CHECK(first > 1000);
  CHECK(bench.gate.held_back() == RateCause::max);
}

TEST_CASE("where nothing limits, everything is allowed") {
  Bench bench(1);
  bench.begin(-1, {5});
  CHECK(bench.gate.allow(bench.partitions[0], 1024, 0) == 1024);
  CHECK_FALSE(bench.gate.exhausted());
  CHECK(bench.gate.held_back() == RateCause::none);
}

TEST_CASE("the first batches of a worker are bounded, by default and by rate.initial") {
  Rig rig(identity_graph());
  rig.options.interval_ms = 1000;
  SECTION("by default they need not wait for the tick") {
    auto& queue = rig.assign("in", 0);
    for (int i = 0; i < 60'000; ++i) queue.add("r");
    rig.turn();
    rig.run_ms(10);
    const auto history = rig.engine->snapshot().history;
    REQUIRE(history.size() >= 2);
    CHECK(history.back().records < 20'000);
    CHECK(rig.status().rate.held_back[static_cast<size_t>(RateCause::initial)] >= 1);
    rig.run_ms(3000);
    CHECK(rig.committed("in", 0) == 60'000);
  }
  SECTION("a rate that was asked for is a rate") {
    rig.options.rate.initial = 200;
    auto& queue = rig.assign("in", 0);
    for (int i = 0; i < 5000; ++i) queue.add("r");
    rig.run_ms(1005);
    CHECK(rig.committed("in", 0) == 200);
    CHECK(rig.status().rate.state == RateState::limited);
    rig.run_ms(10'000);
    CHECK(rig.committed("in", 0) == 5000);
    CHECK(rig.status().rate.state == RateState::free);
  }
}

TEST_CASE("rate.max holds over all workers") {
  Rig rig(identity_graph(), 3);
  rig.options.rate.max = 500;
  for (int partition = 0; partition < 6; ++partition) {
    auto& queue = rig.assign("in", partition);
    for (int i = 0; i < 2000; ++i) queue.add("r");
  }
  rig.run_ms(4000);
  CHECK(rig.cluster.written.size() <= 2000);
  CHECK(rig.cluster.written.size() >= 1800);
}

TEST_CASE("a batch that lives on because it has no outputs is not held back for ever") {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("none", "in", "keep_if", "x").destination("out", "none", "out");
  builder.dead_letters("dead");
  Rig rig(builder.build());
  rig.options.rate.initial = 100;
  auto& queue = rig.assign("in", 0);
  for (int i = 0; i < 20'000; ++i) queue.add("r");
  rig.run_ms(8000);
  CHECK(rig.committed("in", 0) == 20'000);
}

TEST_CASE("a worker whose brokers cannot be used is blocked, and goes on as after a start") {
  Rig rig(identity_graph());
  rig.options.rate.initial = 100;
  auto& queue = rig.assign("in", 0);
  for (int i = 0; i < 20; ++i) queue.add("r");
  rig.run_ms(300);
  for (int round = 0; round < 20; ++round) {
    queue.add("r");
    rig.run_ms(100);
  }
  CHECK(rig.status().rate.target_rate == 0);
  rig.cluster.destinations[0].reachable = false;
  rig.run_ms(5000);
  CHECK(rig.status().rate.state == RateState::blocked);
  rig.cluster.destinations[0].reachable = true;
  for (int i = 0; i < 1000; ++i) queue.add("r");
  const int64_t before = rig.committed("in", 0);
  rig.run_ms(15'000);
  const auto history = rig.engine->snapshot().history;
  CHECK(rig.committed("in", 0) == before + 1000);
  CHECK(history.size() >= 4);  // in batches that grow, not in one
}

TEST_CASE("with a longer interval a worker that asks no more keeps nothing back") {
  InstanceRate rate(2);
  CHECK(rate.take(0, 50, 1, 100, {100'000, 100}) == 50);
  CHECK(rate.take(1, 50, 1, 100, {100'000, 100}) == 50);
  CHECK(rate.take(0, 5000, 1, 1000, {102'000, 1000}) == 1000);
}

TEST_CASE("what is given back late, from the tick before, makes no new tick of it") {
  InstanceRate rate(2);
  CHECK(rate.take(0, 100, 1, 100, {1000, 100}) == 100);
  CHECK(rate.take(1, 100, 1, 100, {1100, 100}) == 50);  // the other half is the first worker's
  CHECK(rate.take(0, -10, 1, 100, {1000, 100}) == -10);
  CHECK(rate.take(0, 100, 1, 100, {1100, 100}) == 60);
  CHECK(rate.take(1, 100, 1, 100, {1100, 100}) == 0);
}

TEST_CASE("workers that are on two intervals, while a reload goes round, do not double rate.max in turn") {
  InstanceRate rate(2);
  double all = 0;
  for (int64_t now = 10'000; now < 12'000; now += 100) {
    all += rate.take(0, 1000, 1, 1000, {now - now % 1000, 1000});
    all += rate.take(1, 1000, 1, 500, {now - now % 500, 500});
  }
  CHECK(all <= 3000);  // of 2,000; with each turn a new tick it was tens of thousands
}
