// Readers of destinations: how far the groups are that read what we write. Blocks on the brokers; for the clerk's
// thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kafka/admin.h"
#include "kafka/destinations.h"

namespace millrace {

// A group that reads a destination's topic.
struct ReaderSnapshot {
  std::string destination;
  std::string topic;
  std::string group;
  // partition -> records between what the group has committed and the end. Partitions without a commit count from the
  // first record that is there.
  std::map<int32_t, int64_t> lag;
};

struct ReaderLags {
  std::vector<ReaderSnapshot> readers;
  std::string trouble;  // why some are left out; empty: none is
};

// One request for the ends, one for each group. A group that may not be seen is left out without the others; when
// nobody answers, no further one is asked. Topics that are not known yet are left out silently.
ReaderLags ask_reader_lags(Admin& admin, const std::vector<DestinationSettings>& destinations, const LimitsList& limits,
                           int timeout_ms);

// The pure part of it: `starts` are needed for partitions without a commit only.
ReaderSnapshot reader_lag(const DestinationSettings& destination, const std::string& group, int32_t partitions,
                          const Progress& committed, const Progress& starts, const Progress& ends);

}  // namespace millrace
