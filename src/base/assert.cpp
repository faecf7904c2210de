// SPDX-License-Identifier: Apache-2.0
#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace flatkv {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "flatkv: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace flatkv
