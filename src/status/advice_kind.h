// Advice: what limits a pipeline, as a value (status/advice.h finds it). Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

// In the order in which they are looked for: the first that holds is said.
enum class AdviceKind : uint8_t {
  brokers,           // no broker answers, or the group does not let us in
  destination_down,  // a destination cannot be written to
  recoveries,        // commits fail and are repeated
  dead_letters,      // many records are rejected
  // The rest of those in between hold while records wait:
  hot_key,        // one key is most of the stream
  hot_partition,  // one partition holds what waits
  rate_limit,     // rate.* holds back
  partitions,     // fewer partitions than workers, and the others cannot help
  memory,         // batches are closed by memory.limit
  stage,          // processing: a named node takes the most time
  destination,    // the producer waits for the brokers
  commit,         // the commits take the time
  fetch,          // records do not come from the brokers as fast as they are processed
  // and these while none waits:
  interval_short,
  interval_long,
  idle,
  healthy,
};
inline constexpr size_t kAdviceKindCount = static_cast<size_t>(AdviceKind::healthy) + 1;
std::string_view to_string(AdviceKind kind);

struct Advice {
  AdviceKind kind = AdviceKind::idle;
  std::string text;  // a sentence with its numbers
  std::string knob;  // the key of the YAML to turn; empty: none helps
  std::string node;  // the stage, destination or partition that it is about; empty: the whole
};

}  // namespace millrace
