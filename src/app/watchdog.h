// Watchdog: the thread that sees to it that the process moves, and that it ends when it is to end.
//
// While the pipeline runs it asks who stands still, tells systemd that all is well, and ends the process with exit code
// 7 when somebody stands still. Once a stop has begun it holds it to its deadline: then the process ends at once, which
// is safe because transactions are. Made and destroyed by the main thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "app/signals.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

namespace millrace {

class Watchdog {
 public:
  struct Settings {
    int64_t no_progress_ms = 30'000;
    int64_t hasten_ms = 1'000;  // what a second signal leaves of a stop
  };
  // Who stands still, and since when; empty when nobody does. Called by the watchdog's thread.
  using Standstill = std::function<std::string()>;
  // Called on a second signal: give up what takes time.
  using Hasten = std::function<void()>;
  // Ends the process; tests bring their own.
  using End = std::function<void(ExitCode code)>;

  Watchdog(const Settings& settings, const Clock& clock, Signals& signals, Standstill standstill, Hasten hasten,
           End end = end_now);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // The main loop came round.
  void beat() { main_beat_ms_.store(clock_.mono_ms()); }

  // From now on `deadline_ms` (of the clock's mono_ms) counts, and nothing else; signals are the watchdog's to read.
  // `why` and `code` are what the process says and ends with when the deadline comes first. Once only.
  void begin_stop(int64_t deadline_ms, ExitCode code, std::string why);

  // All that matters has been settled and said. What is left is to let go of threads and memory; if that takes longer
  // than kLetGoMs, the process ends with `code` all the same. No callback but End is called after this has returned.
  void let_go(ExitCode code);
  static constexpr int64_t kLetGoMs = 1'000;

  // Ends the process without unwinding: threads may hold anything.
  [[noreturn]] static void end_now(ExitCode code);

 private:
  void loop();
  void look_for_standstill();
  void hold_to_deadline();
  void finish(ExitCode code);

  const Settings settings_;
  const Clock& clock_;
  Signals& signals_;
  const Standstill standstill_;
  const Hasten hasten_;
  const End end_;
  std::atomic<int64_t> main_beat_ms_;
  Mutex mutex_;  // held during callbacks but End, so that none is under way when let_go returns
  ExitCode code_at_deadline_ GUARDED_BY(mutex_) = ExitCode::stop_cut_short;
  std::string why_stopping_ GUARDED_BY(mutex_);  // empty: it has stopped, and lets go
  std::atomic<int64_t> stop_deadline_ms_{INT64_MAX};
  std::atomic<bool> finished_{false};
  int64_t last_alive_ms_ = INT64_MIN / 2;  // in a stop; the watchdog's thread only
  WakeUp wake_;
  Thread thread_;
};

}  // namespace millrace
