// C11's threads and locks in the words of POSIX, for builds with the thread sanitizer only: it knows those alone, and
// the client library uses C11's. glibc's types are the same size on both sides.
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <memory>

namespace {

struct Start {
  thrd_start_t body;
  void* argument;
};

void* run(void* opaque) {
  const std::unique_ptr<Start> start(static_cast<Start*>(opaque));
  return reinterpret_cast<void*>(static_cast<intptr_t>(start->body(start->argument)));
}

pthread_mutex_t* posix(mtx_t* mutex) {
  static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t));
  return reinterpret_cast<pthread_mutex_t*>(mutex);
}

pthread_cond_t* posix(cnd_t* condition) {
  static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t));
  return reinterpret_cast<pthread_cond_t*>(condition);
}

int word(int code) {
  if (code == EBUSY) return thrd_busy;
  if (code == ETIMEDOUT) return thrd_timedout;
  return code == 0 ? thrd_success : thrd_error;
}

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t body, void* argument) {
  auto start = std::make_unique<Start>(Start{body, argument});
  const int code = pthread_create(thread, nullptr, run, start.get());
  if (code == 0) static_cast<void>(start.release());
  return word(code);
}

int thrd_join(thrd_t thread, int* result) {
  void* found = nullptr;
  const int code = pthread_join(thread, &found);
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<intptr_t>(found));
  return word(code);
}

int thrd_detach(thrd_t thread) {
  return word(pthread_detach(thread));
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  return word(pthread_mutex_init(posix(mutex), &kind));
}

int mtx_lock(mtx_t* mutex) {
  return word(pthread_mutex_lock(posix(mutex)));
}
int mtx_trylock(mtx_t* mutex) {
  return word(pthread_mutex_trylock(posix(mutex)));
}
int mtx_unlock(mtx_t* mutex) {
  return word(pthread_mutex_unlock(posix(mutex)));
}
void mtx_destroy(mtx_t* mutex) {
  pthread_mutex_destroy(posix(mutex));
}

int cnd_init(cnd_t* condition) {
  return word(pthread_cond_init(posix(condition), nullptr));
}
int cnd_signal(cnd_t* condition) {
  return word(pthread_cond_signal(posix(condition)));
}
int cnd_broadcast(cnd_t* condition) {
  return word(pthread_cond_broadcast(posix(condition)));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return word(pthread_cond_wait(posix(condition), posix(mutex)));
}
void cnd_destroy(cnd_t* condition) {
  pthread_cond_destroy(posix(condition));
}

int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const struct timespec* until) {
  return word(pthread_cond_timedwait(posix(condition), posix(mutex), until));
}

}  // extern "C"
