// Planted bottlenecks, each with the advice that must come: kind, knob, node, and words of its sentence.
#include "status/advice.h"

#include <functional>

#include "sample_view.h"
#include "support/catch.h"

using namespace millrace;

namespace {

// 10 s of a pipeline of two workers and four partitions that reads 1,000 records a second in batches of 200 ms.
struct Scene {
  ProgramFacts facts = sample_facts();
  View view = sample_view(facts);
  Counts before;
  std::vector<BatchRow> batches;
  uint64_t recoveries = 0;
  uint64_t helped_chunks = 0;
  CatchUp catch_up;

  Scene() {
    view.engine.workers.assign(2, view.engine.workers[0]);
    view.engine.workers[1].worker = 1;
    view.engine.spread.clear();
    view.edge.producers[0].load.throttle_ms = 0;
    for (int32_t i = 2; i < 4; ++i) view.edge.partitions.push_back({{"orders", i}, 0, 0, 0, 0, 0, 0, ""});
    wait_in(0, 0);
    before = view.engine.totals.counts;
    read(10'000);
    batch(0.2, BatchPhase::process);
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  void read(uint64_t records) { view.engine.totals.counts.sources[0].read.records = 100 + records; }
  // Each of the workers has a batch a second that takes so long, most of it in this phase.
  void batch(double seconds, BatchPhase phase, int workers = 2, int64_t interval_ms = 1'000) {
    batches.clear();
    for (int i = 0; i < 10 * workers; ++i) {
      BatchRow row;
      row.worker = i % workers;
      row.interval_ms = interval_ms;
      row.seconds[static_cast<size_t>(phase)] = seconds * 0.8;
      row.seconds[static_cast<size_t>(phase == BatchPhase::process ? BatchPhase::commit : BatchPhase::process)] =
          seconds * 0.2;
      batches.push_back(row);
    }
  }
  // The partitions may be read no faster than this, and the last batch of a worker was ended by it.
  void limit_partitions(double records_per_second) {
    facts.rate_max_per_partition = records_per_second;
    view.engine.workers[0].rate.cause = RateCause::max_per_partition;
  }
  // Most of what is read has one key; the first record of it that was seen is here.
  void key_is_hot(int64_t offset) {
    HotKey key;
    key.share = 0.9;
    key.place.topic = "orders";
    key.offset = offset;
    SpreadStatus spread;
    spread.node.source = true;
    spread.node.name = "orders";
    spread.hot_keys = {key};
    view.engine.spread = {spread};
  }
  // One partition has it all, and this much waits in it.
  void only_partition(int64_t waiting) {
    view.edge.partitions.resize(1);
    view.engine.partitions.resize(1);
    wait_in(waiting, 0);
  }
  // What was written since `before`.
  void write(uint64_t bytes) {
    view.engine.totals.counts.destinations[0].sent.bytes = before.destinations[0].sent.bytes + bytes;
  }
  // The first partition has so much waiting, each of the others so much.
  void wait_in(int64_t first, int64_t others) {
    for (auto& partition : view.edge.partitions) partition.lag = others;
    view.edge.partitions[0].lag = first;
  }
  [[nodiscard]] Advice advice() const {
    AdviceInput input;
    input.now = &view;
    input.before = &before;
    input.seconds = 10;
    input.batches = batches;
    input.recoveries = recoveries;
    input.helped_chunks = helped_chunks;
    input.catch_up = catch_up;
    return advise(input);
  }
};

struct Row {
  const char* planted;
  std::function<void(Scene&)> plant;
  AdviceKind kind;
  const char* knob;
  const char* node;
  const char* words;
};

// Troubles, limits of the configuration, and what is hot.
std::vector<Row> rows_of_limits() {
  return {
      {"nothing", [](Scene&) {}, AdviceKind::healthy, "", "", "1000 records/s"},
      {"a source that is idle",
       [](Scene& scene) {
         scene.read(0);
         scene.batches.clear();
       },
       AdviceKind::idle, "", "", "nothing was read for 10 s"},
      {"no broker", [](Scene& scene) { scene.view.edge.trouble = "no broker answers"; }, AdviceKind::brokers, "", "",
       "no broker answers"},
      {"a destination without its replicas",
       [](Scene& scene) {
         scene.view.engine.destinations[0].usable = false;
         scene.view.engine.destinations[0].state = "not enough replicas";
       },
       AdviceKind::destination_down, "", "out", "orders.huge cannot be written to: not enough replicas"},
      {"a worker that waits",
       [](Scene& scene) {
         scene.view.engine.workers[1].state = WorkerState::blocked;
         scene.view.engine.workers[1].reason = "the coordinator moves";
       },
       AdviceKind::destination_down, "", "", "Worker 1 is blocked: the coordinator moves"},
      {"commits that fail", [](Scene& scene) { scene.recoveries = 4; }, AdviceKind::recoveries, "kafka.commit_deadline",
       "", "4 recoveries in 10 s"},
      {"poison",
       [](Scene& scene) {
         auto& policy = scene.view.engine.totals.counts.stages[0].policy;
         policy.dead[static_cast<size_t>(RejectReason::expression_error)] += 2'000;
       },
       AdviceKind::dead_letters, "dead_letters.threshold", "large", "2000 of 10000 records"},
      {"a rate limit",
       [](Scene& scene) {
         scene.wait_in(5'000, 5'000);
         scene.facts.rate_max_per_partition = 250;
       },
       AdviceKind::rate_limit, "rate.max_per_partition", "", "the limit of 250 records/s for each of 4 partitions"},
      {"a rate limit that two of four partitions are at",
       [](Scene& scene) {
         scene.wait_in(5'000, 0);
         scene.view.edge.partitions[1].lag = 5'000;
         scene.limit_partitions(500);
       },
       AdviceKind::rate_limit, "rate.max_per_partition", "", "the limit of 500 records/s for each of 4 partitions"},
      {"a rate limit that one of four partitions is at",
       [](Scene& scene) {
         scene.wait_in(50'000, 0);
         scene.limit_partitions(1'000);
       },
       AdviceKind::hot_partition, "rate.max_per_partition", "orders-0", "`rate.max_per_partition` holds it back"},
      {"a hot partition at the limit of the instance",
       [](Scene& scene) {
         scene.wait_in(50'000, 0);
         scene.view.engine.workers[0].rate.cause = RateCause::max;
       },
       AdviceKind::hot_partition, "rate.max", "orders-0", "`rate.max` holds it back"},
      {"a hot partition that keeps its worker busy, whatever the limit",
       [](Scene& scene) {
         scene.wait_in(50'000, 0);
         scene.limit_partitions(1'000);
         scene.batch(0.95, BatchPhase::process);
       },
       AdviceKind::hot_partition, "", "orders-0", "its records go through one worker"},
      {"a hot partition", [](Scene& scene) { scene.wait_in(50'000, 100); }, AdviceKind::hot_partition, "", "orders-0",
       "99 % of them in partition orders-0"},
      {"a hot key",
       [](Scene& scene) {
         scene.wait_in(50'000, 100);
         scene.key_is_hot(77);
       },
       AdviceKind::hot_key, "", "orders", "one key is 90 %"},
      {"a hot key whose partition is at its limit",
       [](Scene& scene) {
         scene.wait_in(50'000, 100);
         scene.key_is_hot(0);
         scene.limit_partitions(1'000);
       },
       AdviceKind::hot_key, "rate.max_per_partition", "orders", "`rate.max_per_partition` holds it back"},
  };
}

// Workers that are busy, and those that are not.
std::vector<Row> rows_of_work() {
  return {
      {"a stage that takes the processors",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.95, BatchPhase::process);
         scene.view.engine.totals.counts.stages[1].busy_ns = 8'000'000'000;
         scene.view.engine.totals.counts.stages[0].busy_ns = 1'000'000'000;
         scene.view.engine.totals.counts.sources[0].busy_ns = 1'000'000'000;
       },
       AdviceKind::stage, "workers", "size", "the stage `size` takes 80 %"},
      {"fewer partitions than workers",
       [](Scene& scene) {
         scene.only_partition(20'000);
         scene.batch(0.95, BatchPhase::process, 1);
       },
       AdviceKind::partitions, "", "", "1 partitions keep 1 of 2 workers busy"},
      {"a stage that keeps the only partition's worker busy and those that help it",
       [](Scene& scene) {
         scene.only_partition(20'000);
         scene.batch(0.95, BatchPhase::process, 1);
         scene.helped_chunks = 5;
         scene.view.engine.totals.counts.stages[1].busy_ns = 8'000'000'000;
       },
       AdviceKind::stage, "workers", "size", "the stage `size` takes 100 %"},
      {"fewer partitions than workers, and a chunk that was handed over once",
       [](Scene& scene) {
         scene.only_partition(200'000);
         scene.read(100'000);
         scene.batch(0.95, BatchPhase::process, 1);
         scene.helped_chunks = 1;
       },
       AdviceKind::partitions, "", "", "not worth handing over to the others"},
      {"a destination that is slow",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.95, BatchPhase::send);
         scene.write(10'000'000);
       },
       AdviceKind::destination, "producer.linger", "", "until the brokers have taken their records"},
      {"a destination that is slow for each of many small requests",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.95, BatchPhase::send);
         scene.write(10'000'000);  // 20 batches to 6 partitions
         scene.facts.producer_batch_bytes = 16 << 10;
       },
       AdviceKind::destination, "producer.batch_size", "",
       "a batch has 81 KiB for each of their partitions, and a request takes 16 KiB"},
      {"a quota of the destination",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.95, BatchPhase::send);
         scene.view.edge.producers[0].load.throttle_ms = 1'500;
       },
       AdviceKind::destination, "", "", "a quota of theirs delays requests by 1500 ms"},
      {"acknowledgements that are slow, and batches that are held to what fits the interval for it",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.6, BatchPhase::commit);
         for (WorkerStatus& worker : scene.view.engine.workers) {
           worker.rate.cause = RateCause::backpressure;
           worker.rate.fixed_seconds = 0.05;
         }
       },
       AdviceKind::destination, "producer.linger", "", "until the brokers have taken their records"},
      {"a rate limit of the instance",
       [](Scene& scene) {
         scene.wait_in(5'000, 5'000);
         scene.view.engine.workers[1].rate.cause = RateCause::max;
       },
       AdviceKind::rate_limit, "rate.max", "", "the limit `rate.max` of this instance"},
      {"commits that are slow",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.95, BatchPhase::commit);
         for (WorkerStatus& worker : scene.view.engine.workers) worker.rate.fixed_seconds = 0.7;
       },
       AdviceKind::commit, "batch.interval", "", "commits take 80 %"},
      {"memory that is full",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.view.engine.memory_held_bytes = 75ULL << 20;
       },
       AdviceKind::memory, "memory.limit", "", "75 MiB of 77 MiB"},
      {"brokers that deliver slowly", [](Scene& scene) { scene.wait_in(20'000, 20'000); }, AdviceKind::fetch,
       "memory.limit", "", "do not come from the brokers"},
      {"an interval that is too short", [](Scene& scene) { scene.batch(0.9, BatchPhase::commit); },
       AdviceKind::interval_short, "batch.interval", "", "90 % of the interval of 1s"},
      {"an interval that is too long",
       [](Scene& scene) {
         scene.facts.interval_ms = 30'000;
         scene.batch(0.2, BatchPhase::process, 2, 30'000);
       },
       AdviceKind::interval_long, "batch.interval", "", "the interval of 30s"},
  };
}

std::vector<Row> rows() {
  std::vector<Row> all = rows_of_limits();
  const std::vector<Row> more = rows_of_work();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("each planted bottleneck gets its advice", "[advice]") {
  for (const Row& row : rows()) {
    Scene scene;
    row.plant(scene);
    const Advice advice = scene.advice();
    INFO(row.planted << ": " << to_string(advice.kind) << ": " << advice.text);
    CHECK(to_string(advice.kind) == to_string(row.kind));
    CHECK(advice.knob == row.knob);
    CHECK(advice.node == row.node);
    CHECK(advice.text.find(row.words) != std::string::npos);
    CHECK(advice.text.back() == '.');
  }
}

TEST_CASE("a lag is told with how far it is worked off, or how fast it grows", "[advice]") {
  Scene scene;
  scene.wait_in(20'000, 20'000);
  CHECK(scene.advice().text.find("80000 records wait, 1000 records/s are read; ") == 0);
  scene.catch_up = {true, 100'000, 20, 500, 160};
  CHECK(scene.advice().text.find("80000 records wait, 1000 records/s are read, 20 % are caught up, level in 160 s; ") ==
        0);
  scene.catch_up = {true, 80'000, 0, -250, -1};
  CHECK(scene.advice().text.find("80000 records wait, 1000 records/s are read, the lag grows by 250 records/s; ") == 0);
}

TEST_CASE("every kind of advice has its row", "[advice]") {
  std::vector<bool> seen(kAdviceKindCount);
  for (const Row& row : rows()) seen[static_cast<size_t>(row.kind)] = true;
  for (size_t i = 0; i < kAdviceKindCount; ++i) {
    INFO(to_string(static_cast<AdviceKind>(i)));
    CHECK(seen[i]);
  }
}

TEST_CASE("counts of another shape do not confuse the advice", "[advice]") {
  Scene scene;
  scene.before = Counts();
  scene.before.shape(3, {1}, 0);
  CHECK(scene.advice().kind == AdviceKind::healthy);
}
