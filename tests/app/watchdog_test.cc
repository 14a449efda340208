#include "app/watchdog.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>

#include "support/catch.h"

using namespace millrace;

namespace {

constexpr int kNotEnded = -1;

// A watchdog on a clock that is told, whose end is written down.
struct Rig {
  ManualClock clock;
  Signals signals;
  std::atomic<int> ended{kNotEnded};
  std::atomic<int> hastened{0};
  std::atomic<bool> stands{false};
  std::atomic<int> looks{0};
  Watchdog watchdog{{30'000, 1'000},
                    clock,
                    signals,
                    [this] {
                      ++looks;
                      return stands.load() ? std::string("worker 1, for 31s") : std::string();
                    },
                    [this] { ++hastened; },
                    [this](ExitCode code) { ended.store(static_cast<int>(code)); }};

  // Waits for the watchdog's thread, not for time: the clock stands still meanwhile.
  template <typename Condition>
  bool comes(Condition condition) {
    for (int i = 0; i < 2'000; ++i) {
      if (condition()) return true;
      usleep(10'000);
    }
    return false;
  }
};

}  // namespace

TEST_CASE("a process that moves is left alone, one that stands still ends with 7", "[watchdog]") {
  Rig rig;
  REQUIRE(rig.comes([&] { return rig.looks.load() > 0; }));
  CHECK(rig.ended.load() == kNotEnded);
  rig.stands.store(true);
  REQUIRE(rig.comes([&] { return rig.ended.load() != kNotEnded; }));
  CHECK(rig.ended.load() == 7);
}

TEST_CASE("a main loop that stands still ends the process, too", "[watchdog]") {
  Rig rig;
  rig.clock.advance_ms(29'000);
  rig.watchdog.beat();
  rig.clock.advance_ms(29'000);
  const int seen = rig.looks.load();
  REQUIRE(rig.comes([&] { return rig.looks.load() > seen + 1; }));
  CHECK(rig.ended.load() == kNotEnded);
  rig.clock.advance_ms(2'000);
  REQUIRE(rig.comes([&] { return rig.ended.load() != kNotEnded; }));
  CHECK(rig.ended.load() == 7);
}

TEST_CASE("a stop is held to its deadline, and no loop is asked any more", "[watchdog]") {
  Rig rig;
  rig.watchdog.begin_stop(rig.clock.mono_ms() + 15'000);
  rig.stands.store(true);
  rig.clock.advance_ms(14'999);
  usleep(100'000);
  CHECK(rig.ended.load() == kNotEnded);
  rig.clock.advance_ms(1);
  REQUIRE(rig.comes([&] { return rig.ended.load() != kNotEnded; }));
  CHECK(rig.ended.load() == 6);
}

TEST_CASE("a second signal hastens a stop", "[watchdog]") {
  Rig rig;
  rig.watchdog.begin_stop(rig.clock.mono_ms() + 15'000);
  kill(getpid(), SIGTERM);
  REQUIRE(rig.comes([&] { return rig.hastened.load() == 1; }));
  CHECK(rig.ended.load() == kNotEnded);
  rig.clock.advance_ms(1'000);
  REQUIRE(rig.comes([&] { return rig.ended.load() != kNotEnded; }));
  CHECK(rig.ended.load() == 6);
}
