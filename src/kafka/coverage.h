// Coverage: which partitions of the sources nobody in the group has, and since when. A group of static members can end
// up so for good: a member that is killed between the two halves of a cooperative rebalance (KIP-429) comes back under
// its static name (KIP-345), is given what it had been left with, and the second half, which would have given away the
// rest, never begins.
//
// Passive: it is told what the group says of itself. Not thread-safe; owned by the clerk.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "record/progress.h"

namespace millrace {

// A group as its coordinator describes it.
struct GroupDescription {
  bool stable = false;   // no rebalance is under way
  bool at_rest = false;  // nor has anybody begun to join it: stable, or empty
  std::set<TopicPartition> assigned;
};

class Coverage {
 public:
  // `settle_ms`: so long the members may take to hear of a partition that is new.
  explicit Coverage(int64_t settle_ms) : settle_ms_(settle_ms) {}

  // One look at the group and at the sources, by topic the number of their partitions. Looks a minute apart or less.
  void look(int64_t now_ms, const std::map<std::string, int32_t>& partitions, const GroupDescription& group);

  // The group is made anew: what was seen before says nothing any more.
  void forget() {
    since_ms_.clear();
    at_rest_since_ms_ = -1;
  }

  // Those that every look of the last `wait_ms` found without an owner.
  [[nodiscard]] std::vector<TopicPartition> without_owner(int64_t now_ms, int64_t wait_ms) const;

  // So long every look has found the group at rest; 0: the last one did not.
  [[nodiscard]] int64_t at_rest_ms(int64_t now_ms) const {
    return at_rest_since_ms_ < 0 ? 0 : now_ms - at_rest_since_ms_;
  }

 private:
  const int64_t settle_ms_;
  std::map<TopicPartition, int64_t> known_ms_;  // when each was first heard of
  std::map<TopicPartition, int64_t> since_ms_;  // since when nobody has had it
  int64_t at_rest_since_ms_ = -1;
};

}  // namespace millrace
