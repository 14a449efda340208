// Chunks that idle workers take through the graph: what is written, its order and its counts are those of one worker,
// whatever the graph, the chunks, the recoveries and the changes of version in between.
#include <fmt/format.h>

#include <random>

#include "base/log.h"
#include "pipeline/chunk_share.h"
#include "pipeline/rig.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::test;

namespace {

using Random = std::mt19937_64;

int number(Random& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

// A graph of some stages over "in"; every record goes to the topic all<mark> too, so that it shows which graph it met.
struct RandomGraph {
  std::shared_ptr<const Graph> graph;  // shared with the engines that run it
  std::vector<uint16_t> places;        // of its topics at the broker
};

std::string pick(Random& random, const std::vector<std::string>& from) {
  return from[static_cast<size_t>(number(random, 0, static_cast<int>(from.size()) - 1))];
}

std::string some_inputs(Random& random, const std::vector<std::string>& outputs) {
  const std::string one = pick(random, outputs);
  const std::string two = pick(random, outputs);
  return one == two || number(random, 0, 2) > 0 ? one : one + ", " + two;
}

RandomGraph make_graph(Random& random, const std::string& mark, uint16_t first_place) {
  const std::vector<config::OnError> policies = {config::OnError::dead_letter, config::OnError::drop,
                                                 config::OnError::keep};
  SpecBuilder builder;
  builder.spec().config_hash = mark;
  builder.source("in", {"in"}).dead_letters("dead" + mark);
  builder.destination("all" + mark, "in", "all" + mark);
  std::vector<std::string> outputs = {"in"};
  const int stages = number(random, 1, 5);
  for (int i = 0; i < stages; ++i) {
    const std::string name = fmt::format("s{}{}", i, mark);
    const std::string from = some_inputs(random, outputs);
    const std::string digit = std::to_string(number(random, 0, 9));
    switch (number(random, 0, 2)) {
      case 0:
        builder.stage(name, from, "keep_if", digit);
        outputs.push_back(name);
        break;
      case 1:
        builder.stage(name, from, "reject_if", digit, policies[static_cast<size_t>(number(random, 0, 2))]);
        outputs.push_back(name);
        break;
      default:
        builder.stage(name, from, "split", digit + " a");
        for (const char* port : {"a", "rest"}) outputs.push_back(name + "." + port);
    }
    // Somebody reads each of them.
    builder.destination("d" + name, outputs.back(), "t" + name);
    if (number(random, 0, 1) == 0) builder.partition("source");
  }
  builder.destination("union" + mark, some_inputs(random, outputs), "u" + mark);
  RandomGraph made;
  made.graph = builder.build();
  INFO(builder.errors);
  REQUIRE(made.graph != nullptr);
  for (size_t i = 0; i < made.graph->topics().size(); ++i) {
    made.places.push_back(static_cast<uint16_t>(first_place + i));
  }
  return made;
}

struct Scene {
  explicit Scene(uint64_t seed) {
    Random random(seed);
    first = make_graph(random, "A", 0);
    second = make_graph(random, "B", static_cast<uint16_t>(first.places.size()));
    records = std::vector<int>(static_cast<size_t>(number(random, 1, 2)));
    for (int& count : records) count = number(random, 200, 1200);
  }
  // Record `i` of a partition.
  static FakeQueue::Input record(size_t partition, int i) {
    FakeQueue::Input input;
    input.value = fmt::format("{}:{}{}", partition, i, i % 3 == 0 ? " a" : "");
    input.null_key = i % 4 == 0;
    input.key = std::to_string(i % 7);
    input.headers = {{"place", fmt::format("{}", partition)}};
    return input;
  }
  [[nodiscard]] uint16_t all_of_first() const {
    for (size_t i = 0; i < first.places.size(); ++i) {
      if (first.graph->topics()[i].topic == "allA") return first.places[i];
    }
    return 0;
  }

  RandomGraph first;
  RandomGraph second;
  std::vector<int> records;  // by partition
};

void start(Rig& rig, const Scene& scene) {
  DestinationLimits limits;
  limits.partitions = 3;
  rig.cluster.destinations.assign(scene.first.places.size() + scene.second.places.size(), limits);
  rig.start();
}

std::vector<FakeQueue*> assign(Rig& rig, const Scene& scene) {
  std::vector<FakeQueue*> queues;
  for (size_t i = 0; i < scene.records.size(); ++i) queues.push_back(&rig.assign("in", static_cast<int32_t>(i)));
  return queues;
}

bool all_read(const Rig& rig, const std::vector<int>& counts) {
  for (size_t i = 0; i < counts.size(); ++i) {
    if (rig.committed("in", static_cast<int32_t>(i)) != counts[i]) return false;
  }
  return true;
}

// What was written, by destination, its partition and the source partition, each in order; and what was counted.
using Outcome = std::map<std::string, std::vector<std::string>>;

std::string text_of(const PolicyCounts& policy) {
  uint64_t kept = 0;
  for (const uint64_t count : policy.kept) kept += count;
  return fmt::format("dead {} dropped {} kept {}", policy.dead_total(), policy.dropped_total(), kept);
}

Outcome outcome_of(const Rig& rig) {
  Outcome outcome;
  for (const Written& written : rig.cluster.written) {
    std::string text = fmt::format("{} = {}", written.null_key ? "-" : written.key, written.value);
    for (const auto& [name, value] : written.headers) text += fmt::format(", {}: {}", name, value);
    const std::string from = written.value.substr(0, written.value.find(':'));
    outcome[fmt::format("{}/{} from {}", written.destination, written.partition, from)].push_back(std::move(text));
  }
  const EngineTotals totals = rig.totals();
  for (size_t i = 0; i < totals.counts.stages.size(); ++i) {
    const StageTotals& stage = totals.counts.stages[i];
    std::string text = fmt::format("in {} {} out {} filtered {} unmatched {} {}", stage.in.records, stage.in.bytes,
                                   stage.out, stage.filtered, stage.unmatched, text_of(stage.policy));
    for (const Tally& port : stage.ports) text += fmt::format(" port {} {}", port.records, port.bytes);
    outcome["counts of " + totals.names.stages[i].name] = {text};
  }
  for (size_t i = 0; i < totals.counts.destinations.size() && i < totals.names.destinations.size(); ++i) {
    const DestinationCounts& destination = totals.counts.destinations[i];
    outcome["counts of " + totals.names.destinations[i].topic] = {
        fmt::format("in {} sent {} {} {}", destination.in, destination.sent.records, destination.sent.bytes,
                    text_of(destination.policy))};
  }
  outcome["sheet"] = {totals.counts.sheet().text()};
  return outcome;
}

void plan_trouble(Random& random, FakeBroker& broker) {
  switch (number(random, 0, 5)) {
    case 0:
      broker.plan(Call::commit, Fault::unknown_outcome, number(random, 0, 1) == 1);
      break;
    case 1:
      broker.plan(Call::send, Fault::other);
      break;
    case 2:
      broker.plan(Call::send, Fault::queue_full, false, number(random, 1, 5));
      break;
    case 3:
      broker.plan(Call::poll, Fault::unknown_outcome);
      break;
    case 4:
      broker.pending_destroy = !broker.pending_destroy;
      break;
    default:
      broker.plan(Call::send_offsets, Fault::generation);
  }
}

struct Shared {
  Outcome outcome;
  std::vector<int> of_first;  // records of each partition that the first graph met
  uint64_t helped = 0;
  uint64_t recoveries = 0;
};

// Three workers in any order, one or two of them with a partition; trouble at the brokers, and another graph somewhere.
Shared run_shared(const Scene& scene, uint64_t seed) {
  Random random(seed * 31);
  Rig rig(scene.first.graph, 3);
  rig.options.share_from_ns = 0;
  rig.options.max_records = static_cast<uint64_t>(number(random, 40, 900));
  start(rig, scene);
  const auto queues = assign(rig, scene);
  std::vector<int> added(scene.records.size());
  const int adopt_at = number(random, 5, 120);
  int64_t now_ms = 0;
  constexpr int kTurnsMax = 100'000;
  constexpr int kTroubleTurns = 300;
  for (int turn = 0; turn < kTurnsMax && (turn <= adopt_at || !all_read(rig, scene.records)); ++turn) {
    for (size_t i = 0; i < queues.size(); ++i) {
      if (added[i] == scene.records[i] || number(random, 0, 3) > 0) continue;
      const int until = std::min(scene.records[i], added[i] + number(random, 1, 60));
      while (added[i] < until) queues[i]->add(Scene::record(i, added[i]++));
    }
    if (turn == adopt_at) rig.adopt(scene.second.graph, scene.second.places);
    const auto worker = static_cast<size_t>(number(random, 0, 2));
    if (turn < kTroubleTurns && number(random, 0, 15) == 0) plan_trouble(random, rig.broker(worker));
    rig.engine->worker(worker).step(true);
    if (number(random, 0, 4) == 0) rig.clock.advance_ms(number(random, 1, 30));
    now_ms = rig.clock.mono_ms();
  }
  INFO("after " << now_ms << " ms");
  REQUIRE(all_read(rig, scene.records));
  // A commit whose answer was lost is there before it is settled.
  rig.run_ms(3000);
  Shared shared;
  shared.of_first = std::vector<int>(scene.records.size());
  for (const Written& written : rig.cluster.written) {
    if (written.destination == scene.all_of_first()) ++shared.of_first[static_cast<size_t>(written.value[0] - '0')];
  }
  shared.outcome = outcome_of(rig);
  for (size_t i = 0; i < 3; ++i) shared.helped += rig.status(i).helped_chunks;
  for (const uint64_t count : rig.totals().recoveries) shared.recoveries += count;
  return shared;
}

// One worker, nothing shared, no trouble; the first graph meets as many records of each partition.
Outcome run_alone(const Scene& scene, const std::vector<int>& of_first) {
  Rig rig(scene.first.graph, 1);
  rig.options.share_chunks = false;
  start(rig, scene);
  const auto queues = assign(rig, scene);
  const auto run_until = [&](const std::vector<int>& counts) {
    for (int i = 0; i < 1000 && !all_read(rig, counts); ++i) rig.run_ms(50);
    REQUIRE(all_read(rig, counts));
  };
  for (size_t i = 0; i < queues.size(); ++i) {
    for (int at = 0; at < of_first[i]; ++at) queues[i]->add(Scene::record(i, at));
  }
  run_until(of_first);
  rig.adopt(scene.second.graph, scene.second.places);
  rig.run_ms(50);
  for (size_t i = 0; i < queues.size(); ++i) {
    for (int at = of_first[i]; at < scene.records[i]; ++at) queues[i]->add(Scene::record(i, at));
  }
  run_until(scene.records);
  return outcome_of(rig);
}

}  // namespace

TEST_CASE("shared chunks write and count what one worker would, through recoveries and another version") {
  log_setup({LogLevel::error, LogFormat::text, false});
  constexpr uint64_t kSeeds = 80;
  uint64_t helped = 0;
  uint64_t recoveries = 0;
  uint64_t both = 0;  // seeds in which both graphs had records of one partition
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    INFO("seed " << seed);
    const Scene scene(seed);
    const Shared shared = run_shared(scene, seed);
    const Outcome alone = run_alone(scene, shared.of_first);
    for (const auto& [what, wanted] : alone) {
      INFO(what);
      const auto found = shared.outcome.find(what);
      REQUIRE(found != shared.outcome.end());
      REQUIRE(found->second == wanted);
    }
    REQUIRE(shared.outcome.size() == alone.size());
    helped += shared.helped;
    recoveries += shared.recoveries;
    for (size_t i = 0; i < scene.records.size(); ++i) {
      both += shared.of_first[i] > 0 && shared.of_first[i] < scene.records[i] ? 1 : 0;
    }
    REQUIRE(FakeQueue::messages_alive == 0);
  }
  CHECK(helped >= 5 * kSeeds);
  CHECK(recoveries >= kSeeds);
  CHECK(both >= kSeeds / 2);
}

TEST_CASE("on threads, a partition's records come out in order whoever took them through the graph") {
  log_setup({LogLevel::error, LogFormat::text, false});
  SpecBuilder builder;
  builder.source("in", {"in"})
      .stage("busy", "in", "compute", "200")
      .stage("odd", "busy", "reject_if", "7")
      .destination("out", "odd", "out")
      .dead_letters("dead");
  const std::shared_ptr<const Graph> graph = builder.build();  // shared with the engine
  REQUIRE(graph != nullptr);
  constexpr int kRecords = 6000;
  FakeCluster cluster;
  cluster.destinations.resize(2);
  for (DestinationLimits& limits : cluster.destinations) limits.partitions = 1;
  auto queue = std::make_unique<FakeQueue>("in", 0);
  std::vector<std::string> good;
  for (int i = 0; i < kRecords; ++i) {
    const std::string value = std::to_string(i);
    queue->add(value);
    if (value.find('7') == std::string::npos) good.push_back(value);
  }
  cluster.committed[{"in", 0}] = 0;
  EngineOptions options;
  options.workers = 3;
  options.interval_ms = 50;
  options.max_records = 1500;
  options.share_from_ns = 0;
  const SystemClock clock;
  {
    Engine engine(
        first_version(graph, options), [&](int) { return std::make_unique<FakeBroker>(cluster); }, clock);
    AssignedPartition assigned;
    assigned.partition = {"in", 0};
    assigned.queue = std::move(queue);
    assigned.ownership = std::make_shared<Ownership>();
    assigned.committed = 0;
    std::vector<AssignedPartition> all;
    all.push_back(std::move(assigned));
    engine.start();
    engine.assigned(std::move(all));
    WakeUp pause;
    for (int i = 0; i < 3000 && engine.snapshot().totals.counts.sheet().read < kRecords; ++i) (void)pause.wait(10);
    engine.stop();
    REQUIRE(engine.join(20'000));
    CHECK(engine.snapshot().totals.sheets_open == 0);
  }
  CHECK(cluster.committed[{"in", 0}] == kRecords);
  CHECK(cluster.values(0) == good);
  CHECK(cluster.values(1).size() == kRecords - good.size());
}

TEST_CASE("a chunk goes to workers of the same version only, and comes back unprocessed when nobody takes it") {
  WakeUp first;
  WakeUp second;
  ChunkShare share({&first, &second});
  const Version one;
  const Version other;
  SharedChunk chunk;
  share.set_idle(1, true);
  CHECK(share.idle() == 1);
  share.offer(chunk, 0, one);
  CHECK(share.idle() == 0);
  CHECK(second.wait(0));
  CHECK(share.take(0, one) == nullptr);
  CHECK(share.take(1, other) == nullptr);
  CHECK(share.offered(0) == 1);
  SECTION("taken by the other") {
    REQUIRE(share.take(1, one) == &chunk);
    CHECK(share.offered(0) == 0);
    CHECK_FALSE(share.is_done(chunk));
    share.done(chunk);
    CHECK(share.is_done(chunk));
    CHECK(first.wait(0));
    share.withdraw(0);
  }
  SECTION("taken back") {
    REQUIRE(share.take_back(0) == &chunk);
    share.done(chunk);
    share.withdraw(0);
  }
  SECTION("given up") {
    share.withdraw(0);
    CHECK(share.take(1, one) == nullptr);
    CHECK(share.is_done(chunk));
  }
}
