// SimCluster: what brokers do, as far as exactly once hangs on it. Transactions of version 1 (the epoch stays the same
// from one transaction to the next, so a late request can end or feed the wrong one), the last stable offset, a group
// with generations, fencing; and a network that loses, repeats and delays requests by a seeded dice.
//
// One thread. Every decision comes from `random`, so a seed is a run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "record/progress.h"

namespace millrace::sim {

// Bugs that can be planted, and the kind of brokers.
struct SimOptions {
  bool outcome_rule = true;            // the edge distrusts a transaction with a lost answer
  bool require_stable = true;          // committed offsets wait for open transactions
  bool send_generation = true;         // offsets are sent with the group's generation
  bool audit = true;                   // of the product
  bool old_group_coordinator = false;  // below 4.0: a refused TxnOffsetCommit takes back an accepted one
  bool second_audit = true;            // of the product: what was only read is read again where it cannot be old
  bool agreement = true;               // of the product: a second answer before it ends because of offsets
  bool coordinator_moves = true;       // the group's coordinator answers with old offsets when it has just moved
  int ring = 16;                       // transactional ids a worker
  bool reloads = true;                 // instances change to another version of the configuration now and then
  bool share = false;                  // idle workers take chunks of busy ones
  bool trace = false;
};

enum class Code : uint8_t {
  ok,
  no_answer,  // what the client sees of a lost or late request, and of an outage
  fenced,     // the epoch is not the latest
  invalid_txn_state,
  out_of_order,
  illegal_generation,
  unstable,
};
std::string_view to_string(Code code);

struct ProducerId {
  int64_t id = -1;
  int32_t epoch = -1;
};

struct SimRecord {
  std::string value;
  std::string reason;  // millrace.reason, of a dead letter
};

// Thrown from within a call: the process that made it is killed right there.
struct Killed {};

// A partition of a destination.
using OutputPartition = std::pair<uint16_t, int32_t>;

class SimCluster {
 public:
  SimCluster(uint64_t seed, const SimOptions& options, ManualClock& clock);

  // The network. Runs `request` now, or not, or later, or twice; `no_answer` says that the client has to ask again.
  Code call(std::string_view name, const std::function<Code()>& request);
  void set_faults(double rate, double kill_rate) {
    fault_rate_ = rate;
    kill_rate_ = kill_rate;
  }
  // Now and then a caller stands still just before its request goes out; `stand_still` lets the world go on meanwhile.
  void set_stand_still(double rate, std::function<void()> stand_still) {
    stand_still_rate_ = rate;
    stand_still_ = std::move(stand_still);
  }
  // The coordinator moves between any two requests.
  void set_moves(double rate) { move_rate_ = rate; }
  void set_outage(bool down) { down_ = down; }
  [[nodiscard]] bool down() const { return down_; }
  // The coordinator moves: answers get lost, and committed offsets are those of up to 40 s ago, as seen on real
  // brokers, until the new one knows that its log is replicated: mostly for some tenths of a second, in any case until
  // it has written something.
  void move_coordinator();
  // Late requests arrive, transactions that are open too long are ended.
  void tick();

  // Requests.
  Code init_producer(const std::string& transactional_id, ProducerId& result);
  Code add_partition(const ProducerId& producer, OutputPartition partition);
  Code produce(const ProducerId& producer, OutputPartition partition, int64_t first_sequence,
               const std::vector<SimRecord>& records);
  Code add_offsets(const ProducerId& producer);
  Code commit_offsets(const ProducerId& producer, const Progress& progress, int32_t generation,
                      const std::string& member);
  Code end_transaction(const ProducerId& producer, bool commit);
  // `stable_only`: not while an open transaction has offsets of one of the partitions.
  Code fetch_offsets(const std::vector<TopicPartition>& partitions, bool stable_only, Progress& result);

  // The group, as the world changes it.
  void set_group(int32_t generation, std::set<std::string> members);
  [[nodiscard]] int32_t generation() const { return generation_; }
  // As they are, whatever a coordinator would answer: for the checker.
  [[nodiscard]] const Progress& offsets() const { return committed_; }
  [[nodiscard]] bool stable(const TopicPartition& partition) const;
  void commit_start(const TopicPartition& partition, int64_t offset) {
    committed_.emplace(partition, offset);
    remember_offsets();
  }

  // What a reader with read_committed gets once everything is ended.
  [[nodiscard]] std::vector<SimRecord> visible(OutputPartition partition) const;
  [[nodiscard]] bool any_open() const;
  [[nodiscard]] std::set<OutputPartition> partitions() const;

  [[nodiscard]] double dice() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  [[nodiscard]] int64_t number(int64_t from, int64_t to) {
    return std::uniform_int_distribution<int64_t>(from, to)(random_);
  }
  void trace(const std::string& text) const;
  // The state directory of a worker: which of its ids was in use last; -1: none.
  [[nodiscard]] int& slot_in_use(const std::string& transactional_id) {
    return slots_.emplace(transactional_id, -1).first->second;
  }
  [[nodiscard]] const SimOptions& options() const { return options_; }
  [[nodiscard]] ManualClock& clock() { return clock_; }

 private:
  enum class State : uint8_t { empty, ongoing, committed, aborted };
  struct Transaction {
    std::string transactional_id;
    int32_t epoch = 0;
    State state = State::empty;
    int64_t since_ms = 0;
    std::set<OutputPartition> partitions;
    bool offsets = false;
  };
  struct Entry {
    SimRecord record;
    int64_t producer = -1;
    State state = State::ongoing;
  };
  struct Sequence {
    int32_t epoch = -1;
    int64_t next = 0;
  };
  struct Late {
    int64_t due_ms = 0;
    std::string name;
    std::function<Code()> request;
  };

  Transaction* find(const ProducerId& producer, Code& code);
  void begin(Transaction& transaction);
  void finish(int64_t producer, Transaction& transaction, bool commit);
  void remember_offsets();
  void note_written();

  const SimOptions options_;
  ManualClock& clock_;
  std::mt19937_64 random_;
  double fault_rate_ = 0;
  double kill_rate_ = 0;
  double move_rate_ = 0;
  double stand_still_rate_ = 0;
  std::function<void()> stand_still_;
  bool down_ = false;
  std::vector<Late> late_;
  std::map<std::string, int> slots_;
  std::map<std::string, int64_t> ids_;           // transactional id -> producer id
  std::map<int64_t, Transaction> transactions_;  // by producer id
  std::map<OutputPartition, std::vector<Entry>> logs_;
  std::map<std::pair<OutputPartition, int64_t>, Sequence> sequences_;
  Progress committed_;
  std::map<int64_t, Progress> history_;          // when -> what was committed from then on
  int64_t stale_until_ms_ = 0;                   // until then offsets are answered...
  int64_t stale_as_of_ms_ = 0;                   // ...as they were then
  int cut_answers_ = 0;                          // answers that the move takes with it
  std::map<int64_t, Progress> pending_offsets_;  // by producer id
  int32_t generation_ = 0;
  std::set<std::string> members_;
};

}  // namespace millrace::sim
