#include "kafka/partition_table.h"

namespace millrace {

void PartitionTable::add(StatePointer state) {
  MutexLock lock(mutex_);
  states_[state->partition] = std::move(state);
}

void PartitionTable::remove(const TopicPartition& partition) {
  MutexLock lock(mutex_);
  states_.erase(partition);
}

PartitionTable::StatePointer PartitionTable::find(const TopicPartition& partition) const {
  MutexLock lock(mutex_);
  const auto at = states_.find(partition);
  return at == states_.end() ? nullptr : at->second;
}

std::vector<PartitionTable::StatePointer> PartitionTable::all() const {
  MutexLock lock(mutex_);
  std::vector<StatePointer> all;
  for (const auto& [partition, state] : states_) all.push_back(state);
  return all;
}

std::string PartitionTable::note(const TopicPartition& partition) const {
  const StatePointer state = find(partition);
  return state ? state->note : std::string();
}

void PartitionTable::committed(const Progress& progress) {
  MutexLock lock(mutex_);
  for (const auto& [partition, offset] : progress) {
    const auto at = states_.find(partition);
    if (at != states_.end()) at->second->committed = offset;
  }
}

}  // namespace millrace
