// How much time is left before a broker deletes what was not read yet. Pure; any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "kafka/admin.h"

namespace millrace {

// The pace at which a number that only grows has grown over the last minutes.
class Pace {
 public:
  // A reading, at mono_ms; the pace since the oldest reading that is kept (five minutes), in units a second.
  double add(int64_t now_ms, int64_t value);

 private:
  std::deque<std::pair<int64_t, int64_t>> readings_;
};

struct Unread {
  int64_t low = -1;        // first offset that the broker keeps
  int64_t committed = -1;  // the next one to read
  int64_t end = -1;        // last stable offset
  double low_pace = 0;     // offsets a second by which `low` goes up
  int64_t before_ms = -1;  // timestamp of a record at or just before the oldest unread one; -1: not known
};

// Seconds until the oldest unread record may be deleted, by age or by size, whichever comes first; 0 when it is due.
// Empty: nothing is unread, nothing is ever deleted, or it is not known. By age: Kafka deletes a segment when its
// newest record is retention.ms old, so a record lives for that long at the least. By size: as long as the first offset
// needs, at its present pace, to get there.
std::optional<double> retention_headroom_s(const TopicSettings& settings, const Unread& unread, int64_t now_wall_ms);

// Bytes that a topic comes to on all brokers together when it is written at this pace, before compression: pace x
// retention.ms x replication, at most retention.bytes for each partition and replica. Empty: it only grows, or
// compaction decides.
std::optional<double> storage_bytes(const TopicSettings& settings, double bytes_per_second, int64_t partitions,
                                    int64_t replication);

}  // namespace millrace
