// SimWorld: some instances of the product (engine, workers, commit state machine: the real ones) on a simulated cluster
// and clock, under faults at every call, outages, kills, stand-stills (in mid-call too) and rebalances; then calm; then
// the question whether every record is there exactly once and in order.
//
// One seed is one run. One thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pipeline/engine.h"
#include "pipeline/worker.h"
#include "sim/sim_broker.h"
#include "sim/sim_cluster.h"
#include "sim/sim_queue.h"

namespace millrace::sim {

struct SimReport {
  std::string failure;  // empty: exactly once
  uint64_t records = 0;
  uint64_t recoveries = 0;
  uint64_t kills = 0;
  uint64_t rebalances = 0;
  uint64_t reloads = 0;
  uint64_t reloads_in_recovery = 0;  // some worker was not in order just then
  uint64_t helped = 0;               // chunks that another worker took through the graph
  uint64_t ends = 0;                 // instances that ended by themselves (fenced by an echo) and were started again
  int64_t simulated_ms = 0;
};

class SimWorld {
 public:
  SimWorld(uint64_t seed, const SimOptions& options);
  ~SimWorld();

  SimReport run();

 private:
  static constexpr int32_t kPartitions = 4;
  static constexpr int kInstances = 2;
  static constexpr int kWorkers = 2;

  struct Instance {
    int id = 0;
    std::string member;  // new at each start
    GroupStamp stamp;    // what its group client knows
    std::unique_ptr<Engine> engine;
    size_t graph = 0;                                         // which of the two its file holds
    std::map<int32_t, std::shared_ptr<Ownership>> ownership;  // shared with its workers
    int64_t starts_ms = 0;                                    // when it comes back; used while there is no engine
    int64_t frozen_from_ms = 0;                               // it stands still since then...
    int64_t frozen_until_ms = 0;                              // ...until then
    bool joined = false;
    std::optional<GroupStamp> next_stamp;  // what it will know...
    int64_t next_stamp_ms = 0;             // ...from then on
    bool out = false;                      // the group went on without it
    int64_t hears_ms = 0;                  // when it hears so
  };
  enum class Rebalance : uint8_t { none, revoking, assigning };

  // sim_world.cc
  void make_source();
  void make_versions();
  void start(Instance& instance);
  void reload(Instance& instance);
  void kill(Instance& instance, const char* why);
  void turn();
  void turn_instances();
  void stand_still();
  void make_trouble();
  void check_ends();
  [[nodiscard]] bool frozen(const Instance& instance) const;
  [[nodiscard]] bool dead(const Instance& instance) const;
  [[nodiscard]] bool all_committed();
  std::string check();
  void note_engine(const Instance& instance);

  // sim_group.cc
  void turn_group();
  void join_and_leave();
  void deliver_stamps();
  void begin_rebalance();
  void finish_revoking();
  void assign();
  void lose_all(Instance& instance);
  [[nodiscard]] Instance* owner(int32_t partition);

  void say(const std::string& text) const { cluster_.trace(text); }
  [[nodiscard]] int64_t now_ms() const { return clock_.mono_ms(); }

  ManualClock clock_;
  SimOptions options_;
  mutable SimCluster cluster_;
  std::vector<Version> versions_;  // two that write every good record to two topics of their own
  std::vector<SourceLog> source_;
  std::vector<size_t> written_;
  std::vector<Instance> instances_;
  bool calm_ = false;
  double fault_rate_ = 0;
  double kill_rate_ = 0;
  double stand_still_rate_ = 0;
  int64_t outage_until_ms_ = 0;

  // Whose step is being run; and who stands still in a call, below which the world goes on.
  struct Turn {
    Instance* instance = nullptr;
    size_t worker = 0;
  };
  Turn turn_;
  Turn still_;
  bool still_is_dead_ = false;  // killed meanwhile: its call ends so

  Rebalance rebalance_ = Rebalance::none;
  bool rebalance_wanted_ = true;
  int64_t revoke_until_ms_ = 0;
  std::map<int32_t, int> owner_;   // partition -> instance; -1: nobody
  std::map<int32_t, int> target_;  // what the running rebalance is to bring
  std::set<int> members_;          // instances of the new generation

  SimReport report_;
  std::string failure_;
};

SimReport simulate(uint64_t seed, const SimOptions& options);

}  // namespace millrace::sim
