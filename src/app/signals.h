// Signals: SIGTERM, SIGINT and SIGHUP as something to wait for. Made by main before any other thread, because threads
// inherit the mask that keeps the signals for it. Read by one thread at a time.
#pragma once

#include <cstdint>

namespace millrace {

class Signals {
 public:
  Signals();  // blocks the signals for this thread and all that it starts; ignores SIGPIPE
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Waits up to `timeout_ms`; the signal's number, or 0.
  int wait(int64_t timeout_ms);

 private:
  int fd_;
};

}  // namespace millrace
