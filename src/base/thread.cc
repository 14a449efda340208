#include "base/thread.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>

#include "base/check.h"

namespace millrace {

Thread::Thread(std::string name, std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  name.resize(std::min<size_t>(name.size(), 15));
  pthread_setname_np(thread_.native_handle(), name.c_str());
}

Thread::~Thread() {
  if (thread_.joinable()) thread_.join();
}

void Thread::join() {
  if (thread_.joinable()) thread_.join();
}

void Thread::abandon() {
  if (thread_.joinable()) thread_.detach();
}

WakeUp::WakeUp() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(fd_ >= 0);
}

WakeUp::~WakeUp() {
  close(fd_);
}

void WakeUp::notify() {
  const uint64_t one = 1;
  // A full counter means that a notification is pending already.
  [[maybe_unused]] ssize_t written = write(fd_, &one, sizeof(one));
}

bool WakeUp::wait(int64_t timeout_ms) {
  pollfd poll_fd{fd_, POLLIN, 0};
  if (poll(&poll_fd, 1, static_cast<int>(std::clamp<int64_t>(timeout_ms, 0, INT_MAX))) <= 0) return false;
  uint64_t count = 0;
  return read(fd_, &count, sizeof(count)) == sizeof(count);
}

}  // namespace millrace
