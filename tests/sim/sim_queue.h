// SimQueue: the records of one partition of the simulated source, from a position on. Messages are freed for real when
// they are released, so that a sanitizer sees who reads them too late.
#pragma once

#include <string>
#include <vector>

#include "io/source.h"

namespace millrace::sim {

// A partition of the source: empty strings are offsets that hold no record (transaction markers).
using SourceLog = std::vector<std::string>;

class SimQueue final : public PartitionQueue {
 public:
  // `log` outlives the queue; `written` of its offsets are there by now, and grows.
  SimQueue(std::string topic, int32_t partition, const SourceLog& log, const size_t& written, int64_t position);

  Result<Drained> drain(size_t max_records, Arena& arena, std::vector<Record>& records,
                        std::vector<HeldMessage>& held) override;
  void notify(int) override {}
  [[nodiscard]] const Origin& origin() const override { return origin_; }

 private:
  const Origin origin_;
  const SourceLog& log_;
  const size_t& written_;
  size_t position_;
};

}  // namespace millrace::sim
