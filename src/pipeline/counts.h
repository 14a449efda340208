// Counts: what became of the records of a batch, node by node, and the balance sheet over them.
//
// Plain integers, bumped by one worker while it runs a batch; added to the totals when the batch is settled, so that a
// record counts once however often its batch was replayed. A value; no locking of its own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "expr/value.h"
#include "record/reject.h"

namespace millrace {

using ReasonCounts = std::array<uint64_t, kRejectReasonCount>;
using ErrorKindCounts = std::array<uint64_t, expr::kErrorKindCount>;

struct Tally {
  uint64_t records = 0;
  uint64_t bytes = 0;  // of values and keys
  void add(const Tally& other) {
    records += other.records;
    bytes += other.bytes;
  }
};

// What a node's on_error made of its rejected records, by reason.
struct PolicyCounts {
  ReasonCounts dead{};
  ReasonCounts dropped{};
  ReasonCounts kept{};  // went on as they came; they count as output of the node
  void add(const PolicyCounts& other);
  [[nodiscard]] uint64_t dead_total() const;
  [[nodiscard]] uint64_t dropped_total() const;
};

struct SourceCounts {
  Tally read;
  int64_t busy_ns = 0;  // decoding: estimated from every kTimedEvery-th chunk, as for the other nodes
  uint64_t out = 0;
  PolicyCounts policy;
  void add(const SourceCounts& other);
};

struct StageTotals {
  Tally in;
  std::vector<Tally> ports;  // as in the graph's node
  uint64_t out = 0;          // through ports that somebody reads
  uint64_t filtered = 0;
  uint64_t unmatched = 0;  // no rule held, or the port is read by nobody
  int64_t busy_ns = 0;
  PolicyCounts policy;
  ErrorKindCounts errors{};  // failed expressions by kind
  void add_all_but_ports(const StageTotals& other);
};

// Of one destination topic (a destination with {port} has several).
struct DestinationCounts {
  uint64_t in = 0;
  int64_t busy_ns = 0;  // encoding; a destination with {port} counts it for its first topic
  Tally sent;
  PolicyCounts policy;
  void add(const DestinationCounts& other);
};

struct DeadLetterCounts {
  Tally sent;
  uint64_t stubs = 0;  // of `sent`: did not fit, only their start was written
  void add(const DeadLetterCounts& other);
};

// read + copies = sent + filtered + unmatched + dead + dropped.
struct BalanceSheet {
  uint64_t read = 0;
  uint64_t copies = 0;  // readers of an output beyond the first
  uint64_t sent = 0;
  uint64_t filtered = 0;
  uint64_t unmatched = 0;
  uint64_t dead = 0;
  uint64_t dropped = 0;
  [[nodiscard]] bool closes() const { return read + copies == sent + filtered + unmatched + dead + dropped; }
  [[nodiscard]] std::string text() const;
};

struct Counts {
  std::vector<SourceCounts> sources;
  std::vector<StageTotals> stages;              // in the graph's (topological) order
  std::vector<DestinationCounts> destinations;  // by topic index
  DeadLetterCounts dead_letters;
  uint64_t copies = 0;

  // Zero for a graph of this shape: `ports` has the number of ports of each stage.
  void shape(size_t source_count, const std::vector<size_t>& ports, size_t topic_count);
  void clear();
  // `other` is of the same graph; more nodes may follow here, of graphs before it (pipeline/node_names.h).
  void add(const Counts& other);

  [[nodiscard]] BalanceSheet sheet() const;
  // Rejected records of all nodes by reason, whatever on_error made of them.
  [[nodiscard]] ReasonCounts rejected() const;
  // Empty when the pipeline's sheet and the sheet of every node close; else the first one that does not.
  [[nodiscard]] std::string imbalance() const;
};

}  // namespace millrace
