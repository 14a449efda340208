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

  Scene() {
    view.engine.workers.assign(2, view.engine.workers[0]);
    view.engine.workers[1].worker = 1;
    view.engine.spread.clear();
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

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
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
      {"a hot partition", [](Scene& scene) { scene.wait_in(50'000, 100); }, AdviceKind::hot_partition, "", "orders-0",
       "99 % of them in partition orders-0"},
      {"a hot key",
       [](Scene& scene) {
         scene.wait_in(50'000, 100);
         SpreadStatus spread;
         spread.node.source = true;
         spread.node.name = "orders";
         HotKey key;
         key.share = 0.9;
         key.place.topic = "orders";
         key.offset = 77;
         spread.hot_keys = {key};
         scene.view.engine.spread = {spread};
       },
       AdviceKind::hot_key, "", "orders", "one key is 90 %"},
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
         scene.view.edge.partitions.resize(1);
         scene.view.engine.partitions.resize(1);
         scene.wait_in(20'000, 0);
         scene.batch(0.95, BatchPhase::process, 1);
       },
       AdviceKind::partitions, "", "", "1 partitions keep 1 of 2 workers busy"},
      {"a destination that is slow",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.95, BatchPhase::send);
       },
       AdviceKind::destination, "producer.queue", "", "until the brokers have taken their records"},
      {"acknowledgements that are slow, and batches that are held to what fits the interval for it",
       [](Scene& scene) {
         scene.wait_in(20'000, 20'000);
         scene.batch(0.6, BatchPhase::commit);
         for (WorkerStatus& worker : scene.view.engine.workers) {
           worker.rate.cause = RateCause::backpressure;
           worker.rate.fixed_seconds = 0.05;
         }
       },
       AdviceKind::destination, "producer.queue", "", "until the brokers have taken their records"},
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
  return kRows;
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
