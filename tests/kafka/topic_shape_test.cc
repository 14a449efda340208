// What `expect` says against what brokers say, and the lines that mend it.
#include "kafka/topic_shape.h"

#include "support/catch.h"

using namespace millrace;

namespace {

const std::vector<std::string> kBrokers = {"b1:9092", "b2:9092"};
constexpr int64_t kDayMs = 86'400'000;

TopicSettings kept_for(int64_t retention_ms) {
  TopicSettings settings;
  settings.retention_ms = retention_ms;
  return settings;
}

}  // namespace

TEST_CASE("nothing expected, nothing wrong") {
  CHECK(differences("t", {}, {3, 1}, kept_for(1), kBrokers).empty());
  CHECK(differences("t", {12, 3, 7 * kDayMs}, {12, 3}, kept_for(7 * kDayMs), kBrokers).empty());
  CHECK(differences("t", {{}, {}, TopicExpectation::kForever}, {1, 1}, kept_for(-1), kBrokers).empty());
}

TEST_CASE("each difference comes with its line") {
  const auto more = differences("t", {12, 3, 7 * kDayMs}, {6, 1}, kept_for(kDayMs), kBrokers);
  REQUIRE(more.size() == 3);
  CHECK(more[0] ==
        "has 6 partitions, expected 12; kafka-topics.sh --bootstrap-server b1:9092,b2:9092 --alter --topic t "
        "--partitions "
        "12 (keys change their partitions then)");
  CHECK(more[1].find("has 1 replicas, expected 3; kafka-reassign-partitions.sh") == 0);
  CHECK(more[2] ==
        "retention.ms is 1d, expected 7d; kafka-configs.sh --bootstrap-server b1:9092,b2:9092 --alter --entity-type "
        "topics --entity-name t --add-config retention.ms=604800000");
  CHECK(differences("t", {3, {}, {}}, {6, 1}, {}, kBrokers)[0].find("partitions cannot be taken away") !=
        std::string::npos);
}

TEST_CASE("a retention that does not hold is a difference, whatever its number") {
  TopicSettings sized = kept_for(7 * kDayMs);
  sized.retention_bytes = 1 << 30;
  const auto by_size = differences("t", {{}, {}, 7 * kDayMs}, {1, 1}, sized, kBrokers);
  REQUIRE(by_size.size() == 1);
  CHECK(by_size[0].find("retention.bytes is 1GiB") == 0);
  TopicSettings compacted = kept_for(7 * kDayMs);
  compacted.compacted = true;
  compacted.deletes = false;
  CHECK(differences("t", {{}, {}, 7 * kDayMs}, {1, 1}, compacted, kBrokers).at(0).find("cleanup.policy is compact") ==
        0);
  CHECK(differences("t", {{}, {}, TopicExpectation::kForever}, {1, 1}, compacted, kBrokers).empty());
}

TEST_CASE("settings are shown with where they come from") {
  TopicSettings settings;
  settings.origin["retention.ms"] = {"3600000", true, "604800000"};
  settings.origin["cleanup.policy"] = {"delete", false, "delete"};
  settings.origin["max.message.bytes"] = {"1048588", false, "1048588"};
  CHECK(settings_text(settings) ==
        "retention.ms 1h (the topic's own; broker's default 7d), cleanup.policy delete (broker's default), "
        "max.message.bytes 1048588B (broker's default)");
  CHECK(settings_text({}) == "the broker tells no settings");
}

TEST_CASE("the line that creates a topic leaves out what nobody said") {
  CHECK(create_line(kBrokers, "t", 0, -1, {}) ==
        "kafka-topics.sh --bootstrap-server b1:9092,b2:9092 --create --if-not-exists --topic t");
  CHECK(create_line({"b:1"}, "t", 12, 3, kDayMs) ==
        "kafka-topics.sh --bootstrap-server b:1 --create --if-not-exists --topic t --partitions 12 "
        "--replication-factor 3 "
        "--config retention.ms=86400000");
}
