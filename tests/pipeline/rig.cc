#include "pipeline/rig.h"

#include "base/check.h"

namespace millrace::test {

Rig::Rig(std::shared_ptr<const Graph> graph, int workers) : graph_(std::move(graph)) {
  CHECK(graph_ != nullptr);
  options.workers = workers;
  options.interval_ms = 100;
  // The clock is the test's own; what a second answer is good for has a test of its own.
  options.offsets_agree_ms = 0;
  for (size_t i = 0; i < graph_->topics().size(); ++i) {
    DestinationLimits limits;
    limits.partitions = 3;
    cluster.destinations.push_back(limits);
  }
}

Rig::~Rig() = default;

void Rig::start() {
  brokers_.clear();
  engine = std::make_unique<Engine>(
      first_version(graph_, options),
      [this](int) {
        auto broker = std::make_unique<FakeBroker>(cluster);
        brokers_.push_back(broker.get());
        return broker;
      },
      clock);
}

FakeQueue& Rig::assign(const std::string& topic, int32_t partition, uint16_t source) {
  if (engine == nullptr) start();
  const TopicPartition name{topic, partition};
  auto queue = std::make_unique<FakeQueue>(topic, partition, source);
  FakeQueue& result = *queue;
  cluster.committed.emplace(name, 0);
  const int64_t offset = cluster.committed[name];
  queue->seek(offset);
  AssignedPartition assigned;
  assigned.partition = name;
  assigned.queue = std::move(queue);
  auto& ownership = ownership_[name];
  if (ownership == nullptr) ownership = std::make_shared<Ownership>();
  assigned.ownership = ownership;
  assigned.start_offset = offset;
  assigned.committed = offset;
  std::vector<AssignedPartition> all;
  all.push_back(std::move(assigned));
  engine->assigned(std::move(all));
  return result;
}

void Rig::adopt(std::shared_ptr<const Graph> graph, std::vector<uint16_t> destinations) {
  Version version;
  version.number = engine->version()->number + 1;
  version.graph = std::move(graph);
  version.options = options;
  version.destinations = std::move(destinations);
  engine->adopt(std::make_shared<const Version>(std::move(version)));
}

void Rig::revoke(const std::string& topic, int32_t partition) {
  engine->revoked({{topic, partition}}, false);
}

void Rig::raise(const std::string& topic, int32_t partition) {
  ownership_[{topic, partition}]->epoch.fetch_add(1);
}

void Rig::lose(const std::string& topic, int32_t partition) {
  raise(topic, partition);
  engine->revoked({{topic, partition}}, true);
}

bool Rig::released(const std::string& topic, int32_t partition) {
  return engine->released({topic, partition});
}

void Rig::turn() {
  for (int i = 0; i < options.workers; ++i) engine->worker(static_cast<size_t>(i)).step(true);
}

void Rig::run_ms(int64_t ms) {
  if (engine == nullptr) start();
  const int64_t until = clock.mono_ms() + ms;
  while (clock.mono_ms() < until) {
    // What is due at once is done before the clock moves.
    for (int turns = 0; turns < 50; ++turns) {
      bool idle = true;
      for (int i = 0; i < options.workers; ++i) {
        idle = engine->worker(static_cast<size_t>(i)).step(true) > 0 && idle;
      }
      if (idle) break;
    }
    clock.advance_ms(5);
  }
}

int64_t Rig::committed(const std::string& topic, int32_t partition) const {
  const auto found = cluster.committed.find({topic, partition});
  return found == cluster.committed.end() ? -1 : found->second;
}

EngineTotals Rig::totals() const {
  EngineTotals totals = engine->snapshot().totals;
  CHECK(totals.sheets_open == 0);
  return totals;
}

uint64_t Rig::results(BatchResult result) const {
  return totals().batches[static_cast<size_t>(result)];
}

WorkerStatus Rig::status(size_t worker) const {
  return engine->worker(worker).view().status;
}

}  // namespace millrace::test
