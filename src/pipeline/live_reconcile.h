// LiveReconcile: the growth of exclusive destinations against what this instance committed to them, while it runs.
//
// A topic's log grows by the records of transactions and one marker for each partition and transaction. What lies below
// the last stable offset belongs to transactions that have ended; what was committed lies below the high watermark. So,
// from a baseline on:
//   stable end now - high watermark then  <=  committed until after the look - committed until before the baseline
//   committed until before the look - committed until after the baseline  <=  high watermark now - stable end then
// What breaks the first is a record that we did not send; what breaks the second is a record that is gone. Both are
// exact when nothing is written while one looks. An aborted transaction leaves records that nobody counts: the baseline
// is then taken anew.
//
// One thread. Pure: whoever owns it asks the brokers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/snapshot.h"

namespace millrace {

// Summed over the partitions of a topic.
struct TopicEnds {
  int64_t stable = 0;  // last stable offsets
  int64_t high = 0;    // high watermarks
};

struct ReconcileStatus {
  std::string destination;
  std::string topic;
  bool decidable = false;
  std::string reason;      // why not
  int64_t difference = 0;  // records: above 0 not sent by us, below 0 gone. At least so many
};

class LiveReconcile {
 public:
  struct Topic {
    std::string destination;
    std::string topic;
    std::string undecidable;  // why it never is; empty: it may be
  };
  // What was committed, and what breaks the count when it changes.
  struct Seen {
    std::map<std::string, uint64_t> written;  // records and markers by topic
    uint64_t disturbances = 0;                // recoveries, dropped batches, rebalances
    std::string alone;                        // empty: this instance has all partitions; else why not
  };
  static Seen seen(const Snapshot& engine, uint64_t rebalances, std::string alone);

  explicit LiveReconcile(const std::vector<Topic>& topics) { change(topics); }

  // Other topics: what is known of those that stay, stays.
  void change(const std::vector<Topic>& topics);

  // One look: `before` and `after` were taken around asking for `ends` (with time enough for a commit that is through
  // at the broker to be counted).
  void add(const Seen& before, const std::map<std::string, TopicEnds>& ends, const Seen& after);
  // The brokers did not say.
  void unknown(const std::string& why);
  [[nodiscard]] const std::vector<ReconcileStatus>& status() const { return status_; }

 private:
  struct Baseline {
    Seen before;
    Seen after;
    TopicEnds ends;
  };
  std::vector<Topic> topics_;
  std::map<std::string, Baseline> baselines_;
  std::vector<ReconcileStatus> status_;
};

}  // namespace millrace
