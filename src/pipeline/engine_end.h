// EngineEnd: why an engine wants its process to end. A value.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "record/progress.h"

namespace millrace {

// What the offset audit found: the group's committed offset is not what our last commit wrote.
struct AuditDifference {
  TopicPartition partition;
  int64_t expected = -1;   // -1: nothing committed
  int64_t committed = -1;  // -1: nothing committed
};

struct EngineEnd {
  ExitCode code = ExitCode::internal;
  std::string what;
  std::vector<AuditDifference> differences = {};  // of an offset audit
  bool by_threshold = false;                      // of dead letters, and by no other policy
};

}  // namespace millrace
