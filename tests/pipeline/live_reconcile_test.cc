// The growth of a destination against what was committed to it.
#include "pipeline/live_reconcile.h"

#include "support/catch.h"

using namespace millrace;

namespace {

LiveReconcile::Seen seen(uint64_t written, uint64_t disturbances = 0, const std::string& alone = "") {
  return {{{"t", written}}, disturbances, alone};
}

std::map<std::string, TopicEnds> ends(int64_t stable, int64_t high) {
  return {{"t", {stable, high}}};
}

}  // namespace

TEST_CASE("nothing written, nothing wrong; at rest it is exact") {
  LiveReconcile live({{"d", "t", ""}});
  CHECK_FALSE(live.status()[0].decidable);
  live.add(seen(0), ends(100, 100), seen(0));
  CHECK(live.status()[0].decidable);
  live.add(seen(50), ends(150, 150), seen(50));
  CHECK(live.status()[0].difference == 0);
  SECTION("one record of another writer") {
    live.add(seen(60), ends(161, 161), seen(60));
    CHECK(live.status()[0].difference == 1);
    live.add(seen(70), ends(171, 171), seen(70));
    CHECK(live.status()[0].difference == 1);
  }
  SECTION("one record is gone") {
    live.add(seen(60), ends(159, 159), seen(60));
    CHECK(live.status()[0].difference == -1);
  }
}

TEST_CASE("while it writes there is no false alarm, and a large difference is seen") {
  LiveReconcile live({{"d", "t", ""}});
  // At the baseline 30 records of an open transaction are there.
  live.add(seen(0), ends(100, 130), seen(0));
  // They are committed, and 40 of the next are open.
  live.add(seen(0), ends(131, 171), seen(31));
  CHECK(live.status()[0].difference == 0);
  live.add(seen(31), ends(131, 171), seen(72));
  CHECK(live.status()[0].difference == 0);
  live.add(seen(72), ends(172 + 200, 172 + 200), seen(72));
  CHECK(live.status()[0].difference > 100);
}

TEST_CASE("aborted records begin a new count; other instances and silence make it undecidable") {
  LiveReconcile live({{"d", "t", ""}, {"e", "u", "not exclusive"}});
  live.add(seen(0), ends(100, 100), seen(0));
  live.add(seen(10, 1), ends(140, 140), seen(10, 1));  // 30 aborted ones
  CHECK(live.status()[0].decidable);
  CHECK(live.status()[0].difference == 0);
  live.add(seen(20, 1), ends(150, 150), seen(20, 1));
  CHECK(live.status()[0].difference == 0);
  live.add(seen(20, 1), ends(150, 150), seen(20, 2));
  CHECK_FALSE(live.status()[0].decidable);
  live.add(seen(20, 2, "shared"), ends(150, 150), seen(20, 2, "shared"));
  CHECK(live.status()[0].reason == "shared");
  live.add(seen(20, 2), {}, seen(20, 2));
  CHECK_FALSE(live.status()[0].decidable);
  live.unknown("no answer");
  CHECK(live.status()[0].reason == "no answer");
  CHECK(live.status()[1].reason == "not exclusive");
}

TEST_CASE("when the topics change, what is known of those that stay goes on") {
  LiveReconcile live({{"d", "t", ""}, {"e", "u", ""}});
  const std::map<std::string, TopicEnds> both = {{"t", {100, 100}}, {"u", {7, 7}}};
  live.add(seen(0), both, seen(0));
  live.add(seen(50), {{"t", {151, 151}}, {"u", {7, 7}}}, seen(50));
  REQUIRE(live.status()[0].difference == 1);
  live.change({{"e", "u", "not exclusive"}, {"renamed", "t", ""}, {"fresh", "v", ""}});
  REQUIRE(live.status().size() == 3);
  CHECK(live.status()[0].reason == "not exclusive");
  CHECK(live.status()[1].destination == "renamed");
  CHECK(live.status()[1].decidable);
  CHECK(live.status()[1].difference == 1);
  CHECK_FALSE(live.status()[2].decidable);
  live.add(seen(60), {{"t", {161, 161}}, {"v", {3, 3}}}, seen(60));
  CHECK(live.status()[1].difference == 1);
  CHECK(live.status()[2].decidable);
  SECTION("one that comes back is counted anew: what was written meanwhile is not known") {
    live.change({{"e", "u", ""}});
    live.add(seen(60), {{"u", {90, 90}}}, seen(60));
    CHECK(live.status()[0].decidable);
    CHECK(live.status()[0].difference == 0);
  }
}
