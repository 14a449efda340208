#include "app/touch_file_watch.h"

#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr int64_t kEndMs = 500;
constexpr int64_t kEndTurnMs = 10;

}  // namespace

TouchFileWatch::TouchFileWatch(TouchFile file, const Clock& clock)
    : path_(file.path()), clock_(clock), shared_(std::make_shared<Shared>(std::move(file))) {
  thread_ = Thread("touch_file", [shared = shared_, &clock] { loop(*shared, clock); });
}

TouchFileWatch::~TouchFileWatch() {
  end();
}

void TouchFileWatch::loop(Shared& shared, const Clock& clock) {
  while (!shared.ending.load()) {
    shared.look_since_ms.store(clock.mono_ms());
    const bool gone = shared.file.gone();
    shared.look_since_ms.store(-1);
    if (gone) {
      shared.gone.store(true);
      break;
    }
    shared.wake.wait(shared.file.look_again_ms());
  }
  shared.ended.store(true);
}

bool TouchFileWatch::gone() {
  const int64_t since_ms = shared_->look_since_ms.load();
  const bool slow = since_ms >= 0 && clock_.mono_ms() - since_ms >= kSlowLookMs;
  if (slow && !warned_) {
    log_warn("touch_file", "the file system of {} has not answered for {}; the pipeline goes on, stop it by SIGTERM",
             escape_for_log(path_), format_duration_ms(kSlowLookMs));
  } else if (!slow && warned_) {
    log_info("touch_file", "the file system of {} answers again", escape_for_log(path_));
  }
  warned_ = slow;
  return shared_->gone.load();
}

bool TouchFileWatch::end() {
  shared_->ending.store(true);
  shared_->wake.notify();
  WakeUp turn;
  for (int64_t waited_ms = 0; waited_ms < kEndMs && !shared_->ended.load(); waited_ms += kEndTurnMs) {
    turn.wait(kEndTurnMs);
  }
  if (shared_->ended.load()) {
    thread_.join();
    return true;
  }
  thread_.abandon();
  return false;
}

}  // namespace millrace
