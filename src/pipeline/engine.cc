#include "pipeline/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/threshold.h"
#include "pipeline/worker.h"

namespace millrace {

struct Engine::Slot {
  WakeUp wake;
  std::unique_ptr<Worker> worker;
  Thread thread;
};

Engine::Engine(VersionShare version, const BrokerFactory& make_broker, const Clock& clock)
    : clock_(clock),
      version_(std::move(version)),
      threshold_(std::make_unique<DeadLetterThreshold>(version_->graph->threshold())),
      rate_(std::make_unique<InstanceRate>(version_->options.workers)) {
  CHECK(version_->options.workers > 0 && version_->options.interval_ms > 0);
  std::vector<WakeUp*> wakes;
  for (int i = 0; i < version_->options.workers; ++i) {
    slots_.push_back(std::make_unique<Slot>());
    wakes.push_back(&slots_.back()->wake);
  }
  share_ = std::make_unique<ChunkShare>(std::move(wakes));
  for (int i = 0; i < version_->options.workers; ++i) {
    Slot& slot = *slots_[static_cast<size_t>(i)];
    slot.worker = std::make_unique<Worker>(i, version_, make_broker(i), clock, slot.wake, *threshold_, *rate_, *share_);
  }
}

Engine::~Engine() {
  stop();
  for (auto& slot : slots_) slot->thread.join();
}

void Engine::run(Slot& slot) {
  bool woken = true;
  while (!slot.worker->ended()) {
    const int64_t wait_ms = slot.worker->step(woken);
    woken = slot.wake.wait(wait_ms);
  }
}

void Engine::start() {
  if (stopping_.load() || started_.exchange(true)) return;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[i];
    slot.thread = Thread(fmt::format("worker-{}", i), [&slot] { run(slot); });
  }
}

bool Engine::producers_ready() const {
  return std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->worker->producer_ready(); });
}

void Engine::stop() {
  stopping_.store(true);
  for (auto& slot : slots_) slot->worker->stop();
}

void Engine::hasten() {
  stopping_.store(true);
  for (auto& slot : slots_) slot->worker->hasten();
}

bool Engine::stopped() const {
  if (!started_.load()) return stopping_.load();
  return std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->worker->ended(); });
}

bool Engine::join(int64_t timeout_ms) {
  // The threads end by themselves; this only looks, so that a thread that hangs cannot hang its waiter.
  WakeUp pause;
  const int64_t until_ms = clock_.mono_ms() + timeout_ms;
  while (!stopped()) {
    if (clock_.mono_ms() >= until_ms) return false;
    constexpr int64_t kLookMs = 5;
    (void)pause.wait(kLookMs);
  }
  for (auto& slot : slots_) {
    slot->thread.join();
    slot->worker->release();
  }
  return true;
}

std::optional<EngineEnd> Engine::end() const {
  for (const auto& slot : slots_) {
    if (auto end = slot->worker->end()) return end;
  }
  return std::nullopt;
}

std::string Engine::standstill() const {
  if (!started_.load()) return "";
  const int64_t now_ms = clock_.mono_ms();
  const VersionShare running = version();
  const EngineOptions& options = running->options;
  // A batch that is read all the time commits once in an interval.
  const int64_t progress_limit_ms = options.no_progress_ms + options.interval_ms;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Worker& worker = *slots_[i]->worker;
    if (worker.ended()) continue;
    const int64_t loop_ms = now_ms - worker.loop_ms();
    const int64_t progress_ms = now_ms - worker.progress_ms();
    if (loop_ms > options.no_progress_ms) {
      return fmt::format("the loop of worker {} stands still since {}", i, format_duration_ms(loop_ms));
    }
    if (progress_ms > progress_limit_ms) {
      return fmt::format("worker {} has not committed, idled or been blocked since {}", i,
                         format_duration_ms(progress_ms));
    }
  }
  return "";
}

namespace {

// Topics of sources with as many partitions as this instance has of them; topics of destinations.
std::vector<SpreadStatus> spread_of(const Snapshot& snapshot, const SpreadSum& sum) {
  std::map<SpreadNode, int32_t> partitions;
  for (const PartitionStatus& each : snapshot.partitions) {
    if (each.source >= snapshot.sources.size()) continue;
    ++partitions[{true, snapshot.sources[each.source], each.partition.topic}];
  }
  for (const DestinationStatus& each : snapshot.destinations) {
    partitions[{false, each.destination, each.topic}] = each.partitions;
  }
  return sum.status(partitions);
}

// As the counts have them, each as the worker sees it that cannot use it, if there is one.
void list_destinations(const Graph& graph, const std::vector<DestinationStatus>& seen, Snapshot& snapshot) {
  const auto add = [&](const std::string& destination, const std::string& topic, bool gone) {
    DestinationStatus status;
    bool known = false;
    for (const DestinationStatus& one : seen) {
      if (one.destination != destination || one.topic != topic || (known && one.usable)) continue;
      status = one;
      known = true;
    }
    status.destination = destination;
    status.topic = topic;
    status.gone = gone;
    if (!known && !gone) status.state = "no worker has come to this version of the configuration yet";
    snapshot.destinations.push_back(std::move(status));
  };
  for (const TopicName& name : snapshot.totals.names.destinations) add(name.destination, name.topic, name.gone);
  if (graph.dead_letter_topic()) {
    const TopicNode& dead = graph.topics()[*graph.dead_letter_topic()];
    add(dead.destination, dead.topic, false);
  }
}

}  // namespace

Snapshot Engine::snapshot() const {
  Snapshot snapshot;
  snapshot.wall_ms = clock_.wall_ms();
  snapshot.mono_ms = clock_.mono_ms();
  snapshot.stopping = stopping_.load();
  SpreadSum spread;
  const VersionShare running = version();
  snapshot.version = running->number;
  snapshot.totals.names = node_names(*running->graph);
  snapshot.totals.counts = shape_of(snapshot.totals.names);
  std::vector<DestinationStatus> seen;
  for (const auto& slot : slots_) {
    const WorkerView view = slot->worker->view();
    slot->worker->add_totals(snapshot.totals);
    slot->worker->add_spread(spread);
    snapshot.workers.push_back(view.status);
    snapshot.memory_held_bytes += view.status.held_bytes;
    snapshot.partitions.insert(snapshot.partitions.end(), view.partitions.begin(), view.partitions.end());
    snapshot.history.insert(snapshot.history.end(), view.rows.begin(), view.rows.end());
    seen.insert(seen.end(), view.destinations.begin(), view.destinations.end());
    const WorkerState state = view.status.state;
    if (snapshot.not_ready.empty() && (state == WorkerState::starting || state == WorkerState::blocked ||
                                       state == WorkerState::recovering || state == WorkerState::ended)) {
      snapshot.not_ready = fmt::format("worker {} is {}{}{}", view.status.worker, to_string(state),
                                       view.status.reason.empty() ? "" : ": ", view.status.reason);
    }
  }
  snapshot.sources = snapshot.totals.names.sources;
  snapshot.stages = snapshot.totals.names.stages;
  list_destinations(*running->graph, seen, snapshot);
  for (const auto& destination : snapshot.destinations) {
    if (!snapshot.not_ready.empty() || destination.usable || destination.gone) continue;
    snapshot.not_ready = fmt::format("topic {} cannot be written to: {}", destination.topic, destination.state);
  }
  for (const auto& partition : snapshot.partitions) {
    if (!snapshot.not_ready.empty() || partition.error.empty()) continue;
    snapshot.not_ready = fmt::format("{} is not read: {}", partition.partition.text(), partition.error);
  }
  std::stable_sort(snapshot.history.begin(), snapshot.history.end(),
                   [](const BatchRow& a, const BatchRow& b) { return a.completed_mono_ms > b.completed_mono_ms; });
  snapshot.spread = spread_of(snapshot, spread);
  snapshot.ready = snapshot.not_ready.empty() && !snapshot.stopping;
  return snapshot;
}

namespace {

// Those that no worker runs or is to run: of a blocked worker there may be many.
void let_go_of_unused(std::vector<VersionShare>& versions) {
  std::erase_if(versions, [](const VersionShare& each) { return each.use_count() == 1; });
}

}  // namespace

void Engine::adopt(VersionShare version) {
  CHECK(version->options.workers == static_cast<int>(slots_.size()));
  threshold_->change(version->graph->threshold());
  {
    const MutexLock lock(version_mutex_);
    CHECK(version->number > version_->number);
    CHECK(version->graph->sources().size() == version_->graph->sources().size());
    earlier_.push_back(std::move(version_));
    version_ = version;
  }
  for (auto& slot : slots_) slot->worker->give(version);
  let_go_of_unused(earlier_);
}

std::vector<std::string> Engine::behind() {
  const uint64_t wanted = version()->number;
  std::vector<std::string> late;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Worker& worker = *slots_[i]->worker;
    if (worker.ended() || worker.version() >= wanted) continue;
    const WorkerStatus status = worker.view().status;
    late.push_back(fmt::format("worker {} is {}{}{}", i, to_string(status.state), status.reason.empty() ? "" : ": ",
                               status.reason));
  }
  if (late.empty()) {
    earlier_.clear();
  } else {
    let_go_of_unused(earlier_);
  }
  return late;
}

VersionShare Engine::version() const {
  const MutexLock lock(version_mutex_);
  return version_;
}

Worker& Engine::worker(size_t index) {
  return *slots_[index]->worker;
}

std::string Engine::threshold_state() const {
  return threshold_->state();
}

void Engine::restore_threshold(const std::string& text) {
  threshold_->restore(text);
}

void Engine::assigned(std::vector<AssignedPartition> partitions) {
  std::vector<std::vector<AssignedPartition>> shares(slots_.size());
  std::vector<size_t> load;
  for (const auto& slot : slots_) load.push_back(slot->worker->load());
  for (auto& assigned : partitions) {
    size_t to = slots_.size();
    // A partition that comes back before it was released goes where it was, behind its revocation.
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i]->worker->holds(assigned.partition)) to = i;
    }
    if (to == slots_.size()) {
      to = static_cast<size_t>(std::min_element(load.begin(), load.end()) - load.begin());
      ++load[to];
    }
    shares[to].push_back(std::move(assigned));
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!shares[i].empty()) slots_[i]->worker->assign(std::move(shares[i]));
  }
}

void Engine::revoked(const std::vector<TopicPartition>& partitions, bool lost) {
  for (auto& slot : slots_) {
    std::vector<TopicPartition> of_worker;
    for (const auto& partition : partitions) {
      if (slot->worker->holds(partition)) of_worker.push_back(partition);
    }
    if (!of_worker.empty()) slot->worker->revoke(of_worker, lost);
  }
}

void Engine::brokers_away() {
  for (auto& slot : slots_) slot->worker->note_outage();
}

bool Engine::released(const TopicPartition& partition) {
  return std::none_of(slots_.begin(), slots_.end(),
                      [&partition](const auto& slot) { return slot->worker->holds(partition); });
}

}  // namespace millrace
