// Moves what a group has committed, for a start that was told to (--accept-offsets expected). Blocks up to its
// deadline; any thread. The group must have no member: brokers refuse it otherwise.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "kafka/settings.h"
#include "record/progress.h"

namespace millrace {

// The notes that go with the offsets stay as they are.
Result<void> move_group_offsets(const EdgeSettings& settings, const Progress& to, int64_t deadline_ms);

}  // namespace millrace
