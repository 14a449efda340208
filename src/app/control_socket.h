// ControlSocket: a Unix socket in the state directory (mode 0600) by which commands on this machine ask a running
// daemon. A request is one line, an answer is text until the end of the connection. Bounded in connections, bytes and
// time. Owned and used by one thread; ask_control is for the other side, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

namespace millrace {

inline constexpr const char* kControlName = "control";

class ControlSocket {
 public:
  struct Request {
    int fd = -1;
    std::string text;
  };

  explicit ControlSocket(const Clock& clock) : clock_(clock) {}
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // In this directory, in the place of what a predecessor left there; the caller holds the directory's lock.
  Result<void> open(const std::string& directory);

  // Waits until a request is complete, `wake` is notified, or `timeout_ms` is over; gives the complete ones. Each is to
  // be answered.
  std::vector<Request> wait(WakeUp& wake, int64_t timeout_ms);

  // Sends as much as goes within a second, and closes.
  void answer(Request request, const std::string& text);

 private:
  struct Connection {
    int fd = -1;
    int64_t until_ms = 0;
    std::string text;
  };
  void accept_all();
  // False: it is done with, or said nothing in time.
  bool read_some(Connection& connection, std::vector<Request>& complete) const;

  const Clock& clock_;
  std::string path_;
  int fd_ = -1;
  std::vector<Connection> connections_;
};

// Asks the daemon whose state directory this is. Remedy::retry: somebody listens there, and is silent for that time.
Result<std::string> ask_control(const std::string& directory, const std::string& request, int64_t timeout_ms);

// True where for sure no daemon listens; false also where that cannot be told.
bool nobody_listens(const std::string& directory);

}  // namespace millrace
