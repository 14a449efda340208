#include "sim/sim_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace millrace::sim {

namespace {

constexpr int64_t kTransactionTimeoutMs = 10'000;
constexpr int64_t kOutageCallMs = 1000;  // what a call takes before the client gives a broker up

}  // namespace

std::string_view to_string(Code code) {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::no_answer:
      return "no answer";
    case Code::fenced:
      return "fenced";
    case Code::invalid_txn_state:
      return "invalid transaction state";
    case Code::out_of_order:
      return "out of order sequence";
    case Code::illegal_generation:
      return "illegal generation";
    case Code::unstable:
      return "unstable offsets";
  }
  return "?";
}

SimCluster::SimCluster(uint64_t seed, const SimOptions& options, ManualClock& clock)
    : options_(options), clock_(clock), random_(seed) {}

void SimCluster::trace(const std::string& text) const {
  if (options_.trace) std::printf("%8.3f  %s\n", static_cast<double>(clock_.mono_ms()) / 1000, text.c_str());
}

Code SimCluster::call(std::string_view name, const std::function<Code()>& request) {
  clock_.advance_ms(number(0, 2));
  tick();
  if (move_rate_ > 0 && dice() < move_rate_) move_coordinator();
  if (stand_still_rate_ > 0 && dice() < stand_still_rate_) {
    trace(fmt::format("    {}: stands still before it", name));
    stand_still_();
  }
  const double kill = dice();
  if (kill < kill_rate_) {
    trace(fmt::format("    {}: killed before", name));
    throw Killed();
  }
  if (down_) {
    clock_.advance_ms(kOutageCallMs);
    return Code::no_answer;
  }
  if (cut_answers_ > 0 && clock_.mono_ms() < stale_until_ms_) {
    --cut_answers_;
    trace(fmt::format("    {}: answer cut by the move ({})", name, to_string(request())));
    return Code::no_answer;
  }
  if (dice() >= fault_rate_) {
    const Code code = request();
    trace(fmt::format("    {}: {}", name, to_string(code)));
    if (kill < 2 * kill_rate_) throw Killed();
    return code;
  }
  const double kind = dice();
  if (kind < 0.25) {
    trace(fmt::format("    {}: request lost", name));
  } else if (kind < 0.5) {
    trace(fmt::format("    {}: answer lost ({})", name, to_string(request())));
  } else {
    // Most late requests come within the next transaction or two.
    late_.push_back(
        {clock_.mono_ms() + (dice() < 0.7 ? number(5, 400) : number(400, 6000)), std::string(name), request});
    trace(fmt::format("    {}: held until {}", name, late_.back().due_ms));
  }
  // Killed while a request is on its way is where much can go wrong, so it happens more often.
  if (kill < 20 * kill_rate_) throw Killed();
  return Code::no_answer;
}

void SimCluster::tick() {
  for (size_t i = 0; i < late_.size();) {
    if (late_[i].due_ms > clock_.mono_ms()) {
      ++i;
      continue;
    }
    const Late late = std::move(late_[i]);
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(i));
    trace(fmt::format("    late {}: {}", late.name, to_string(late.request())));
  }
  for (auto& [producer, transaction] : transactions_) {
    if (transaction.state != State::ongoing || clock_.mono_ms() - transaction.since_ms < kTransactionTimeoutMs)
      continue;
    trace(fmt::format("    {} timed out", transaction.transactional_id));
    finish(producer, transaction, false);
    ++transaction.epoch;
  }
}

SimCluster::Transaction* SimCluster::find(const ProducerId& producer, Code& code) {
  const auto found = transactions_.find(producer.id);
  code = Code::ok;
  if (found != transactions_.end() && found->second.epoch == producer.epoch) return &found->second;
  code = Code::fenced;
  return nullptr;
}

void SimCluster::begin(Transaction& transaction) {
  if (transaction.state == State::ongoing) return;
  transaction.state = State::ongoing;
  transaction.since_ms = clock_.mono_ms();
  transaction.partitions.clear();
  transaction.offsets = false;
}

void SimCluster::finish(int64_t producer, Transaction& transaction, bool commit) {
  for (auto& [partition, log] : logs_) {
    for (Entry& entry : log) {
      if (entry.producer != producer || entry.state != State::ongoing) continue;
      entry.state = commit ? State::committed : State::aborted;
    }
  }
  if (commit) {
    for (const auto& [partition, offset] : pending_offsets_[producer]) committed_[partition] = offset;
    remember_offsets();
  }
  pending_offsets_.erase(producer);
  transaction.state = commit ? State::committed : State::aborted;
}

Code SimCluster::init_producer(const std::string& transactional_id, ProducerId& result) {
  const auto [found, fresh] = ids_.emplace(transactional_id, static_cast<int64_t>(ids_.size()) + 1);
  Transaction& transaction = transactions_[found->second];
  transaction.transactional_id = transactional_id;
  if (transaction.state == State::ongoing) finish(found->second, transaction, false);
  if (!fresh) ++transaction.epoch;
  transaction.state = State::empty;
  result = {found->second, transaction.epoch};
  return Code::ok;
}

Code SimCluster::add_partition(const ProducerId& producer, OutputPartition partition) {
  Code code;
  Transaction* transaction = find(producer, code);
  if (transaction == nullptr) return code;
  begin(*transaction);
  transaction->partitions.insert(partition);
  return Code::ok;
}

Code SimCluster::produce(const ProducerId& producer, OutputPartition partition, int64_t first_sequence,
                         const std::vector<SimRecord>& records) {
  Code code;
  Transaction* transaction = find(producer, code);
  if (transaction == nullptr) return code;
  Sequence& sequence = sequences_[{partition, producer.id}];
  const int64_t expected = sequence.epoch == producer.epoch ? sequence.next : 0;
  if (sequence.epoch == producer.epoch && first_sequence < expected) return Code::ok;  // a repeat
  // Brokers verify with the coordinator that the partition is part of an open transaction.
  if (transaction->state != State::ongoing || transaction->partitions.count(partition) == 0) {
    return Code::invalid_txn_state;
  }
  if (first_sequence != expected) return Code::out_of_order;
  sequence = {producer.epoch, first_sequence + static_cast<int64_t>(records.size())};
  for (const SimRecord& record : records) logs_[partition].push_back({record, producer.id, State::ongoing});
  return Code::ok;
}

Code SimCluster::add_offsets(const ProducerId& producer) {
  Code code;
  Transaction* transaction = find(producer, code);
  if (transaction == nullptr) return code;
  begin(*transaction);
  transaction->offsets = true;
  return Code::ok;
}

Code SimCluster::commit_offsets(const ProducerId& producer, const Progress& progress, int32_t generation,
                                const std::string& member) {
  Code code;
  const Transaction* transaction = find(producer, code);
  if (transaction == nullptr) {
    if (options_.old_group_coordinator) pending_offsets_.erase(producer.id);
    return code;
  }
  if (transaction->state != State::ongoing || !transaction->offsets) return Code::invalid_txn_state;
  // Without a generation brokers take offsets from anybody.
  if (generation >= 0 && (generation != generation_ || members_.count(member) == 0)) return Code::illegal_generation;
  for (const auto& [partition, offset] : progress) pending_offsets_[producer.id][partition] = offset;
  note_written();
  return Code::ok;
}

Code SimCluster::end_transaction(const ProducerId& producer, bool commit) {
  Code code;
  Transaction* transaction = find(producer, code);
  if (transaction == nullptr) return code;
  if (transaction->state == State::ongoing) {
    finish(producer.id, *transaction, commit);
    return Code::ok;
  }
  const State wanted = commit ? State::committed : State::aborted;
  return transaction->state == wanted ? Code::ok : Code::invalid_txn_state;
}

bool SimCluster::stable(const TopicPartition& partition) const {
  return std::none_of(pending_offsets_.begin(), pending_offsets_.end(),
                      [&partition](const auto& pending) { return pending.second.count(partition) != 0; });
}

Code SimCluster::fetch_offsets(const std::vector<TopicPartition>& partitions, bool stable_only, Progress& result) {
  result.clear();
  const Progress* answered = &committed_;
  if (clock_.mono_ms() < stale_until_ms_) {
    const auto since = history_.upper_bound(stale_as_of_ms_);
    if (since != history_.begin()) answered = &std::prev(since)->second;
  }
  for (const auto& partition : partitions) {
    // A coordinator that has just moved has read its whole log, open transactions too, and answers with less of it.
    if (stable_only && !stable(partition)) return Code::unstable;
    const auto found = answered->find(partition);
    if (found != answered->end()) result.insert(*found);
  }
  return Code::ok;
}

void SimCluster::remember_offsets() {
  history_[clock_.mono_ms()] = committed_;
  constexpr int64_t kRememberedMs = 60'000;
  while (history_.begin()->first < clock_.mono_ms() - kRememberedMs) history_.erase(history_.begin());
}

// What a coordinator answers as written is replicated, and all that its log held before with it.
void SimCluster::note_written() {
  stale_until_ms_ = clock_.mono_ms();
}

void SimCluster::move_coordinator() {
  // Mostly until the first round of replication, sometimes as long as there is nobody to replicate to.
  stale_until_ms_ = clock_.mono_ms() + (dice() < 0.8 ? number(100, 300) : number(300, 5000));
  // Mostly a little, sometimes much.
  stale_as_of_ms_ = clock_.mono_ms() - (dice() < 0.6 ? number(1, 400) : number(400, 40'000));
  cut_answers_ = static_cast<int>(number(0, 2));
  trace(fmt::format("the coordinator moves; until {} it answers as of {}", stale_until_ms_, stale_as_of_ms_));
}

void SimCluster::set_group(int32_t generation, std::set<std::string> members) {
  note_written();
  generation_ = generation;
  members_ = std::move(members);
}

std::vector<SimRecord> SimCluster::visible(OutputPartition partition) const {
  std::vector<SimRecord> records;
  const auto found = logs_.find(partition);
  if (found == logs_.end()) return records;
  for (const Entry& entry : found->second) {
    if (entry.state == State::committed) records.push_back(entry.record);
  }
  return records;
}

bool SimCluster::any_open() const {
  return std::any_of(transactions_.begin(), transactions_.end(),
                     [](const auto& entry) { return entry.second.state == State::ongoing; });
}

std::set<OutputPartition> SimCluster::partitions() const {
  std::set<OutputPartition> all;
  for (const auto& [partition, log] : logs_) all.insert(partition);
  return all;
}

}  // namespace millrace::sim
