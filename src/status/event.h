// Event: something that happened to the pipeline, for the history and the page. And what happened between two views of
// it. Values and a pure function; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "status/view.h"

namespace millrace {

struct Event {
  int64_t at_ms = 0;    // wall time
  std::string kind;     // of the fixed set below
  std::string subject;  // whom it concerns: a worker, a topic with its partitions, a broker
  std::string text;     // what is known of it
};

// start, stop, reload, reload_refused, table, table_refused; threshold, offset_audit, policy_stop (any other policy
// that ends the process with 8): told by the app. partition_assigned, partition_revoked, partition_lost;
// worker_started, worker_stopped, worker_failed, worker_blocked, worker_goes_on; connection_lost, connection_regained;
// recovery; data_loss, partition_stopped; destination_unusable, destination_usable: follow from what was seen.

// What changed from `before` to `now`, both of the same process. Partitions of a topic come as one event.
std::vector<Event> events_between(const View& before, const View& now);

}  // namespace millrace
