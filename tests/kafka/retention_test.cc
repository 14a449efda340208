#include "kafka/retention.h"

#include "kafka/readers.h"
#include "support/catch.h"

namespace millrace {

namespace {

constexpr int64_t kNow = 1'700'000'000'000;

TopicSettings kept_for(int64_t ms, int64_t bytes = -1) {
  TopicSettings settings;
  settings.retention_ms = ms;
  settings.retention_bytes = bytes;
  return settings;
}

// Ten records unread of a hundred, the oldest of them ten minutes old.
Unread some_unread() {
  Unread unread;
  unread.low = 40;
  unread.committed = 90;
  unread.end = 100;
  unread.before_ms = kNow - 600'000;
  return unread;
}

}  // namespace

TEST_CASE("What retention leaves is counted from the record before the oldest unread one") {
  CHECK(retention_headroom_s(kept_for(3'600'000), some_unread(), kNow) == 3000);
  CHECK(retention_headroom_s(kept_for(300'000), some_unread(), kNow) == 0);
}

TEST_CASE("By size, what is left follows from the pace of the first offset; the shorter time counts") {
  Unread unread = some_unread();
  unread.low_pace = 0.5;
  CHECK(retention_headroom_s(kept_for(-1, 1 << 30), unread, kNow) == 100);
  CHECK(retention_headroom_s(kept_for(3'600'000, 1 << 30), unread, kNow) == 100);
  unread.low_pace = 0;
  CHECK_FALSE(retention_headroom_s(kept_for(-1, 1 << 30), unread, kNow));
}

TEST_CASE("Storage is pace times retention times replication, and no more than the partitions may hold") {
  CHECK(storage_bytes(kept_for(86'400'000), 1000, 4, 3) == 1000.0 * 86'400 * 3);
  CHECK(storage_bytes(kept_for(86'400'000, 1 << 20), 1000, 4, 3) == 4.0 * (1 << 20) * 3);
  CHECK(storage_bytes(kept_for(86'400'000, 1 << 30), 1000, 4, 3) == 1000.0 * 86'400 * 3);
  CHECK(storage_bytes(kept_for(-1, 1 << 20), 1000, 4, 1) == 4.0 * (1 << 20));
  CHECK(storage_bytes(kept_for(1'000), 1000, 4, 0) == 1000);  // replication is not known: once at least
  CHECK_FALSE(storage_bytes(kept_for(-1), 1000, 4, 3));
  TopicSettings compacted = kept_for(86'400'000);
  compacted.deletes = false;
  CHECK_FALSE(storage_bytes(compacted, 1000, 4, 3));
}

TEST_CASE("Nothing is in danger where nothing is unread, deleted or known") {
  Unread read = some_unread();
  read.committed = read.end;
  CHECK_FALSE(retention_headroom_s(kept_for(3'600'000), read, kNow));
  CHECK_FALSE(retention_headroom_s(kept_for(-1), some_unread(), kNow));
  TopicSettings compacted = kept_for(3'600'000);
  compacted.deletes = false;
  CHECK_FALSE(retention_headroom_s(compacted, some_unread(), kNow));
  Unread timeless = some_unread();
  timeless.before_ms = -1;
  CHECK_FALSE(retention_headroom_s(kept_for(3'600'000), timeless, kNow));
}

TEST_CASE("A pace is that of the last five minutes, and begins anew when the number goes back") {
  Pace pace;
  CHECK(pace.add(0, 100) == 0);
  CHECK(pace.add(10'000, 200) == 10);
  for (int64_t at = 20'000; at <= 1'000'000; at += 10'000) pace.add(at, 200);
  CHECK(pace.add(1'010'000, 200) == 0);
  CHECK(pace.add(1'020'000, 5) == 0);
}

TEST_CASE("The lag of a reader counts from its commit, or from the first record that is there") {
  DestinationSettings destination;
  destination.name = "out";
  destination.topic = "t";
  const ReaderSnapshot reader =
      reader_lag(destination, "g", 4, {{{"t", 0}, 90}, {{"t", 3}, 120}}, {{{"t", 0}, 0}, {{"t", 1}, 20}},
                 {{{"t", 0}, 100}, {{"t", 1}, 100}, {{"t", 2}, 100}, {{"t", 3}, 100}});
  CHECK(reader.destination == "out");
  CHECK(reader.group == "g");
  CHECK(reader.lag == std::map<int32_t, int64_t>{{0, 10}, {1, 80}, {3, 0}});
}

}  // namespace millrace
