// Changing the configuration of a running engine: between two batches, each batch by one version, and the numbers go
// on.
#include <set>

#include "pipeline/rig.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::test;

namespace {

// "in" through keep_if `word` to `topic`; dead letters in "dead".
std::shared_ptr<const Graph> filtered(const std::string& stage, const std::string& word, const std::string& topic,
                                      const std::string& hash) {
  SpecBuilder builder;
  builder.source("in", {"in"}).stage(stage, "in", "keep_if", word).destination("to", stage, topic).dead_letters("dead");
  builder.spec().config_hash = hash;
  auto graph = builder.build();
  INFO(builder.errors);
  REQUIRE(graph != nullptr);
  return graph;
}

// An engine on `filtered("first", "a", "one")` with a third topic at the broker for what comes later.
struct Changing {
  Changing() : rig(filtered("first", "a", "one", "aaaa")) {
    rig.cluster.destinations.push_back(rig.cluster.destinations[0]);
    queue = &rig.assign("in", 0);
    rig.run_ms(5);  // its producer is up
  }
  void add(const std::vector<std::string>& values) {
    for (const auto& value : values) queue->add(value);
  }
  // The engine anew, at least once.
  void start_at_least_once() {
    rig.options.delivery = Delivery::at_least_once;
    rig.start();
    queue = &rig.assign("in", 1);
    rig.run_ms(5);
  }
  // A batch of a1 and b1, begun when all was well, is held by its destination.
  void hold_a_batch() {
    add({"a1", "b1"});
    rig.turn();
    rig.broker().plan(Call::commit, Fault::destination, false, 1, 0);
    rig.cluster.destinations[0].reachable = false;
    rig.cluster.destinations[0].state = "topic one: no right to write";
    rig.run_ms(2000);
  }
  Rig rig;
  FakeQueue* queue = nullptr;
  const std::vector<uint16_t> places = {2, 1};  // "two" at the third place, the dead letters where they were
};

using Values = std::vector<std::string>;

}  // namespace

TEST_CASE("a graph changes between two batches, and the row says which version a batch was of") {
  Changing it;
  it.add({"a1", "b1"});
  it.rig.run_ms(150);
  it.rig.adopt(filtered("second", "b", "two", "bbbb"), it.places);
  it.add({"a2", "b2"});
  it.rig.run_ms(150);
  CHECK(it.rig.cluster.values(0) == Values{"a1"});
  CHECK(it.rig.cluster.values(2) == Values{"b2"});
  const auto rows = it.rig.engine->snapshot().history;
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].version == 1);
  CHECK(rows[1].config_hash == "aaaa");
  CHECK(rows[0].version == 2);
  CHECK(rows[0].config_hash == "bbbb");
  CHECK(it.rig.broker().prepared == 1);
  CHECK(it.rig.engine->behind().empty());
}

TEST_CASE("the open batch is closed for a version that waits, not at its tick") {
  Changing it;
  it.add({"a1"});
  it.rig.turn();
  REQUIRE(it.rig.cluster.values(0).empty());
  it.rig.adopt(filtered("second", "b", "two", "bbbb"), it.places);
  CHECK(it.rig.engine->behind().size() == 1);
  it.add({"b2"});
  for (int i = 0; i < 4; ++i) it.rig.turn();  // without the clock
  CHECK(it.rig.cluster.values(0) == Values{"a1"});
  CHECK(it.rig.engine->behind().empty());
}

TEST_CASE("of several versions in a row the last one runs") {
  Changing it;
  it.add({"a1"});
  it.rig.turn();
  it.rig.adopt(filtered("second", "x", "two", "bbbb"), it.places);
  it.rig.adopt(filtered("third", "y", "two", "cccc"), it.places);
  it.rig.adopt(filtered("fourth", "b", "two", "dddd"), it.places);
  it.rig.run_ms(20);
  it.add({"a2", "b2"});
  it.rig.run_ms(150);
  CHECK(it.rig.cluster.values(2) == Values{"b2"});
  CHECK(it.rig.status().version == 4);
  CHECK(it.rig.broker().prepared == 1);
}

TEST_CASE("numbers outlive the graph: what is gone keeps its last ones, and the sheet closes") {
  Changing it;
  it.add({"a1", "b1", "c1"});
  it.rig.run_ms(150);
  it.rig.adopt(filtered("second", "b", "two", "bbbb"), it.places);
  it.add({"a2", "b2"});
  it.rig.run_ms(150);
  it.rig.adopt(filtered("first", "c", "one", "cccc"));
  it.add({"a3", "b3", "c3"});
  it.rig.run_ms(150);
  const Snapshot snapshot = it.rig.engine->snapshot();
  const Counts& counts = snapshot.totals.counts;
  REQUIRE(snapshot.stages.size() == 2);
  CHECK(snapshot.stages[0].name == "first");
  CHECK_FALSE(snapshot.stages[0].gone);
  CHECK(counts.stages[0].in.records == 6);
  CHECK(snapshot.stages[1].name == "second");
  CHECK(snapshot.stages[1].gone);
  CHECK(counts.stages[1].in.records == 2);
  CHECK(counts.stages[1].ports[0].records == 1);
  REQUIRE(snapshot.destinations.size() == 3);
  CHECK(snapshot.destinations[0].topic == "one");
  CHECK(snapshot.destinations[0].usable);
  CHECK(snapshot.destinations[1].topic == "two");
  CHECK(snapshot.destinations[1].gone);
  CHECK(snapshot.destinations[2].destination == "dead_letters");
  CHECK(counts.destinations[0].sent.records == 2);
  CHECK(counts.destinations[1].sent.records == 1);
  CHECK(counts.sheet().read == 8);
  CHECK(counts.sheet().closes());
  CHECK(snapshot.totals.sheets_open == 0);
  CHECK(snapshot.ready);
}

TEST_CASE("a batch that a destination holds goes on, all of it, with the version that mends it") {
  Changing it;
  it.hold_a_batch();
  REQUIRE(it.rig.status().state == WorkerState::blocked);
  REQUIRE(it.rig.cluster.written.empty());
  SECTION("exactly once") {
    it.rig.adopt(filtered("second", "b", "two", "bbbb"), it.places);
    it.rig.run_ms(200);
    CHECK(it.rig.cluster.values(0).empty());
    CHECK(it.rig.cluster.values(2) == Values{"b1"});
    CHECK(it.rig.committed("in", 0) == 2);
    const auto rows = it.rig.engine->snapshot().history;
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].config_hash == "bbbb");
    CHECK(rows[0].recoveries == 1);
  }
  SECTION("without a new version it waits") {
    it.rig.run_ms(5000);
    CHECK(it.rig.cluster.written.empty());
  }
}

TEST_CASE("at least once, a held batch keeps its version: parts of it may be there already") {
  Changing it;
  it.start_at_least_once();
  it.hold_a_batch();
  it.rig.adopt(filtered("second", "b", "two", "bbbb"), it.places);
  it.rig.run_ms(2000);
  CHECK(it.rig.engine->behind().size() == 1);
  it.rig.cluster.destinations[0].reachable = true;
  it.rig.run_ms(20'000);
  CHECK(it.rig.cluster.values(0) == Values{"a1"});
  CHECK(it.rig.cluster.values(2).empty());
  CHECK(it.rig.engine->behind().empty());
}

TEST_CASE("of the versions that come while a worker may not change, only the last one is kept") {
  Changing it;
  it.start_at_least_once();
  auto graph = filtered("first", "a", "one", "aaaa");
  const std::weak_ptr<const Graph> runs = graph;
  it.rig.adopt(std::move(graph), {0, 1});
  it.rig.run_ms(5);
  it.hold_a_batch();
  std::vector<std::weak_ptr<const Graph>> given;
  for (const char* hash : {"1111", "2222", "3333", "4444"}) {
    auto next = filtered("second", "b", "two", hash);
    given.emplace_back(next);
    it.rig.adopt(std::move(next), it.places);
    it.rig.run_ms(100);
    REQUIRE(it.rig.engine->behind().size() == 1);
    CHECK_FALSE(runs.expired());
    CHECK_FALSE(given.back().expired());
    for (size_t i = 0; i + 1 < given.size(); ++i) CHECK(given[i].expired());
  }
  it.rig.cluster.destinations[0].reachable = true;
  it.rig.run_ms(20'000);
  CHECK(it.rig.engine->behind().empty());
  CHECK(runs.expired());
  CHECK_FALSE(given.back().expired());
  CHECK(it.rig.cluster.values(0) == Values{"a1"});
}

TEST_CASE("what a discarded producer may still read outlives the version that made it") {
  auto graph = filtered("first", "a", "one", "aaaa");
  const std::weak_ptr<const Graph> before = graph;
  Rig rig(filtered("first", "a", "one", "0000"));
  rig.cluster.destinations.push_back(rig.cluster.destinations[0]);
  auto& queue = rig.assign("in", 0);
  rig.run_ms(5);
  rig.adopt(std::move(graph));
  rig.run_ms(5);
  queue.add("a1");
  rig.turn();  // begun when all was well
  rig.broker().plan(Call::commit, Fault::destination, false, 1, 0);
  rig.cluster.destinations[0].reachable = false;
  rig.broker().pending_destroy = true;
  rig.run_ms(2000);
  REQUIRE(rig.status().state == WorkerState::blocked);
  rig.adopt(filtered("second", "a", "two", "bbbb"), {2, 1});
  rig.run_ms(1000);
  REQUIRE(rig.engine->behind().empty());
  REQUIRE(rig.cluster.values(2) == Values{"a1"});
  CHECK_FALSE(before.expired());
  rig.broker().pending_destroy = false;
  rig.run_ms(1000);
  CHECK(before.expired());
}

TEST_CASE("a producer that does not fit the new version is made anew before the next batch") {
  Changing it;
  it.add({"a1"});
  it.rig.run_ms(150);
  it.rig.broker().wants_rebuild = true;
  it.rig.adopt(filtered("second", "b", "two", "bbbb"), it.places);
  it.rig.run_ms(50);
  CHECK(it.rig.broker().calls[Call::rebuild] == 0);
  it.add({"b2"});
  it.rig.run_ms(150);
  CHECK(it.rig.broker().calls[Call::rebuild] == 1);
  CHECK(it.rig.cluster.values(2) == Values{"b2"});
}

TEST_CASE("the numbers of a version are taken with it") {
  Changing it;
  it.rig.options.max_records = 2;
  it.rig.adopt(filtered("first", "a", "one", "bbbb"));
  it.rig.turn();
  it.add({"a1", "a2", "a3", "a4", "a5"});
  it.rig.run_ms(150);
  CHECK(it.rig.results(BatchResult::committed) == 3);
}

TEST_CASE("of many graphs only so many keep numbers of their own") {
  NodeNames names = {{"in"}, {{"s0", "filter", {""}, false}}, {{"d", "t0", false}}};
  Counts counts = shape_of(names);
  for (size_t i = 1; i <= kGoneMax + 50; ++i) {
    counts.sources[0].read.records += 2;
    counts.sources[0].out += 2;
    counts.stages[0].in.records += 2;
    counts.stages[0].filtered += 1;
    counts.stages[0].out += 1;
    counts.destinations[0].in += 1;
    counts.destinations[0].sent.records += 1;
    REQUIRE(counts.imbalance().empty());
    const std::string number = std::to_string(i);
    reshape(names, counts, {{"in"}, {{"s" + number, "filter", {""}, false}}, {{"d", "t" + number, false}}});
  }
  CHECK(names.stages.size() == kGoneMax + 1);
  CHECK(names.stages.back().name == kEarlier);
  CHECK(names.destinations.back().destination == kEarlier);
  CHECK(counts.imbalance().empty());
  CHECK(counts.sheet().read == 2 * (kGoneMax + 50));
}

TEST_CASE("ports of a stage count by name") {
  NodeNames names = {{}, {{"s", "classify", {"a", "b"}, false}}, {}};
  Counts counts = shape_of(names);
  counts.stages[0].ports[0].records = 1;
  counts.stages[0].ports[1].records = 2;
  reshape(names, counts, {{}, {{"s", "classify", {"b", "c"}, false}}, {}});
  CHECK(names.stages[0].ports == Values{"b", "c", "a"});
  CHECK(counts.stages[0].ports[0].records == 2);
  CHECK(counts.stages[0].ports[1].records == 0);
  CHECK(counts.stages[0].ports[2].records == 1);
}

TEST_CASE("workers on threads of their own change over under load, and take chunks of each other meanwhile") {
  constexpr int kWorkers = 3;
  constexpr size_t kRecords = 20'000;
  constexpr uint64_t kVersions = 40;
  const SystemClock clock;
  std::vector<FakeCluster> clusters(kWorkers);  // of each its own: they are for one thread
  EngineOptions options;
  options.workers = kWorkers;
  options.interval_ms = 20;
  options.max_records = 700;
  options.share_from_ns = 0;
  options.rate.backpressure.enabled = false;  // a machine with much else to do is not to be spared here
  const std::vector<std::shared_ptr<const Graph>> graphs = {filtered("even", "r", "one", "aaaa"),
                                                            filtered("odd", "r", "two", "bbbb")};
  DestinationLimits limits;
  limits.partitions = 1;
  for (FakeCluster& cluster : clusters) cluster.destinations = {limits, limits, limits};
  Engine engine(
      first_version(graphs[0], options),
      [&](int worker) { return std::make_unique<FakeBroker>(clusters[static_cast<size_t>(worker)]); }, clock);
  std::vector<AssignedPartition> assigned(kWorkers);
  for (int32_t i = 0; i < kWorkers; ++i) {
    auto queue = std::make_unique<FakeQueue>("in", i);
    // Of one worker only: the fake counts its messages in a plain number.
    for (size_t n = 0; i == 0 && n < kRecords; ++n) queue->add("r" + std::to_string(n));
    AssignedPartition& partition = assigned[static_cast<size_t>(i)];
    partition.partition = {"in", i};
    partition.queue = std::move(queue);
    partition.committed = 0;
    for (FakeCluster& cluster : clusters) cluster.committed[partition.partition] = 0;
  }
  engine.assigned(std::move(assigned));
  engine.start();
  WakeUp pause;
  const int64_t until_ms = clock.mono_ms() + 60'000;
  for (uint64_t number = 2; number <= kVersions; ++number) {
    auto version = std::make_shared<Version>();
    version->number = number;
    version->graph = graphs[number % 2];
    version->options = options;
    version->destinations = number % 2 == 0 ? std::vector<uint16_t>{0, 1} : std::vector<uint16_t>{2, 1};
    engine.adopt(std::move(version));
    // Some come before the one before them is everywhere.
    while (number % 3 == 0 && !engine.behind().empty() && clock.mono_ms() < until_ms) (void)pause.wait(1);
  }
  const auto sent = [&] { return engine.snapshot().totals.counts.sheet().sent; };
  while ((sent() < kRecords || !engine.behind().empty()) && clock.mono_ms() < until_ms) (void)pause.wait(5);
  CHECK(engine.behind().empty());
  const Snapshot last = engine.snapshot();
  engine.stop();
  REQUIRE(engine.join(10'000));
  CHECK(last.totals.counts.sheet().read == kRecords);
  CHECK(last.totals.counts.sheet().closes());
  CHECK(last.totals.sheets_open == 0);
  // All of them once, in the order of their partition.
  REQUIRE(clusters[0].written.size() == kRecords);
  std::set<uint16_t> topics;
  for (size_t n = 0; n < kRecords; ++n) {
    REQUIRE(clusters[0].written[n].value == "r" + std::to_string(n));
    topics.insert(clusters[0].written[n].destination);
  }
  CHECK(topics == std::set<uint16_t>{0, 2});
}
