// What differs between two versions of a file, and how a running daemon takes each difference. The same code for
// `millrace diff` and for a reload. Pure functions; used by the thread that loads a config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/spec.h"

namespace millrace::config {

enum class Applies : uint8_t {
  live,           // at once
  next_batch,     // each worker, between two batches
  new_producer,   // so, and each worker makes a new producer before its next batch
  needs_restart,  // not by a running daemon: it stays as it is
};
std::string_view to_string(Applies applies);

// How a running daemon takes another value of a knob. batch.interval takes a new producer where the transaction's
// time-out follows it.
Applies knob_applies(const KnobInfo& knob);

struct Change {
  std::string what;  // the key in the YAML: "batch.interval", "stages.humans.filter"
  std::string from;  // both empty: a value that is long, or that nobody is to read
  std::string to;
  Applies applies = Applies::next_batch;
  Position position;  // in the new file; line 0: it is not there
};

// In the order of the file. `started_with` is the document that the daemon was started with: what it read then, and
// what nothing here knows better, is compared with that one.
std::vector<Change> changes_between(const PipelineSpec& running, const Node& started_with, const PipelineSpec& fresh);

// `fresh`, as far as a daemon that runs `running` can take it. Where the sources themselves differ, no node can change:
// the graph stands on them.
PipelineSpec applicable(const PipelineSpec& running, const PipelineSpec& fresh, const std::vector<Change>& changes);

// "batch.interval: 1s -> 2s (next batch)".
std::string words_of(const Change& change);
// The same behind its place: "/etc/a.yaml:3:9: batch.interval: 1s -> 2s (next batch)".
std::string text_of(const Change& change, const std::string& file);

}  // namespace millrace::config
