#include "sim/sim_queue.h"

namespace millrace::sim {

SimQueue::SimQueue(std::string topic, int32_t partition, const SourceLog& log, const size_t& written, int64_t position)
    : origin_{std::move(topic), partition, 0}, log_(log), written_(written), position_(static_cast<size_t>(position)) {}

Result<Drained> SimQueue::drain(size_t max_records, Arena&, std::vector<Record>& records,
                                std::vector<HeldMessage>& held) {
  Drained drained;
  const size_t end = std::min(written_, log_.size());
  for (; position_ < end && drained.records < max_records; ++position_) {
    if (log_[position_].empty()) continue;
    auto* message = new std::string(log_[position_]);
    held.push_back({message, [](void* of) { delete static_cast<std::string*>(of); }});
    Record record;
    record.value = Bytes(*message);
    record.origin = &origin_;
    record.offset = static_cast<int64_t>(position_);
    records.push_back(record);
    ++drained.records;
    drained.bytes += message->size();
  }
  if (position_ == end) drained.end_offset = static_cast<int64_t>(end);
  return drained;
}

}  // namespace millrace::sim
