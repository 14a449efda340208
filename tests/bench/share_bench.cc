// share_bench [RECORDS [ROUNDS [LEAST]]]: one partition, a source and a destination in memory, and a stage that only
// computes: how much faster two workers are than one. Each figure is the median of five runs, in turn. Exit code 1 when
// two are less than LEAST times as fast.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/engine.h"
#include "support/fake_kafka.h"
#include "support/test_graph.h"

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr int kRuns = 5;
constexpr int kRunsMost = 30;

// Tells how far it was read; the rest as the queue of the tests does it.
class CountedQueue final : public PartitionQueue {
 public:
  CountedQueue(int records, std::atomic<int>& read) : queue_("in", 0), read_(read) {
    for (int i = 0; i < records; ++i) queue_.add("value " + std::to_string(i));
  }
  Result<Drained> drain(size_t most, Arena& arena, std::vector<Record>& records,
                        std::vector<HeldMessage>& held) override {
    auto drained = queue_.drain(most, arena, records, held);
    if (drained) read_ += static_cast<int>(drained->records);
    return drained;
  }
  [[nodiscard]] int64_t end_offset() const override { return queue_.end_offset(); }
  void notify(int fd) override { queue_.notify(fd); }
  [[nodiscard]] const Origin& origin() const override { return queue_.origin(); }

 private:
  FakeQueue queue_;
  std::atomic<int>& read_;
};

double run(const std::shared_ptr<const Graph>& graph, int workers, int records, bool share) {
  FakeCluster cluster;
  for (size_t i = 0; i < graph->topics().size(); ++i) {
    DestinationLimits limits;
    limits.partitions = 1;
    cluster.destinations.push_back(limits);
  }
  EngineOptions options;
  options.workers = workers;
  options.share_chunks = share;
  options.rate.backpressure.enabled = false;  // whose bound of the first batches depends on the number of workers
  const SystemClock clock;
  Engine engine(
      first_version(graph, options), [&](int) { return std::make_unique<FakeBroker>(cluster); }, clock);
  std::atomic<int> read = 0;
  auto queue = std::make_unique<CountedQueue>(records, read);
  AssignedPartition assigned;
  assigned.partition = {"in", 0};
  assigned.queue = std::move(queue);
  assigned.ownership = std::make_shared<Ownership>();
  assigned.committed = 0;
  cluster.committed[assigned.partition] = 0;
  std::vector<AssignedPartition> all;
  all.push_back(std::move(assigned));
  const auto from = std::chrono::steady_clock::now();
  engine.start();
  engine.assigned(std::move(all));
  // The last commit waits for its tick, which would be the same for both: a stop commits what was read.
  while (read < records) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  engine.stop();
  if (!engine.join(60'000)) std::abort();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
  if (cluster.written.size() != static_cast<size_t>(records)) {
    std::fprintf(stderr, "%zu of %d records were written\n", cluster.written.size(), records);
    std::exit(1);
  }
  return took.count();
}

double best(const std::vector<double>& all) {
  return *std::min_element(all.begin(), all.end());
}

}  // namespace

int main(int argc, char* argv[]) {
  const int records = argc > 1 ? std::stoi(argv[1]) : 100'000;
  const std::string cost = argc > 2 ? argv[2] : "20000";
  const double least = argc > 3 ? std::stod(argv[3]) : 0;
  log_setup({LogLevel::error, LogFormat::text, false});
  SpecBuilder builder;
  builder.source("in", {"in"}).stage("busy", "in", "compute", cost).destination("out", "busy", "out");
  builder.dead_letters("dead");
  const std::shared_ptr<const Graph> graph = builder.build();  // shared with the engines
  if (graph == nullptr) {
    std::fprintf(stderr, "%s\n", builder.errors.c_str());
    return 1;
  }
  std::vector<double> one;
  std::vector<double> two;
  std::vector<double> alone;
  // A neighbour on the processors makes runs longer and never shorter, so the best of each are compared, and where they
  // do not reach `least` yet it is looked at longer.
  const auto speedup = [&] { return best(one) / best(two); };
  for (int i = 0; i < kRuns || (i < kRunsMost && speedup() < least); ++i) {
    one.push_back(run(graph, 1, records, true));
    two.push_back(run(graph, 2, records, true));
    alone.push_back(run(graph, 2, records, false));
  }
  std::printf(
      "%d records of %s rounds each: 1 worker %.3f s, 2 workers %.3f s (%.2f times as fast), 2 without sharing %.3f "
      "s\n",
      records, cost.c_str(), best(one), best(two), speedup(), best(alone));
  return speedup() >= least ? 0 : 1;
}
