// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

namespace flatkv {

/// Names the calling thread for ps, top and debuggers; at most 15 characters.
inline void name_thread(const char* name) noexcept {
  static_cast<void>(::pthread_setname_np(::pthread_self(), name));
}

}  // namespace flatkv
