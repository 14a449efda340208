// SpanReader: reads stretches of partitions once, from an offset to an offset, beside any group: nothing is committed
// and nobody's partitions move. For commands that look at what is there.
//
// Owned and used by one thread; read() blocks until all is read or nothing comes for kIdleMs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "kafka/admin.h"
#include "kafka/settings.h"
#include "record/progress.h"
#include "record/record.h"

namespace millrace {

struct OffsetSpan {
  TopicPartition partition;
  int64_t from = 0;
  int64_t to = 0;  // the first offset that is not read
};

// Where a stretch of time lies in a partition.
struct TimeSpanOffsets {
  int64_t low = 0;    // the oldest offset that the broker keeps
  int64_t first = 0;  // of the first record at or after the begin; `high` when there is none
  int64_t high = 0;   // the high watermark
};

class SpanReader {
 public:
  static constexpr int64_t kIdleMs = 30'000;
  static constexpr int64_t kPrefetchBytes = 64 << 20;

  // Records of one partition, in order; views that die when the call returns.
  using Take = std::function<void(const TopicPartition& partition, std::span<const Record> records)>;
  // Offsets behind us, and all of them. Called often.
  using Told = std::function<void(uint64_t done, uint64_t all)>;

  static Result<std::unique_ptr<SpanReader>> create(const EdgeSettings& settings, const Clock& clock);

  // Of all topics; partitions 0 for one that is not there.
  Result<std::map<std::string, TopicFacts>> topics(const std::vector<std::string>& names);
  Result<std::map<std::string, TopicSettings>> settings(const std::vector<std::string>& names);
  Result<std::map<TopicPartition, TimeSpanOffsets>> offsets(const std::vector<TopicPartition>& partitions,
                                                            int64_t begin_ms);
  // Of the pipeline's group; partitions without a commit have 0.
  Result<Progress> committed(const std::vector<TopicPartition>& partitions);

  // read_committed. An offset that is not there any more is an error.
  Result<void> read(const std::vector<OffsetSpan>& spans, const Take& take, const Told& told);

 private:
  struct Part;
  class Reading;

  SpanReader(const EdgeSettings& settings, const Clock& clock) : settings_(settings), clock_(clock) {}
  [[nodiscard]] int timeout() const { return static_cast<int>(settings_.times.admin_request_ms) * 3; }
  Result<void> make_consumer(size_t partitions);

  EdgeSettings settings_;
  const Clock& clock_;
  std::unique_ptr<Admin> admin_;
  ClientHandle consumer_;
  size_t consumer_partitions_ = 0;
};

}  // namespace millrace
