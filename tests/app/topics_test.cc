// Sizes of topics, times on the command line, progress.
#include "app/topics.h"

#include "app/progress.h"
#include "app/reconcile.h"
#include "support/catch.h"

using namespace millrace;

TEST_CASE("partitions for a rate", "[topics]") {
  CHECK(partitions_for({0, 0}, 10'000, 1) == 1);
  CHECK(partitions_for({0, 0}, 10'000, 2) == 2);
  CHECK(partitions_for({10'000, 0}, 10'000, 1) == 2);
  CHECK(partitions_for({10'001, 0}, 10'000, 1) == 3);
  CHECK(partitions_for({50'000, 0}, 10'000, 1) == 12);
  CHECK(partitions_for({0, 100 << 20}, 10'000, 1) == 48);
  CHECK(partitions_for({0, 0}, 10'000, 5) == 6);
  CHECK(partitions_for({1e12, 0}, 10'000, 5) == 200'000'000);
}

TEST_CASE("storage is rate times retention times replication", "[topics]") {
  const TopicRate rate{10, 1024};
  config::ExpectSpec expect;
  CHECK(storage_text(rate, expect, {}).find("not known") == 0);
  expect.retention_ms = 1'200'000;
  expect.replication = 3;
  CHECK(storage_text(rate, expect, {}) ==
        "3.5 MiB on all brokers together, before compression (retention 20m, replication 3)");
  expect.retention_ms = -1;
  CHECK(storage_text(rate, expect, {}) == "grows for ever, by 253 MiB a day (replication 3)");
}

TEST_CASE("where the brokers tell a topic's settings, storage goes by these, not by what the file expects",
          "[topics]") {
  const TopicRate rate{10, 1024};
  config::ExpectSpec expect;
  expect.retention_ms = 1'200'000;
  expect.replication = 3;
  TopicShape shape{4, 1, TopicSettings()};
  shape.settings->retention_ms = 2'400'000;
  CHECK(storage_text(rate, {}, shape) ==
        "2.3 MiB on all brokers together, before compression (retention 40m, replication 1, as the topic is)");
  CHECK(storage_text(rate, expect, shape) == storage_text(rate, {}, shape));
  shape.replication = 2;
  shape.settings->retention_bytes = 100 * 1024;
  CHECK(storage_text(rate, {}, shape) ==
        "800 KiB on all brokers together, before compression (retention 40m, at most 100 KiB a partition, "
        "replication 2, as the topic is)");
  shape.settings->deletes = false;
  CHECK(storage_text(rate, {}, shape) == "what compaction leaves of 169 MiB a day (replication 2)");
}

TEST_CASE("series of a metrics page are summed by a label", "[topics]") {
  const std::string page =
      "# HELP a_total x\na_total{pipeline=\"p\",topic=\"x\"} 3\na_total{pipeline=\"p\",topic=\"y\"} 4.5\n"
      "a_total{pipeline=\"p\",topic=\"x\",more=\"z\"} 1e2\na_total_of{topic=\"x\"} 9\nb_total{topic=\"x\"} 9";
  CHECK(sums_by(page, "a_total", "topic") == std::map<std::string, double>{{"x", 103}, {"y", 4.5}});
  CHECK(sums_by(page, "a_total", "") == std::map<std::string, double>{{"", 107.5}});
  CHECK(sums_by(page, "c_total", "topic").empty());
}

TEST_CASE("moments are times, now, or how long ago", "[reconcile]") {
  CHECK(moment_of("now", 5'000) == 5'000);
  CHECK(moment_of("2s", 5'000) == 3'000);
  CHECK(moment_of("1970-01-01T00:00:09Z", 5'000) == 9'000);
  CHECK_FALSE(moment_of("soon", 5'000).has_value());
}

TEST_CASE("progress says percent, rate and time left", "[reconcile]") {
  CHECK(progress_text("reading", 250, 1000, 10'000) == "reading: 25 %, 25/s, 31s left");
  CHECK(progress_text("reading", 1000, 1000, 10'000) == "reading: 100 %, 100/s");
  CHECK(progress_text("reading", 0, 1000, 0) == "reading: 0 %, 0/s");
}
