// C's threads on POSIX threads, for builds with ThreadSanitizer: it knows the latter only, and librdkafka
// uses the former. A thread that it has not seen start crashes in the first function of ours that it calls;
// locks that it has not seen taken look like races. glibc's types are those of POSIX threads under other
// names.
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <memory>

namespace {

struct Beginning {
  thrd_start_t function;
  void* argument;
};

void* begin(void* raw) {
  const std::unique_ptr<Beginning> beginning(static_cast<Beginning*>(raw));
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(beginning->function(beginning->argument)));
}

int told(int error) {
  if (error == 0) return thrd_success;
  if (error == ETIMEDOUT) return thrd_timedout;
  return error == EBUSY ? thrd_busy : thrd_error;
}

pthread_mutex_t* posix(mtx_t* mutex) {
  static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t));
  return reinterpret_cast<pthread_mutex_t*>(mutex);
}
pthread_cond_t* posix(cnd_t* condition) {
  static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t));
  return reinterpret_cast<pthread_cond_t*>(condition);
}

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto beginning = std::make_unique<Beginning>(Beginning{function, argument});
  const int error = pthread_create(thread, nullptr, &begin, beginning.get());
  if (error == 0) (void)beginning.release();  // the thread's
  return told(error);
}
void call_once(once_flag* flag, void (*function)()) {
  static_assert(sizeof(once_flag) == sizeof(pthread_once_t));
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), function);
}
int thrd_join(thrd_t thread, int* result) {
  void* raw = nullptr;
  const int error = pthread_join(thread, &raw);
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<std::intptr_t>(raw));
  return told(error);
}
int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init(posix(mutex), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return told(error);
}
int mtx_lock(mtx_t* mutex) {
  return told(pthread_mutex_lock(posix(mutex)));
}
int mtx_trylock(mtx_t* mutex) {
  return told(pthread_mutex_trylock(posix(mutex)));
}
int mtx_unlock(mtx_t* mutex) {
  return told(pthread_mutex_unlock(posix(mutex)));
}
void mtx_destroy(mtx_t* mutex) {
  pthread_mutex_destroy(posix(mutex));
}
int cnd_init(cnd_t* condition) {
  return told(pthread_cond_init(posix(condition), nullptr));
}
int cnd_signal(cnd_t* condition) {
  return told(pthread_cond_signal(posix(condition)));
}
int cnd_broadcast(cnd_t* condition) {
  return told(pthread_cond_broadcast(posix(condition)));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return told(pthread_cond_wait(posix(condition), posix(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return told(pthread_cond_timedwait(posix(condition), posix(mutex), until));
}
void cnd_destroy(cnd_t* condition) {
  pthread_cond_destroy(posix(condition));
}

}  // extern "C"
