#include "pipeline/options.h"

namespace millrace {

EngineOptions engine_options(const config::PipelineSpec& spec) {
  const config::Knobs& knobs = spec.knobs;
  EngineOptions options;
  options.workers = static_cast<int>(knobs.workers);
  options.delivery = spec.delivery;
  options.interval_ms = knobs.batch_interval_ms;
  options.max_records = static_cast<uint64_t>(knobs.batch_max_records);
  options.max_bytes = static_cast<uint64_t>(knobs.batch_max_bytes);
  options.held_bytes = static_cast<uint64_t>(knobs.memory_limit_bytes) / 10 * 3;
  options.share_chunks = knobs.share_chunks;
  options.rate.max_per_partition = knobs.rate_max_per_partition;
  options.rate.max = knobs.rate_max;
  options.rate.initial = knobs.rate_initial;
  options.rate.min_per_partition = knobs.rate_min_per_partition;
  options.rate.backpressure = {knobs.backpressure_enabled, knobs.backpressure_proportional, knobs.backpressure_integral,
                               knobs.backpressure_derived, knobs.backpressure_min_rate};
  options.start_deadline_ms = knobs.commit_deadline_ms;
  options.call_deadline_ms = knobs.socket_timeout_ms;
  options.commit_deadline_ms = knobs.commit_deadline_ms;
  options.rebuild_deadline_ms = knobs.commit_deadline_ms;
  options.abort_deadline_ms = knobs.abort_limit_ms;
  options.offsets_only_ms = knobs.offsets_interval_ms;
  options.backoff_max_ms = knobs.recovery_backoff_max_ms;
  options.refused_limit_ms = knobs.refused_limit_ms;
  options.no_progress_ms = knobs.no_progress_limit_ms;
  options.max_isolated = static_cast<int>(knobs.recovery_max_isolated);
  return options;
}

static_assert(static_cast<int>(Delivery::exactly_once) == static_cast<int>(config::Delivery::exactly_once));
static_assert(static_cast<int>(Delivery::at_least_once) == static_cast<int>(config::Delivery::at_least_once));
static_assert(static_cast<int>(Delivery::sync) == static_cast<int>(config::Delivery::sync));
static_assert(static_cast<int>(Delivery::fire_and_forget) == static_cast<int>(config::Delivery::fire_and_forget));

}  // namespace millrace
