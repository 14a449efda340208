// Worker: its partitions, and reading from them in turn.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/worker_partition.h"

namespace millrace {

namespace {

constexpr int64_t kSweepMs = 1000;  // all queues are looked at this often, should a notification be missed
constexpr size_t kFirstChunk = 16;  // until the size of a partition's records is known

}  // namespace

void Worker::assign(std::vector<AssignedPartition> partitions) {
  Mail mail;
  for (auto& assigned : partitions) {
    auto partition = std::make_unique<Partition>();
    // Read here, on the group's thread, which is the one that raises it.
    partition->epoch = assigned.ownership == nullptr ? 0 : assigned.ownership->epoch.load();
    partition->position = assigned.start_offset;
    partition->committed = assigned.committed;
    partition->assigned = std::move(assigned);
    mail.assigned.push_back(std::move(partition));
  }
  {
    const MutexLock lock(mail_mutex_);
    for (const auto& partition : mail.assigned) held_.insert(partition->name());
    mail_.push_back(std::move(mail));
  }
  wake_.notify();
}

void Worker::revoke(const std::vector<TopicPartition>& partitions, bool lost) {
  Mail mail;
  mail.revoked = partitions;
  mail.lost = lost;
  {
    const MutexLock lock(mail_mutex_);
    mail_.push_back(std::move(mail));
  }
  wake_.notify();
}

bool Worker::holds(const TopicPartition& partition) const {
  const MutexLock lock(mail_mutex_);
  return held_.count(partition) != 0;
}

size_t Worker::load() const {
  const MutexLock lock(mail_mutex_);
  return held_.size();
}

void Worker::take_mail() {
  std::deque<Mail> mail;
  {
    const MutexLock lock(mail_mutex_);
    mail.swap(mail_);
  }
  for (Mail& letter : mail) {
    take_assigned(std::move(letter.assigned));
    take_revoked(letter);
    remove_released();
  }
}

void Worker::take_assigned(std::vector<std::unique_ptr<Partition>> partitions) {
  for (auto& partition : partitions) arriving_.push_back(std::move(partition));
  admit();
}

void Worker::admit() {
  std::vector<std::unique_ptr<Partition>> waiting;
  for (auto& partition : arriving_) {
    if (const Partition* before = find(partition->name())) {
      CHECK_MSG(before->revoked, "assigned twice: " + partition->name().text());
      waiting.push_back(std::move(partition));
      continue;
    }
    partition->assigned.queue->notify(wake_.fd());
    partition->ready = true;  // it may have records from before the notification
    ready_.push_back(partition.get());
    partitions_.push_back(std::move(partition));
  }
  arriving_ = std::move(waiting);
}

void Worker::take_revoked(const Mail& mail) {
  for (const TopicPartition& name : mail.revoked) {
    const auto same = [&name](const std::unique_ptr<Partition>& partition) { return partition->name() == name; };
    if (const auto arriving = std::find_if(arriving_.begin(), arriving_.end(), same); arriving != arriving_.end()) {
      arriving_.erase(arriving);
      const MutexLock lock(mail_mutex_);
      held_.erase(held_.find(name));
      continue;
    }
    Partition* partition = find(name);
    if (partition == nullptr) continue;
    partition->revoked = true;
    const size_t place = batch_->partition_index(name);
    if (place == batch_->partitions.size()) continue;
    batch_->partitions[place].revoked = true;
    // Lost: its epoch was raised, and the committer drops it from the batch with its next step.
    CHECK(!mail.lost || !batch_->partitions[place].ours());
  }
}

// Revoked partitions that the open batch does not hold (any more) go back to the group.
void Worker::remove_released() {
  std::vector<TopicPartition> released;
  const auto done = [&](const std::unique_ptr<Partition>& partition) {
    if (!partition->revoked || batch_->partition_index(partition->name()) != batch_->partitions.size()) return false;
    released.push_back(partition->name());
    ready_.erase(std::remove(ready_.begin(), ready_.end(), partition.get()), ready_.end());
    return true;
  };
  partitions_.erase(std::remove_if(partitions_.begin(), partitions_.end(), done), partitions_.end());
  if (released.empty()) return;
  {
    const MutexLock lock(mail_mutex_);
    for (const auto& name : released) held_.erase(held_.find(name));
  }
  admit();
}

Worker::Partition* Worker::find(const TopicPartition& name) {
  for (auto& partition : partitions_) {
    if (partition->name() == name) return partition.get();
  }
  return nullptr;
}

// One eventfd stands for all queues, and it tells of empty -> non-empty only: so all are looked at. So they are at each
// tick, when quotas are new.
void Worker::ready_all(bool woken) {
  const int64_t now_ms = clock_.mono_ms();
  const int64_t tick = now_ms / options_.interval_ms;
  if (!woken && tick == last_sweep_tick_ && now_ms - last_sweep_ms_ < kSweepMs) return;
  last_sweep_ms_ = now_ms;
  last_sweep_tick_ = tick;
  if (!batch_->open) rates_begun_ = false;
  make_all_ready();
}

void Worker::make_all_ready() {
  for (auto& partition : partitions_) {
    if (partition->ready || partition->revoked || !partition->error.empty()) continue;
    partition->ready = true;
    ready_.push_back(partition.get());
  }
}

uint64_t Worker::held_limit() const {
  return options_.held_bytes / static_cast<uint64_t>(options_.workers) / 10 * 8;
}

bool Worker::budget_left() const {
  return batch_->records.size() < options_.max_records && batch_->bytes < options_.max_bytes &&
         batch_->held_bytes() < held_limit();
}

// How many records to ask this partition for; 0: it is held back.
size_t Worker::chunk_limit(Partition& partition) {
  if (!rates_begun_) begin_rates();
  size_t limit = std::min<size_t>(Executor::kChunkRecords, options_.max_records - batch_->records.size());
  // A chunk is not interrupted by the tick: where records take long it holds few.
  constexpr double kIntervalShare = 0.05;
  const double chunk_ns = kIntervalShare * static_cast<double>(options_.interval_ms) * 1e6;
  if (record_ns_ * static_cast<double>(limit) > chunk_ns) {
    limit = std::max<size_t>(1, static_cast<size_t>(chunk_ns / record_ns_));
  }
  if (partition.mean_bytes == 0) {
    limit = std::min(limit, kFirstChunk);
  } else {
    const uint64_t held = batch_->held_bytes();
    const uint64_t left = std::min(options_.max_bytes - batch_->bytes, held_limit() - std::min(held, held_limit()));
    const auto fits = static_cast<size_t>(static_cast<double>(left) /
                                          (partition.mean_bytes + static_cast<double>(kRecordOverheadBytes)));
    limit = std::min(limit, std::max<size_t>(1, fits));
  }
  return gate_.allow(partition.rate, limit, clock_.mono_ms());
}

// Reads and processes one chunk of the partition whose turn it is. False: none has anything.
bool Worker::read_chunk() {
  for (;;) {
    // What a partition did not need goes to those that were held back.
    if (ready_.empty() && gate_.take_returned()) make_all_ready();
    if (ready_.empty()) return false;
    Partition* partition = ready_.front();
    ready_.pop_front();
    partition->ready = false;
    if (partition->revoked || !partition->error.empty()) continue;
    if (read_from(*partition)) return true;
  }
}

bool Worker::read_from(Partition& partition) {
  const size_t limit = chunk_limit(partition);
  if (limit == 0) return false;
  const int64_t start_ns = clock_.mono_ns();
  const size_t first = batch_->records.size();
  const int64_t start_ms = start_ns / 1'000'000;
  auto drained = partition.assigned.queue->drain(limit, *batch_->input_arena, batch_->records, batch_->held);
  if (!drained) {
    gate_.took(partition.rate, limit, 0, true, start_ms);
    if (drained.error().remedy == Remedy::stop || drained.error().remedy == Remedy::fix_config) {
      partition.error = drained.error().what;
      log_error("partition", "{} is not read any more: {}", partition.name().text(), escape_for_log(partition.error));
    }
    return false;
  }
  const size_t count = batch_->records.size() - first;
  CHECK(count == drained->records && count <= limit);
  partition.at_end = count < limit;
  if (!partition.at_end) {
    partition.ready = true;
    ready_.push_back(&partition);
  }
  gate_.took(partition.rate, limit, count, partition.at_end, start_ms);
  if (count > 0) idle_from_ns_ = -1;
  if (count == 0 && drained->end_offset <= partition.position) return false;
  add_to_batch(partition, first, *drained, count);
  batch_->phase_ns[static_cast<size_t>(BatchPhase::read)] += clock_.mono_ns() - start_ns;
  return true;
}

void Worker::add_to_batch(Partition& partition, size_t first, const Drained& drained, size_t count) {
  Batch& batch = *batch_;
  if (!batch.open) {
    batch.open = true;
    batch.number = ++batches_;
    batch.opened_mono_ns = clock_.mono_ns();
    batch.now_ms = clock_.wall_ms();
    batch.closes_ms = (clock_.mono_ms() / options_.interval_ms + 1) * options_.interval_ms;
  }
  const size_t place = batch.partition_index(partition.name());
  if (place == batch.partitions.size()) {
    BatchPartition entry;
    entry.partition = partition.name();
    entry.ownership = partition.assigned.ownership;
    entry.epoch = partition.epoch;
    entry.committed = partition.committed;
    entry.proven = partition.proven;
    batch.partitions.push_back(std::move(entry));
  }
  BatchPartition& entry = batch.partitions[place];
  if (count > 0) {
    const Record& last = batch.records.back();
    CHECK_MSG(batch.records[first].offset >= partition.position, "an offset came twice: " + partition.name().text());
    partition.position = last.offset + 1;
    entry.last_timestamp_ms = last.timestamp_ms;
    batch.chunks.push_back({place, first, count});
    batch.bytes += drained.bytes;
    const double mean = static_cast<double>(drained.bytes) / static_cast<double>(count);
    partition.mean_bytes = partition.mean_bytes == 0 ? std::max(1.0, mean) : (3 * partition.mean_bytes + mean) / 4;
  }
  partition.position = std::max(partition.position, drained.end_offset);
  entry.end = partition.position;
}

}  // namespace millrace
