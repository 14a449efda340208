// Partitions that nobody in the group has: when they are told, and when they are not.
#include "kafka/coverage.h"

#include "support/catch.h"

using namespace millrace;

namespace {

constexpr int64_t kSettleMs = 30'000;
constexpr int64_t kWaitMs = 5'000;
const std::map<std::string, int32_t> kSources = {{"in", 3}};

GroupDescription stable(std::set<TopicPartition> assigned) {
  return {true, true, std::move(assigned)};
}

const GroupDescription kEmpty{false, true, {}};
const GroupDescription kRebalancing = {};

}  // namespace

TEST_CASE("a partition that nobody has is told when that lasts") {
  Coverage coverage(kSettleMs);
  coverage.look(0, kSources, stable({{"in", 0}, {"in", 2}}));
  CHECK(coverage.without_owner(4'999, kWaitMs).empty());
  coverage.look(4'000, kSources, stable({{"in", 0}, {"in", 2}}));
  CHECK(coverage.without_owner(5'000, kWaitMs) == std::vector<TopicPartition>{{"in", 1}});
  SECTION("until somebody has it") {
    coverage.look(6'000, kSources, stable({{"in", 0}, {"in", 1}, {"in", 2}}));
    CHECK(coverage.without_owner(60'000, kWaitMs).empty());
  }
  SECTION("a rebalance begins the wait anew") {
    coverage.look(6'000, kSources, kRebalancing);
    CHECK(coverage.without_owner(60'000, kWaitMs).empty());
    coverage.look(7'000, kSources, stable({{"in", 0}}));
    CHECK(coverage.without_owner(11'999, kWaitMs).empty());
    CHECK(coverage.without_owner(12'000, kWaitMs).size() == 2);
  }
  SECTION("or its topic is gone") {
    coverage.look(6'000, {{"other", 1}}, stable({{"other", 0}}));
    CHECK(coverage.without_owner(60'000, kWaitMs).empty());
  }
  SECTION("and so does whoever heard of one") {
    coverage.forget();
    CHECK(coverage.without_owner(60'000, kWaitMs).empty());
  }
}

TEST_CASE("a partition that is new has the time that members take to hear of it") {
  Coverage coverage(kSettleMs);
  coverage.look(0, kSources, stable({{"in", 0}, {"in", 1}, {"in", 2}}));
  const std::map<std::string, int32_t> grown = {{"in", 4}};
  for (int64_t now_ms = 1'000; now_ms <= 41'000; now_ms += 5'000) {
    coverage.look(now_ms, grown, stable({{"in", 0}, {"in", 1}, {"in", 2}}));
    CHECK(coverage.without_owner(now_ms, kWaitMs).empty() == (now_ms < 1'000 + kSettleMs + kWaitMs));
  }
}

TEST_CASE("a group is at rest as long as nobody begins to join it, with members or without") {
  Coverage coverage(kSettleMs);
  CHECK(coverage.at_rest_ms(1'000) == 0);
  coverage.look(1'000, kSources, stable({{"in", 0}}));
  coverage.look(6'000, kSources, kEmpty);
  CHECK(coverage.at_rest_ms(11'000) == 10'000);
  SECTION("a rebalance ends that") {
    coverage.look(11'000, kSources, kRebalancing);
    CHECK(coverage.at_rest_ms(12'000) == 0);
    coverage.look(16'000, kSources, kEmpty);
    CHECK(coverage.at_rest_ms(18'000) == 2'000);
  }
  SECTION("and so does one that is heard of") {
    coverage.forget();
    CHECK(coverage.at_rest_ms(12'000) == 0);
  }
}
