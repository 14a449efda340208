// The answers of /api/... beside the status itself: pure functions to JSON. Any thread.
#pragma once

#include <string>

#include "pipeline/graph.h"
#include "status/json_writer.h"
#include "status/recorder.h"
#include "status/view.h"

namespace millrace {

// {"nodes": [{id, role, name, kind, index}], "edges": [{from, to, port}]}: for the drawing of the status page.
std::string graph_json(const Graph& graph);

// "partitions": [...] of this instance, and "spread": [...] of every source and destination; parts of two pages.
void write_partitions(JsonWriter& out, const View& view);
void write_spread(JsonWriter& out, const Snapshot& engine);
std::string partitions_json(const View& view);
std::string knobs_json(const View& view);
// The advice as one object; a page may have it among other things.
void write_advice(JsonWriter& out, const Advice& advice);
std::string advice_json(const Advice& advice);
// Without a recorder: an empty list.
std::string batches_json(const Recorder* recorder);
std::string events_json(const Recorder* recorder);
std::string timeline_json(const Recorder* recorder);

}  // namespace millrace
