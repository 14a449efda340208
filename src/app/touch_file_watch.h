// TouchFileWatch: looks at the touch file on a thread of its own, because the file may lie on a shared file system, and
// one that hangs holds whoever asks it for as long as it likes: that must be neither a standstill of the daemon nor a
// stop. Made, asked and destroyed by the main thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "app/touch_file.h"
#include "base/clock.h"
#include "base/thread.h"

namespace millrace {

class TouchFileWatch {
 public:
  // A look that has no answer for so long is warned about.
  static constexpr int64_t kSlowLookMs = 5'000;

  TouchFileWatch(TouchFile file, const Clock& clock);
  ~TouchFileWatch();
  TouchFileWatch(const TouchFileWatch&) = delete;
  TouchFileWatch& operator=(const TouchFileWatch&) = delete;

  // The file was missing twice in a row: the request to stop. Never waits. Warns once about a look that hangs, and says
  // when it came back.
  bool gone();

  // Ends the looking. False when the file system still holds the thread, which is then left to the end of the process.
  bool end();

 private:
  // What the two threads speak through.
  struct Shared {
    explicit Shared(TouchFile watched) : file(std::move(watched)) {}
    TouchFile file;  // the thread's alone
    WakeUp wake;
    std::atomic<bool> gone{false};
    std::atomic<bool> ending{false};
    std::atomic<bool> ended{false};
    std::atomic<int64_t> look_since_ms{-1};  // the look that is under way; -1: none is
  };
  static void loop(Shared& shared, const Clock& clock);

  const std::string path_;
  const Clock& clock_;
  // Shared with the thread, which outlives this object when it hangs in a look.
  std::shared_ptr<Shared> shared_;
  bool warned_ = false;
  Thread thread_;
};

}  // namespace millrace
