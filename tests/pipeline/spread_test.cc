// Spread over partitions and hot keys: the sketch, the sampling, the window, and the way of a worker's batches into the
// snapshot.
#include "pipeline/spread.h"

#include <cmath>
#include <map>
#include <random>

#include "pipeline/rig.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::test;

namespace {

const SpreadStatus& spread_of(const Snapshot& snapshot, bool source, const std::string& topic) {
  for (const SpreadStatus& each : snapshot.spread) {
    if (each.node.source == source && each.node.topic == topic) return each;
  }
  FAIL("no spread of " << topic);
  throw std::logic_error("unreachable");
}

void add_keys(FakeQueue& queue, int count, const std::string& key, int64_t distinct = 1) {
  for (int i = 0; i < count; ++i) {
    queue.add({"v", distinct == 1 ? key : key + std::to_string(i % distinct), false, false, 1000, {}});
  }
}

}  // namespace

TEST_CASE("the sketch keeps what is frequent, whatever passes by") {
  KeySketch sketch;
  std::mt19937_64 random(7);
  std::map<uint64_t, uint64_t> truth;
  for (int i = 0; i < 100'000; ++i) {
    // One key in five is 1, one in ten is 2, the rest is one of a million.
    const uint64_t dice = random() % 10;
    const uint64_t hash = dice < 2 ? 1 : dice == 2 ? 2 : 3 + random() % 1'000'000;
    ++truth[hash];
    sketch.add({hash, 1, 0, 0, {}});
  }
  CHECK(sketch.weight() == 100'000);
  CHECK(sketch.counters().size() == KeySketch::kCounters);
  size_t found = 0;
  for (const KeySketch::Counter& counter : sketch.counters()) {
    CHECK(counter.weight >= truth[counter.hash]);
    CHECK(counter.weight - counter.error <= truth[counter.hash]);
    if (counter.hash != 1 && counter.hash != 2) continue;
    ++found;
    CHECK(static_cast<double>(counter.weight - counter.error) > 0.95 * static_cast<double>(truth[counter.hash]));
  }
  CHECK(found == 2);
}

TEST_CASE("a sample stands for all, also of a stream with a period") {
  KeySampling sampling;
  std::map<int, uint64_t> weight;
  uint64_t all = 0;
  for (int batch = 0; batch < 32; ++batch) {
    sampling.restart();
    for (int i = 0; i < 10'000; ++i) {
      const uint32_t of_this = sampling.weight();
      weight[i % 16] += of_this;
      all += of_this;
    }
  }
  CHECK(static_cast<double>(all) == Approx(320'000).epsilon(0.03));
  for (const auto& [key, sum] : weight) CHECK(static_cast<double>(sum) == Approx(20'000).epsilon(0.2));
}

TEST_CASE("a large batch has few samples more than a small one, and small ones are looked at whole") {
  KeySampling sampling;
  size_t samples = 0;
  for (uint32_t i = 0; i < 100'000; ++i) {
    const uint32_t weight = sampling.weight();
    samples += weight > 0 ? 1 : 0;
    if (i < KeySampling::kAll) CHECK(weight == 1);
  }
  CHECK(static_cast<double>(samples) ==
        Approx(KeySampling::kAll * (1 + std::log(100'000.0 / KeySampling::kAll))).epsilon(0.1));
}

TEST_CASE("one batch of any size tells a hot key from others") {
  KeySampling sampling;
  for (const int records : {1000, 10'000, 100'000}) {
    sampling.restart();
    uint64_t hot = 0;
    uint64_t all = 0;
    for (int i = 0; i < records; ++i) {
      const uint32_t weight = sampling.weight();
      all += weight;
      if (i % 3 == 0) hot += weight;
    }
    CHECK(static_cast<double>(hot) / static_cast<double>(all) == Approx(1.0 / 3).margin(0.1));
  }
}

TEST_CASE("the spread of a source and a destination is that of the last minute") {
  Rig rig(identity_graph());
  rig.cluster.destinations.resize(2);
  for (auto& destination : rig.cluster.destinations) destination.partitions = 4;
  auto& first = rig.assign("in", 0);
  auto& second = rig.assign("in", 1);
  add_keys(first, 3000, "hot");
  add_keys(second, 1000, "key-", 1000);
  rig.run_ms(2000);

  SECTION("who has how much, and which key it is") {
    const Snapshot snapshot = rig.engine->snapshot();
    const SpreadStatus& source = spread_of(snapshot, true, "in");
    CHECK(source.records == 4000);
    CHECK(source.partitions == 2);
    CHECK(source.largest_partition == 0);
    CHECK(source.largest_share == Approx(0.75));
    CHECK(source.max_over_mean == Approx(1.5));
    REQUIRE(!source.hot_keys.empty());
    CHECK(source.hot_keys[0].share == Approx(0.75).epsilon(0.1));
    CHECK(source.hot_keys[0].place == TopicPartition{"in", 0});
    CHECK(source.hot_keys[0].offset < 3000);

    const SpreadStatus& destination = spread_of(snapshot, false, "out");
    CHECK(destination.records == 4000);
    CHECK(destination.partitions == 4);
    CHECK(destination.largest_share > 0.75);
    CHECK(destination.max_over_mean == Approx(4 * destination.largest_share));
    REQUIRE(!destination.hot_keys.empty());
    CHECK(destination.hot_keys[0].share == Approx(0.75).epsilon(0.1));
    CHECK(destination.hot_keys[0].partition == destination.largest_partition);
    CHECK(destination.hot_keys[0].place == TopicPartition{"in", 0});
    // Nothing went there, and that is said too.
    CHECK(spread_of(snapshot, false, "dead").records == 0);
    CHECK(spread_of(snapshot, false, "dead").max_over_mean == 0);
  }
  SECTION("what is older than a minute does not count") {
    rig.run_ms(30'000);
    CHECK(spread_of(rig.engine->snapshot(), false, "out").records == 4000);
    add_keys(second, 100, "key-", 100);
    rig.run_ms(40'000);
    CHECK(spread_of(rig.engine->snapshot(), false, "out").records == 100);
    CHECK(spread_of(rig.engine->snapshot(), true, "in").max_over_mean == Approx(2));
  }
}

TEST_CASE("a batch that is sent again counts once") {
  Rig rig(identity_graph());
  rig.cluster.destinations.resize(2);
  for (auto& destination : rig.cluster.destinations) destination.partitions = 4;
  rig.start();
  rig.broker().plan(Call::commit, Fault::unknown_outcome);
  add_keys(rig.assign("in", 0), 500, "key-", 500);
  rig.run_ms(20'000);
  REQUIRE(rig.totals().replayed_batches == 1);
  CHECK(spread_of(rig.engine->snapshot(), false, "out").records == 500);
}

TEST_CASE("errors of writing are counted by topic and kind") {
  Rig rig(identity_graph());
  rig.start();
  rig.broker().plan(Call::send, Fault::destination, false, 2, 0);
  add_keys(rig.assign("in", 0), 5, "k");
  rig.run_ms(20'000);
  const EngineTotals totals = rig.totals();
  REQUIRE(totals.destination_errors.count("out") == 1);
  CHECK(totals.destination_errors.at("out")[static_cast<size_t>(Fault::destination)] == 2);
  CHECK(totals.counts.destinations[0].sent.records == 5);
}
