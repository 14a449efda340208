// What holds a worker's reading back, and the numbers behind it. Values, made by the worker, shown to anybody.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace {

enum class RateState : uint8_t {
  free,       // nothing is held back
  limited,    // by a rate of the configuration, or by the bound of the first batches
  saturated,  // by the controller: the batches would not fit their interval
  blocked,    // brokers or a destination cannot be used; nothing is read
};
inline constexpr size_t kRateStateCount = static_cast<size_t>(RateState::blocked) + 1;
std::string_view to_string(RateState state);

// Which limit ended the reading of a batch, or of one partition in it.
enum class RateCause : uint8_t { none, max_per_partition, max, initial, backpressure };
inline constexpr size_t kRateCauseCount = static_cast<size_t>(RateCause::backpressure) + 1;
std::string_view to_string(RateCause cause);

// What the last batch that taught the controller came to; records a second. target = before - p - i - d.
struct RateTerms {
  double pace = 0;  // at which the batch was worked off, its commit's fixed cost spread over the interval
  double proportional = 0;
  double integral = 0;
  double derived = 0;
};

struct RateStatus {
  RateState state = RateState::free;
  RateCause cause = RateCause::none;  // of the last batch
  double target_rate = 0;             // of this worker, records a second, by the controller; 0: none
  RateTerms terms;
  double fixed_seconds = 0;                           // time of a commit whatever the batch holds; 0: not known yet
  double batch_seconds = 0;                           // what a batch is meant to take
  std::array<uint64_t, kRateCauseCount> held_back{};  // batches in which reading was held back, by cause
};

}  // namespace millrace
