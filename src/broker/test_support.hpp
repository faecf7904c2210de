// SPDX-License-Identifier: Apache-2.0
#pragma once

// librdkafka uses the threads and locks of C11, which ThreadSanitizer does not look at: the first
// thread that takes memory ends the process. So the test program that includes this, in one of its
// sources, gives it those of POSIX, as glibc's own functions do.
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <memory>

namespace flatkv::broker::test {

struct Begin {
  thrd_start_t function;
  void* argument;
};

inline void* begin_thread(void* begin) {
  const std::unique_ptr<Begin> call(static_cast<Begin*>(begin));
  return reinterpret_cast<void*>(std::intptr_t{call->function(call->argument)});
}

inline int answer_of(int error) { return error == 0 ? thrd_success : thrd_error; }
inline pthread_mutex_t* posix(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
inline pthread_cond_t* posix(cnd_t* changed) { return reinterpret_cast<pthread_cond_t*>(changed); }
static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t));

}  // namespace flatkv::broker::test

using flatkv::broker::test::answer_of;
using flatkv::broker::test::posix;

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  using namespace flatkv::broker::test;
  auto begin = std::make_unique<Begin>(Begin{function, argument});
  const int error = ::pthread_create(thread, nullptr, begin_thread, begin.get());
  if (error == 0) static_cast<void>(begin.release());
  return answer_of(error);
}
int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  const int error = ::pthread_join(thread, &returned);
  if (error == 0 && result != nullptr) {
    *result = static_cast<int>(reinterpret_cast<std::intptr_t>(returned));
  }
  return answer_of(error);
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  if ((type & mtx_recursive) != 0) {
    ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  }
  return answer_of(::pthread_mutex_init(posix(mutex), &attributes));
}
void mtx_destroy(mtx_t* mutex) { ::pthread_mutex_destroy(posix(mutex)); }
int mtx_lock(mtx_t* mutex) { return answer_of(::pthread_mutex_lock(posix(mutex))); }
int mtx_unlock(mtx_t* mutex) { return answer_of(::pthread_mutex_unlock(posix(mutex))); }

int cnd_init(cnd_t* changed) { return answer_of(::pthread_cond_init(posix(changed), nullptr)); }
void cnd_destroy(cnd_t* changed) { ::pthread_cond_destroy(posix(changed)); }
int cnd_signal(cnd_t* changed) { return answer_of(::pthread_cond_signal(posix(changed))); }
int cnd_broadcast(cnd_t* changed) { return answer_of(::pthread_cond_broadcast(posix(changed))); }
int cnd_wait(cnd_t* changed, mtx_t* mutex) {
  return answer_of(::pthread_cond_wait(posix(changed), posix(mutex)));
}
int cnd_timedwait(cnd_t* changed, mtx_t* mutex, const timespec* until) {
  const int error = ::pthread_cond_timedwait(posix(changed), posix(mutex), until);
  return error == ETIMEDOUT ? thrd_timedout : answer_of(error);
}

}  // extern "C"

#endif
#endif
