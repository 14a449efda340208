// How far a pipeline that fell behind has come.
#include "status/catch_up.h"

#include "support/catch.h"

using namespace millrace;

TEST_CASE("what the batches under way hold is no lag", "[catch_up]") {
  CHECK(level_lag(0, 1'000) == 1'000);
  CHECK(level_lag(10'000, 1'000) == 30'000);
  CHECK(level_lag(10'000, 500) == 15'000);
  CatchUpMeter meter;
  const CatchUp now = meter.observe(0, 900, 1'000);
  CHECK_FALSE(now.behind);
  CHECK(now.percent == 100);
  CHECK(now.rate == 0);
  CHECK(now.seconds_left == 0);
}

TEST_CASE("a backlog is worked off: percent of the highest lag, pace, time left", "[catch_up]") {
  CatchUpMeter meter;
  // An outage: 10,000 more each second, up to 100,000.
  for (int64_t s = 1; s <= 10; ++s) {
    const CatchUp now = meter.observe(s * 1'000, s * 10'000, 1'000);
    CHECK(now.behind);
    CHECK(now.percent == 0);
    CHECK(now.seconds_left == -1);
    CHECK(now.highest_lag == s * 10'000);
    CHECK(now.rate == (s > 5 ? -10'000 : 0));
  }
  // From then on 1,000 less each second. The pace follows within half a minute.
  CatchUp now;
  for (int64_t s = 1; s <= 40; ++s) now = meter.observe((10 + s) * 1'000, 100'000 - s * 1'000, 1'000);
  CHECK(now.highest_lag == 100'000);
  CHECK(now.percent == Approx(40));
  CHECK(now.rate == Approx(1'000));
  CHECK(now.seconds_left == Approx(60));
  // It stands still: nobody knows when it will be level.
  for (int64_t s = 1; s <= 40; ++s) now = meter.observe((50 + s) * 1'000, 60'000, 1'000);
  CHECK(now.percent == Approx(40));
  CHECK(now.rate == 0);
  CHECK(now.seconds_left == -1);
}

TEST_CASE("once level, the next lag is measured by itself", "[catch_up]") {
  CatchUpMeter meter;
  (void)meter.observe(0, 100'000, 1'000);
  CHECK(meter.observe(10'000, 50'000, 1'000).percent == Approx(50));
  CHECK_FALSE(meter.observe(20'000, 800, 1'000).behind);
  const CatchUp again = meter.observe(30'000, 8'000, 1'000);
  CHECK(again.highest_lag == 8'000);
  CHECK(again.percent == 0);
  CHECK(again.seconds_left == -1);
}
