// Advice: one sentence on what limits the pipeline now, with its numbers, and the knob to turn. A pure function of what
// was seen in a window; any thread.
#pragma once

#include <cstdint>
#include <span>

#include "status/advice_kind.h"
#include "status/view.h"

namespace millrace {

// What the advice is made from: the state now, and what has happened since `seconds` ago.
struct AdviceInput {
  const View* now = nullptr;
  const Counts* before = nullptr;  // of the same shape as now->engine.totals.counts, else it counts as all zero
  double seconds = 0;
  std::span<const BatchRow> batches;  // that were settled since
  uint64_t recoveries = 0;            // since
  CatchUp catch_up;                   // now
  uint64_t helped_chunks = 0;         // since: that workers took through the graph for others
};

// `input` covers at least a few intervals; with less than one second there is nothing to say but the state.
Advice advise(const AdviceInput& input);

}  // namespace millrace
