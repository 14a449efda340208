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

  void must_end_with(int code) {
    REQUIRE(comes([&] { return ended.load() != kNotEnded; }));
    CHECK(ended.load() == code);
  }

  // The process has 15 s to stop.
  void begin_stop(ExitCode code_at_deadline, const std::string& why) {
    watchdog.begin_stop(clock.mono_ms() + 15'000, code_at_deadline, why);
  }
};

}  // namespace

TEST_CASE("a process that moves is left alone, one that stands still ends with 7", "[watchdog]") {
  Rig rig;
  REQUIRE(rig.comes([&] { return rig.looks.load() > 0; }));
  CHECK(rig.ended.load() == kNotEnded);
  rig.stands.store(true);
  rig.must_end_with(7);
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
  rig.must_end_with(7);
}

TEST_CASE("a stop is held to its deadline, and no loop is asked any more", "[watchdog]") {
  Rig rig;
  rig.begin_stop(ExitCode::stop_cut_short, "SIGTERM");
  rig.stands.store(true);
  rig.clock.advance_ms(14'999);
  usleep(100'000);
  CHECK(rig.ended.load() == kNotEnded);
  rig.clock.advance_ms(1);
  rig.must_end_with(6);
}

TEST_CASE("a stop with a cause of its own keeps the cause's code at the deadline", "[watchdog]") {
  Rig rig;
  rig.begin_stop(ExitCode::no_progress, "shut out of the group");
  rig.clock.advance_ms(15'000);
  rig.must_end_with(7);
}

TEST_CASE("a process that has ended well and cannot let go of a thread leaves with its own code", "[watchdog]") {
  Rig rig;
  rig.begin_stop(ExitCode::stop_cut_short, "SIGTERM");
  rig.clock.advance_ms(14'999);
  rig.watchdog.let_go(ExitCode::done);
  rig.clock.advance_ms(Watchdog::kLetGoMs - 1);
  kill(getpid(), SIGTERM);
  usleep(100'000);
  CHECK(rig.ended.load() == kNotEnded);
  CHECK(rig.hastened.load() == 0);
  rig.clock.advance_ms(1);
  rig.must_end_with(0);
}

TEST_CASE("a second signal hastens a stop", "[watchdog]") {
  Rig rig;
  rig.begin_stop(ExitCode::stop_cut_short, "SIGTERM");
  kill(getpid(), SIGTERM);
  REQUIRE(rig.comes([&] { return rig.hastened.load() == 1; }));
  CHECK(rig.ended.load() == kNotEnded);
  rig.clock.advance_ms(1'000);
  rig.must_end_with(6);
}
