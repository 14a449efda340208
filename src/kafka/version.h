// The librdkafka that runs: its version, and whether we trust it. Pure functions; any thread.
#pragma once

#include <string>

#include "base/error.h"

namespace millrace {

std::string rdkafka_version_text();

// Older ones lose or repeat records around rebalances and misread positions at the end of a partition.
Result<void> check_rdkafka_version(int version);
Result<void> check_rdkafka_version();

}  // namespace millrace
