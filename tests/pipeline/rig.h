// Rig: an engine on a fake cluster and a clock that only moves when it is told to; its workers are turned by the test.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pipeline/engine.h"
#include "pipeline/worker.h"
#include "support/fake_kafka.h"
#include "support/test_graph.h"

namespace millrace::test {

class Rig {
 public:
  explicit Rig(std::shared_ptr<const Graph> graph, int workers = 1);  // shared with the engine
  ~Rig();

  // Makes the engine; `options` and `cluster` may be changed before.
  void start();
  // Assigns partitions to it; the committed offset is what the cluster has, or 0, which is then committed.
  FakeQueue& assign(const std::string& topic, int32_t partition, uint16_t source = 0);
  // Has the engine go on with another graph; of its topics, `destinations` says where they stand at the broker.
  void adopt(std::shared_ptr<const Graph> graph, std::vector<uint16_t> destinations = {});
  void revoke(const std::string& topic, int32_t partition);
  void raise(const std::string& topic, int32_t partition);  // the ownership's epoch
  void lose(const std::string& topic, int32_t partition);
  [[nodiscard]] bool released(const std::string& topic, int32_t partition);

  // Turns all workers while the clock goes on for so long.
  void run_ms(int64_t ms);
  // Turns each worker once, without the clock.
  void turn();

  [[nodiscard]] FakeBroker& broker(size_t worker = 0) { return *brokers_[worker]; }
  [[nodiscard]] int64_t committed(const std::string& topic, int32_t partition) const;
  // The totals; every batch so far must have balanced.
  [[nodiscard]] EngineTotals totals() const;
  [[nodiscard]] uint64_t results(BatchResult result) const;
  [[nodiscard]] WorkerStatus status(size_t worker = 0) const;

  ManualClock clock;
  FakeCluster cluster;
  EngineOptions options;
  std::unique_ptr<Engine> engine;

 private:
  std::shared_ptr<const Graph> graph_;  // shared with the engine's version
  std::vector<FakeBroker*> brokers_;
  std::map<TopicPartition, std::shared_ptr<Ownership>> ownership_;  // shared with the workers
};

}  // namespace millrace::test
