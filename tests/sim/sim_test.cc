// The simulation: some hundred seeds must be exactly once, and bugs that are planted must be found. The many seeds are
// run by sim_run, which is built with optimisation.
#include "base/log.h"
#include "sim/sim_world.h"
#include "support/catch.h"

using namespace millrace;
using namespace millrace::sim;

namespace {

constexpr uint64_t kSeeds = 150;
constexpr uint64_t kSeedsToFindABug = 400;

// The first seed that does not come out well; 0: none.
uint64_t first_failure(uint64_t seeds, const SimOptions& options, std::string& failure, uint64_t from = 1,
                       SimReport* sum = nullptr) {
  log_setup({LogLevel::error, LogFormat::text, false});
  for (uint64_t seed = from; seed < from + seeds; ++seed) {
    const SimReport report = simulate(seed, options);
    if (sum != nullptr) sum->reloads_in_recovery += report.reloads_in_recovery;
    if (report.failure.empty()) continue;
    failure = report.failure;
    return seed;
  }
  return 0;
}

}  // namespace

TEST_CASE("every seed is exactly once") {
  std::string failure;
  SimReport sum;
  const uint64_t seed = first_failure(kSeeds, {}, failure, 1, &sum);
  INFO("scripts/sim " << seed << ": " << failure);
  CHECK(seed == 0);
  // What is rare has to come about all the same.
  CHECK(sum.reloads_in_recovery > kSeeds);
}

TEST_CASE("every seed is exactly once while workers take chunks of each other") {
  log_setup({LogLevel::error, LogFormat::text, false});
  SimOptions options;
  options.share = true;
  uint64_t helped = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const SimReport report = simulate(seed, options);
    INFO("scripts/sim " << seed << " --share");
    REQUIRE(report.failure.empty());
    helped += report.helped;
  }
  CHECK(helped >= 10 * kSeeds);
}

// The ring must not come round while a request of its last time is still on its way.
TEST_CASE("every seed is exactly once with the old group coordinator, thanks to the ring") {
  SimOptions options;
  options.old_group_coordinator = true;
  std::string failure;
  const uint64_t seed = first_failure(kSeeds, options, failure);
  INFO("scripts/sim " << seed << " --old-coordinator: " << failure);
  CHECK(seed == 0);
}

TEST_CASE("a run is decided by its seed") {
  const SimReport one = simulate(7, {});
  const SimReport two = simulate(7, {});
  CHECK(one.simulated_ms == two.simulated_ms);
  CHECK(one.recoveries == two.recoveries);
  CHECK(one.rebalances == two.rebalances);
}

TEST_CASE("planted bugs are found") {
  SimOptions options;
  uint64_t from = 1;        // where the first ones hold none that shows it
  options.reloads = false;  // these close batches early, which hides what shows rarely anyway
  SECTION("no outcome rule") {
    options.outcome_rule = false;
  }
  SECTION("committed offsets that do not wait for open transactions") {
    options.require_stable = false;
    // A second answer a second later mostly hides it, and a moving coordinator is another bug without one.
    options.agreement = false;
    options.coordinator_moves = false;
  }
  SECTION("offsets sent without a generation") {
    options.send_generation = false;
  }
  SECTION("one answer that offsets went back is believed, although the coordinator has just moved") {
    options.agreement = false;
  }
  SECTION("a batch is replayed because of an answer that can be old") {
    options.second_audit = false;
  }
  SECTION("one transactional id where a refused offset takes back an accepted one") {
    options.old_group_coordinator = true;
    options.ring = 1;
  }
  std::string failure;
  CHECK(first_failure(kSeedsToFindABug, options, failure, from) != 0);
}
