#include "app/watchdog.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "app/systemd.h"
#include "base/log.h"
#include "base/text.h"

namespace millrace {

Watchdog::Watchdog(const Settings& settings, const Clock& clock, Signals& signals, Standstill standstill, Hasten hasten,
                   End end)
    : settings_(settings),
      clock_(clock),
      signals_(signals),
      standstill_(std::move(standstill)),
      hasten_(std::move(hasten)),
      end_(std::move(end)),
      main_beat_ms_(clock.mono_ms()) {
  thread_ = Thread("watchdog", [this] { loop(); });
}

Watchdog::~Watchdog() {
  finished_.store(true);
  wake_.notify();
  thread_.join();
}

void Watchdog::end_now(ExitCode code) {
  _exit(static_cast<int>(code));
}

void Watchdog::begin_stop(int64_t deadline_ms, ExitCode code, std::string why) {
  {
    const MutexLock lock(mutex_);
    code_at_deadline_ = code;
    why_stopping_ = std::move(why);
    stop_deadline_ms_.store(deadline_ms);
  }
  wake_.notify();
}

void Watchdog::let_go(ExitCode code) {
  const MutexLock lock(mutex_);
  code_at_deadline_ = code;
  why_stopping_.clear();
  stop_deadline_ms_.store(clock_.mono_ms() + kLetGoMs);
}

void Watchdog::loop() {
  while (!finished_.load()) {
    if (stop_deadline_ms_.load() == INT64_MAX) {
      look_for_standstill();
      wake_.wait(1000);
    } else {
      hold_to_deadline();
      wake_.wait(20);
    }
  }
}

void Watchdog::look_for_standstill() {
  const MutexLock lock(mutex_);
  std::string who = standstill_();
  const int64_t main_age_ms = clock_.mono_ms() - main_beat_ms_.load();
  if (who.empty() && main_age_ms > settings_.no_progress_ms) {
    who = "the main loop, for " + format_duration_ms(main_age_ms);
  }
  if (who.empty()) {
    notify_alive();
    return;
  }
  log_error("watchdog", "no progress: {}; exit code {}; what is not committed will be read again", who,
            static_cast<int>(ExitCode::no_progress));
  finish(ExitCode::no_progress);
}

void Watchdog::hold_to_deadline() {
  const int signal = signals_.wait(0);
  const int64_t now_ms = clock_.mono_ms();
  const MutexLock lock(mutex_);
  const bool stopping = !why_stopping_.empty();
  if (stopping && now_ms - last_alive_ms_ >= 1000) {
    notify_alive();
    last_alive_ms_ = now_ms;
  }
  if (stopping && (signal == SIGTERM || signal == SIGINT)) {
    log_warn("stop", "asked once more: ending within {}", format_duration_ms(settings_.hasten_ms));
    stop_deadline_ms_.store(std::min(stop_deadline_ms_.load(), now_ms + settings_.hasten_ms));
    hasten_();
  }
  if (now_ms < stop_deadline_ms_.load()) return;
  if (stopping) {
    log_error("ended",
              "{}; the stop was cut short at its limit; exit code {}; what is not committed will be read again",
              why_stopping_, static_cast<int>(code_at_deadline_));
  }
  finish(code_at_deadline_);
}

void Watchdog::finish(ExitCode code) {
  finished_.store(true);
  end_(code);
}

}  // namespace millrace
