// View: everything that the HTTP server shows, as one value, and what follows from it: readiness and the lag in time.
//
// Made by the app for each request from published snapshots; used by the thread that answers the request.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kafka/edge.h"
#include "pipeline/live_reconcile.h"
#include "pipeline/snapshot.h"
#include "status/advice_kind.h"
#include "status/catch_up.h"

namespace millrace {

// What does not change while the process runs, or with its configuration only.
struct ProgramFacts {
  std::string pipeline;
  std::string instance;
  std::string version;
  std::string librdkafka;
  std::string config_file;
  std::string config_hash;
  std::string graph;                                       // as `millrace graph` prints it
  std::vector<std::pair<std::string, std::string>> knobs;  // name, value with its unit
  int64_t started_wall_ms = 0;
  std::string graph_json;  // its nodes and edges: graph_json() of status/api.h
  int64_t interval_ms = 0;
  double rate_max_per_partition = 0;  // records a second; 0: no limit
  int64_t producer_batch_bytes = 1'000'000;
  uint64_t memory_limit_bytes = 0;
  size_t partition_series_max = 200;  // knob http.max_partition_series
};

// One reference table as it is in use.
struct TableView {
  std::string name;
  std::string file;
  uint64_t version = 1;  // counts up with each reading that was taken
  uint64_t rows = 0;
  uint64_t bytes = 0;
  int64_t read_wall_ms = 0;
  std::string error;  // why the newest file was refused; the one before is in use then
  uint64_t refusals = 0;
};

// How the configuration came to be the one that runs.
struct ReloadView {
  uint64_t applied = 0;  // everything that the file changed
  uint64_t partly = 0;   // something in it needs a restart
  uint64_t unchanged = 0;
  uint64_t refused = 0;
  int64_t tried_wall_ms = 0;         // the last one, however it ended; 0: none
  int64_t applied_wall_ms = 0;       // since when the present configuration runs
  std::string error;                 // of the last one, when it was refused: what is wrong, by file:line:column
  std::vector<std::string> waiting;  // what the file has, and only a restart takes
  std::vector<TableView> tables;
};

struct ProcessFacts {
  uint64_t resident_bytes = 0;
  double cpu_seconds = 0;
  uint64_t log_lines_suppressed = 0;     // by the rate limit
  uint64_t log_lines_lost = 0;           // stderr did not take them
  std::map<int, uint64_t> http_answers;  // by status code
};

// How the history fares (status/history.h).
struct HistoryStatus {
  std::string store;    // where the rows go; empty: there is no history
  std::string trouble;  // why they do not; empty when they do
  uint64_t batches_written = 0;
  uint64_t events_written = 0;
  uint64_t dropped = 0;
  uint64_t waiting = 0;
};

struct View {
  const ProgramFacts* program = nullptr;
  HistoryStatus history;
  Advice advice;                              // of the last look
  CatchUp catch_up;                           // of the last look
  std::map<std::string, double> written;      // bytes a second to each topic, over the last minutes
  std::shared_ptr<const ProgramFacts> facts;  // keeps `program`, which another configuration replaces; may be null
  ReloadView reload;
  ProcessFacts process;
  Snapshot engine;
  EdgeSnapshot edge;
  std::vector<ReconcileStatus> reconcile;  // of each topic that is written to
  std::string standstill;                  // which loop stands still; empty when all turn
  std::string ending;                      // why the process is about to end; empty while it is to go on
};

// Why the pipeline is not ready, one reason a line; empty when it is.
std::vector<std::string> reasons_not_ready(const View& view);

// A partition as both the engine and the edge know it.
struct PartitionView {
  TopicPartition partition;
  int worker = -1;
  int64_t committed = -1;
  int64_t low = -1;
  int64_t end = -1;
  int64_t lag_records = -1;  // -1: not known
  double lag_seconds = -1;   // -1: not known
  std::string stopped;       // why it is not read
  // Seconds until the broker may delete its oldest unread record; empty: nothing is unread, nothing is deleted, or it
  // is not known.
  std::optional<double> headroom_seconds = {};
};
std::vector<PartitionView> partition_views(const View& view);

// Records that wait in all of them; -1: of none it is known.
int64_t lag_of(const std::vector<PartitionView>& partitions);

// Bytes that each topic which is written to comes to on all brokers, by topic: kafka/retention.h. Without those of
// which retention is not known, or which only grow.
std::map<std::string, double> storage_needed(const View& view);

ProcessFacts read_process_facts();

// The pages.
std::string metrics_page(const View& view);
std::string json_page(const View& view);
std::string plain_page(const View& view);

}  // namespace millrace
