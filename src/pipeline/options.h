// EngineOptions: the numbers that workers run by. Values; a worker takes others between two batches
// (pipeline/version.h).
#pragma once

#include <cstdint>

#include "config/spec.h"
#include "io/broker.h"
#include "pipeline/rate_controller.h"

namespace millrace {

class BatchObserver;

// Rates in records a second; 0: none was set.
struct RateOptions {
  double max_per_partition = 0;
  double max = 0;      // of the instance
  double initial = 0;  // of the instance, in the first batches; none: from the batch's budget
  double min_per_partition = 1;
  BackpressureOptions backpressure;
};

struct EngineOptions {
  int workers = 1;
  Delivery delivery = Delivery::exactly_once;
  int64_t interval_ms = 1000;
  uint64_t max_records = 100'000;
  uint64_t max_bytes = 64ULL * 1024 * 1024;
  uint64_t held_bytes = 76ULL * 1024 * 1024;  // all workers together: 3/10 of memory.limit
  RateOptions rate;
  int64_t share_from_ns = 200'000;  // a chunk that takes less is not worth handing over
  bool share_chunks = true;         // idle workers take chunks of busy ones through the graph
  int64_t start_deadline_ms = 8000;
  int64_t call_deadline_ms = 5000;    // committed offsets, offsets into the transaction
  int64_t commit_deadline_ms = 8000;  // one EndTxn
  int64_t rebuild_deadline_ms = 8000;
  int64_t abort_deadline_ms = 1000;
  int64_t offsets_agree_ms = 1000;  // between two answers that name neither a batch's start nor its end; 0: one will do
  int64_t offsets_only_ms = 5000;   // at most one transaction in this time when only progress moved
  int64_t backoff_first_ms = 100;
  int64_t backoff_max_ms = 10'000;
  int64_t refused_limit_ms = 30'000;  // rights refused before the first assignment, until exit code 5
  int64_t no_progress_ms = 30'000;
  int max_isolated = 8;               // records of one batch that are found unsendable before the pipeline stops
  bool audit = true;                  // tests switch it off to see it missed
  bool second_audit = true;           // the same
  BatchObserver* observer = nullptr;  // outlives the workers; null: nobody wants to know
};

// From the knobs of the YAML.
EngineOptions engine_options(const config::PipelineSpec& spec);

}  // namespace millrace
