// Stage: what a node between sources and destinations is; StageKind: how the YAML makes one.
//
// A stage is a pure function of the records and its own config: no I/O, no threads, no locks, no clock but the batch's.
// One instance for each worker, used by that worker only. It settles every record it gets exactly once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/check.h"
#include "config/node.h"
#include "expr/program.h"
#include "expr/table.h"
#include "record/reject.h"
#include "stage/item.h"

namespace millrace {

// How a record leaves a stage other than through a port.
struct StageCounts {
  uint64_t in = 0;
  uint64_t filtered = 0;
  uint64_t unmatched = 0;
  std::array<uint64_t, kRejectReasonCount> rejected{};
  std::array<uint64_t, expr::kErrorKindCount> errors{};  // failed expressions by kind
};

// A rejected record waits here for its node's on_error policy.
struct Rejected {
  const Item* item = nullptr;
  RejectReason reason = RejectReason::none;
  std::string_view error;  // in the arena
};

// Where a stage settles its records. One for each stage and worker; emptied by the executor for each chunk.
class StageOutput {
 public:
  explicit StageOutput(size_t ports) : ports_(ports) {}

  void emit(size_t port, const Item* item) { ports_[port].push_back(item); }
  void filtered(const Item*) { ++counts_.filtered; }
  void unmatched(const Item*) { ++counts_.unmatched; }
  // `error` is copied into the arena by the caller.
  void reject(const Item* item, RejectReason reason, std::string_view error) {
    rejected_.push_back({item, reason, error});
    ++counts_.rejected[static_cast<size_t>(reason)];
  }
  void count_error(expr::ErrorKind kind) { ++counts_.errors[static_cast<size_t>(kind)]; }

  // For the executor.
  [[nodiscard]] std::vector<std::vector<const Item*>>& ports() { return ports_; }
  [[nodiscard]] std::vector<Rejected>& rejected() { return rejected_; }
  [[nodiscard]] StageCounts& counts() { return counts_; }
  void begin_chunk() {
    for (auto& port : ports_) port.clear();
    rejected_.clear();
  }

 private:
  std::vector<std::vector<const Item*>> ports_;
  std::vector<Rejected> rejected_;
  StageCounts counts_;
};

// What a stage may use while it works on a chunk.
struct StageContext {
  Arena& arena;                // of the batch
  expr::Evaluator& evaluator;  // of the worker; its made values go into the same arena
  expr::Decoder* decoder;      // of the pipeline's format, for a value that has to be read again; null for bytes
  expr::Encoder* encoder;      // null where the format has none
  int64_t now_ms;              // the batch's time

  [[nodiscard]] expr::Scope scope(const Item& item) const { return {&item.record, item.fields, now_ms}; }
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual void process(std::span<const Item* const> in, StageContext& context, StageOutput& out) = 0;
};

// What reading a stage's YAML gives: its ports, and how to make one instance.
struct StagePlan {
  std::vector<std::string> ports;                // {""}: one port, named like the stage
  bool edits_value = false;                      // needs an encoder at every destination below it
  std::function<std::unique_ptr<Stage>()> make;  // called once for each worker; null when there were errors
  // By which port `on_error: keep` lets a rejected record go on; empty: by the only one there is.
  std::optional<size_t> keep_port;
};

// What a stage kind reads its config from.
struct StageSetup {
  config::Diagnostics& diagnostics;
  const config::Node& body;  // the node under the kind's key: `filter:`, `classify:`, ...
  expr::Compiler& compiler;
  expr::FieldPlan& plan;
  std::string what = "stage";  // names the stage in messages: "stage `size`"
};

struct StageKind {
  std::string_view name;   // the YAML key, and the name of the file in stages/
  std::string_view help;   // one line
  std::string_view usage;  // a few lines of YAML
  StagePlan (*read)(StageSetup& setup);
};

}  // namespace millrace
