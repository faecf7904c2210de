// SPDX-License-Identifier: Apache-2.0
#include "descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace flatkv::cli {
namespace {

std::array<bool, 3> g_closed{};

}  // namespace

void fill_standard_descriptors() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (::fcntl(number, F_GETFD) != -1 || errno != EBADF) continue;
    g_closed[static_cast<std::size_t>(number)] = true;
    // open() returns the lowest free number: this one. No O_CLOEXEC, so that children inherit it.
    static_cast<void>(::open("/dev/null", number == STDIN_FILENO ? O_RDONLY : O_WRONLY));
  }
}

bool was_closed(int descriptor) noexcept {
  return g_closed.at(static_cast<std::size_t>(descriptor));
}

void raise_descriptor_limit() {
  struct rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  // If this fails, the library works within the lower limit and logs it.
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace flatkv::cli
