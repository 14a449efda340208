#include "sim/sim_world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "support/test_graph.h"

namespace millrace::sim {

namespace {

constexpr int64_t kTroubleMs = 20'000;
constexpr int64_t kCalmMs = 200'000;
constexpr double kMoveRate = 0.0005;  // of a coordinator, at each request
constexpr uint16_t kDead = 2;         // the dead letters' topic, of both versions

// Every fifth record is rejected by the stage.
bool rejected(int64_t offset) {
  return offset % 5 == 3;
}

}  // namespace

SimWorld::SimWorld(uint64_t seed, const SimOptions& options)
    : options_(options), cluster_(seed, options, clock_), instances_(kInstances) {
  make_versions();
  fault_rate_ = cluster_.dice() * 0.12;
  kill_rate_ = cluster_.dice() < 0.3 ? 0 : 0.001;
  stand_still_rate_ = cluster_.dice() * 0.003;
  make_source();
  for (int i = 0; i < kInstances; ++i) {
    instances_[static_cast<size_t>(i)].id = i;
    start(instances_[static_cast<size_t>(i)]);
  }
}

SimWorld::~SimWorld() = default;

// Every good record goes to two topics, and which ones tells by which version: so a batch that was processed by both
// shows.
void SimWorld::make_versions() {
  const std::vector<std::vector<uint16_t>> places = {{0, 1, kDead}, {3, 4, kDead}};
  for (size_t i = 0; i < places.size(); ++i) {
    const std::string number = std::to_string(i);
    test::SpecBuilder builder("sim");
    builder.source("in", {"in"})
        .stage("check" + number, "in", "reject_if", "bad")
        .destination("out" + number, "check" + number, "out" + number)
        .destination("copy" + number, "check" + number, "copy" + number)
        .dead_letters("dead");
    Version version;
    version.graph = builder.build();
    CHECK_MSG(version.graph != nullptr, builder.errors);
    version.destinations = places[i];
    version.options.workers = kWorkers;
    version.options.interval_ms = 100;
    version.options.max_records = 30;
    version.options.offsets_only_ms = 500;
    version.options.audit = options_.audit;
    version.options.share_chunks = options_.share;
    version.options.share_from_ns = 0;  // nothing takes time here
    version.options.second_audit = options_.second_audit;
    if (!options_.agreement) version.options.offsets_agree_ms = 0;
    versions_.push_back(version);
  }
}

void SimWorld::make_source() {
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    SourceLog log;
    const int64_t length = cluster_.number(60, 200);
    for (int64_t offset = 0; offset < length; ++offset) {
      if (cluster_.dice() < 0.05) {
        log.emplace_back();
        continue;
      }
      log.push_back(fmt::format("{}:{}{}", partition, offset, rejected(offset) ? " bad" : ""));
      ++report_.records;
    }
    source_.push_back(std::move(log));
    written_.push_back(static_cast<size_t>(cluster_.number(0, 20)));
    cluster_.commit_start({"in", partition}, 0);
    owner_[partition] = -1;
  }
}

void SimWorld::start(Instance& instance) {
  instance.member = fmt::format("member-{}-{}", instance.id, report_.kills);
  instance.stamp = {-1, "", nullptr};
  instance.joined = false;
  instance.out = false;
  instance.next_stamp.reset();
  instance.frozen_until_ms = 0;
  instance.engine = std::make_unique<Engine>(
      std::make_shared<const Version>(versions_[instance.graph]),
      [this, &instance](int worker) {
        return std::make_unique<SimBroker>(cluster_, fmt::format("i{}-w{}", instance.id, worker), instance.stamp);
      },
      clock_);
  say(fmt::format("instance {} starts as {}", instance.id, instance.member));
}

// The other graph, as a changed file would bring it.
void SimWorld::reload(Instance& instance) {
  instance.graph = 1 - instance.graph;
  Version version = versions_[instance.graph];
  version.number = instance.engine->version()->number + 1;
  for (const WorkerStatus& worker : instance.engine->snapshot().workers) {
    if (worker.state != WorkerState::recovering && worker.state != WorkerState::blocked) continue;
    ++report_.reloads_in_recovery;
    break;
  }
  instance.engine->adopt(std::make_shared<const Version>(version));
  ++report_.reloads;
  say(fmt::format("instance {} reloads: version {}, graph {}", instance.id, version.number, instance.graph));
}

void SimWorld::note_engine(const Instance& instance) {
  const EngineTotals totals = instance.engine->snapshot().totals;
  for (const uint64_t count : totals.recoveries) report_.recoveries += count;
  for (int i = 0; i < kWorkers; ++i) {
    report_.helped += instance.engine->worker(static_cast<size_t>(i)).view().status.helped_chunks;
  }
  if (!totals.counts.sheet().closes() && failure_.empty()) failure_ = "the sum of all balance sheets does not close";
  if (totals.sheets_open > 0 && failure_.empty()) failure_ = "a balance sheet did not close";
}

void SimWorld::kill(Instance& instance, const char* why) {
  if (still_.instance == &instance) {
    // Its call is still on our stack, and ends when it comes back to it.
    still_is_dead_ = true;
    return;
  }
  say(fmt::format("instance {} {}", instance.id, why));
  ++report_.kills;
  note_engine(instance);
  instance.engine.reset();
  instance.ownership.clear();
  instance.joined = false;
  instance.starts_ms = now_ms() + cluster_.number(0, 4000);
  rebalance_wanted_ = true;
}

bool SimWorld::frozen(const Instance& instance) const {
  return now_ms() < instance.frozen_until_ms;
}

bool SimWorld::dead(const Instance& instance) const {
  return still_.instance == &instance && still_is_dead_;
}

void SimWorld::make_trouble() {
  if (calm_) return;
  for (auto& count : written_) count += cluster_.dice() < 0.08 ? static_cast<size_t>(cluster_.number(0, 8)) : 0;
  if (now_ms() >= outage_until_ms_) {
    cluster_.set_outage(false);
    if (cluster_.dice() < 0.002) {
      outage_until_ms_ = now_ms() + cluster_.number(100, 15'000);
      cluster_.set_outage(true);
      say("the brokers are away");
    }
  }
  if (options_.coordinator_moves && cluster_.dice() < 0.004) cluster_.move_coordinator();
  Instance& instance = instances_[static_cast<size_t>(cluster_.number(0, kInstances - 1))];
  if (instance.engine == nullptr || frozen(instance) || dead(instance)) return;
  const double dice = cluster_.dice();
  if (dice < 0.002) {
    kill(instance, "is killed");
  } else if (dice < 0.008) {
    instance.frozen_from_ms = now_ms();
    instance.frozen_until_ms = now_ms() + cluster_.number(50, 6000);
    say(fmt::format("instance {} stands still until {}", instance.id, instance.frozen_until_ms));
  } else if (dice < 0.016) {
    rebalance_wanted_ = true;
  } else if (dice < 0.03 && options_.reloads) {
    reload(instance);
  }
}

void SimWorld::turn_instances() {
  int64_t wait_ms = 20;
  // In an order of the dice's, each worker with its own luck.
  const auto first = static_cast<size_t>(cluster_.number(0, kInstances * kWorkers - 1));
  for (size_t i = 0; i < kInstances * kWorkers; ++i) {
    const size_t number = (first + i) % (kInstances * kWorkers);
    const Turn turn{&instances_[number / kWorkers], number % kWorkers};
    Instance& instance = *turn.instance;
    if (instance.engine == nullptr || frozen(instance) || dead(instance) || cluster_.dice() < 0.2) continue;
    if (still_.instance == turn.instance && still_.worker == turn.worker) continue;
    Worker& worker = instance.engine->worker(turn.worker);
    if (worker.ended()) continue;
    turn_ = turn;
    try {
      wait_ms = std::min(wait_ms, worker.step(true));
    } catch (const Killed&) {
      kill(instance, "is killed in a call");
    }
  }
  clock_.advance_ms(std::max<int64_t>(1, wait_ms));
}

// A thread, or the whole process, stands still in the middle of what it does: what it knew may be wrong when it goes
// on.
void SimWorld::stand_still() {
  if (calm_ || still_.instance != nullptr) return;
  still_ = turn_;
  still_is_dead_ = false;
  const int64_t until_ms = now_ms() + (cluster_.dice() < 0.3 ? cluster_.number(5, 300) : cluster_.number(300, 8000));
  if (cluster_.dice() < 0.7) {
    still_.instance->frozen_from_ms = now_ms();
    still_.instance->frozen_until_ms = until_ms;
  }
  while (now_ms() < until_ms && failure_.empty() && !still_is_dead_) turn();
  turn_ = still_;
  still_ = {};
  if (still_is_dead_) throw Killed();
}

void SimWorld::check_ends() {
  for (Instance& instance : instances_) {
    if (still_.instance == &instance) continue;
    if (instance.engine == nullptr) {
      if (now_ms() >= instance.starts_ms) start(instance);
      continue;
    }
    const auto end = instance.engine->end();
    if (!end) continue;
    // An echo of an own request may fence a producer, and a coordinator that has just moved may name a start that is
    // over: a restart is in order. Anything else is not.
    if (end->code != ExitCode::fenced && end->code != ExitCode::no_progress && failure_.empty()) {
      failure_ = fmt::format("instance {} ended with {}: {}", instance.id, static_cast<int>(end->code), end->what);
    }
    ++report_.ends;
    kill(instance, "has ended");
  }
}

bool SimWorld::all_committed() {
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    const auto found = cluster_.offsets().find({"in", partition});
    if (found->second != static_cast<int64_t>(source_[static_cast<size_t>(partition)].size())) return false;
  }
  return !cluster_.any_open();
}

void SimWorld::turn() {
  make_trouble();
  cluster_.tick();
  check_ends();
  turn_group();
  turn_instances();
}

SimReport SimWorld::run() {
  cluster_.set_faults(fault_rate_, kill_rate_);
  cluster_.set_moves(options_.coordinator_moves ? kMoveRate : 0);
  cluster_.set_stand_still(stand_still_rate_, [this] { stand_still(); });
  while (failure_.empty()) {
    if (!calm_ && now_ms() > kTroubleMs) {
      say("calm");
      calm_ = true;
      rebalance_wanted_ = true;
      cluster_.set_faults(0, 0);
      cluster_.set_moves(0);
      cluster_.set_stand_still(0, nullptr);
      cluster_.set_outage(false);
      for (size_t i = 0; i < written_.size(); ++i) written_[i] = source_[i].size();
      for (Instance& instance : instances_) instance.frozen_until_ms = 0;
    }
    if (calm_ && all_committed()) break;
    if (now_ms() > kTroubleMs + kCalmMs) {
      failure_ = "no end: not everything is committed after a long calm";
      break;
    }
    turn();
  }
  // What is still under way in the network arrives, and changes nothing any more.
  clock_.advance_ms(10'000);
  cluster_.tick();
  for (const Instance& instance : instances_) {
    if (instance.engine != nullptr) note_engine(instance);
  }
  if (failure_.empty()) failure_ = check();
  report_.failure = failure_;
  report_.simulated_ms = now_ms();
  say(failure_.empty() ? "exactly once" : "FAILED: " + failure_);
  return report_;
}

// Every record once, in the right topic, in the order of its source partition.
std::string SimWorld::check() {
  std::map<std::string, std::multiset<uint16_t>> seen;
  for (const OutputPartition& partition : cluster_.partitions()) {
    std::map<std::string, int64_t> last;
    for (const SimRecord& record : cluster_.visible(partition)) {
      seen[record.value].insert(partition.first);
      const std::string from = record.value.substr(0, record.value.find(':'));
      const int64_t offset = std::stoll(record.value.substr(from.size() + 1));
      if (rejected(offset) != (partition.first == kDead))
        return fmt::format("`{}` is in the wrong topic", record.value);
      if (rejected(offset) != (record.reason == "rule_broken")) return "a dead letter has the wrong reason";
      const auto [before, fresh] = last.emplace(from, offset);
      if (!fresh && before->second > offset) {
        return fmt::format("`{}` comes after offset {} of its partition", record.value, before->second);
      }
      before->second = offset;
    }
  }
  const std::vector<std::multiset<uint16_t>> good = {{0, 1}, {3, 4}};
  size_t wrong = 0;
  std::string example;
  for (const SourceLog& log : source_) {
    for (const std::string& value : log) {
      const auto& places = seen[value];
      const bool bad = value.ends_with(" bad");
      if (value.empty() || (bad ? places == std::multiset<uint16_t>{kDead} : places == good[0] || places == good[1])) {
        continue;
      }
      ++wrong;
      if (example.empty()) example = fmt::format("`{}` in topics [{}]", value, fmt::join(places, ", "));
    }
  }
  seen.erase("");
  if (wrong > 0) return fmt::format("{} records lost, doubled or of two versions, first {}", wrong, example);
  if (seen.size() != report_.records) return "records that nobody sent";
  return "";
}

SimReport simulate(uint64_t seed, const SimOptions& options) {
  return SimWorld(seed, options).run();
}

}  // namespace millrace::sim
