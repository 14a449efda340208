// Named threads, lock annotations, and an eventfd with an owner. See each class for who may call what.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#if defined(__clang__)
#define MILLRACE_ANNOTATION(x) __attribute__((x))
#else
#define MILLRACE_ANNOTATION(x)
#endif
#define CAPABILITY(x) MILLRACE_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY MILLRACE_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) MILLRACE_ANNOTATION(guarded_by(x))
#define REQUIRES_LOCK(...) MILLRACE_ANNOTATION(requires_capability(__VA_ARGS__))
#define ACQUIRE_LOCK(...) MILLRACE_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE_LOCK(...) MILLRACE_ANNOTATION(release_capability(__VA_ARGS__))

namespace millrace {

// std::mutex with annotations that clang checks.
class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE_LOCK() { mutex_.lock(); }
  void unlock() RELEASE_LOCK() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE_LOCK(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE_LOCK() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A thread with a name (15 characters at most are kept) that blocks every signal, so that only main sees them.
// The owner joins it; destroying a running Thread joins first.
class Thread {
 public:
  Thread() = default;
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&&) noexcept = default;
  Thread& operator=(Thread&&) noexcept = default;
  ~Thread();

  void join();
  [[nodiscard]] bool joinable() const { return thread_.joinable(); }
  // Leaves a thread that cannot be waited for to the end of the process.
  void abandon();

 private:
  std::thread thread_;
};

// Wakes one waiting thread. `notify` from any thread (also from signal handlers); `wait` and `fd` by the owner.
class WakeUp {
 public:
  WakeUp();
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  void notify();
  // Waits until notified or `timeout_ms` (0: only looks) is over; takes the notification. True when there was one.
  bool wait(int64_t timeout_ms);
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace millrace
