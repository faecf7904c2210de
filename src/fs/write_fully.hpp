// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <span>

namespace flatkv::fs {

/// The outcome: 0 or an error number, and the bytes written in either case.
struct Written {
  int error = 0;
  std::uint64_t bytes = 0;
};

/// Writes all of `left` by calls of `write(vectors, count)`, which behaves as writev: continues
/// after short writes and EINTR. Changes the vectors, none of which may be empty.
template <class Write>
Written write_fully(std::span<iovec> left, Write write) {
  Written done;
  while (!left.empty()) {
    const ssize_t result = write(left.data(), static_cast<int>(left.size()));
    if (result < 0 && errno == EINTR) continue;
    if (result <= 0) {
      // No progress and no error: trying again could go on for ever.
      done.error = result < 0 ? errno : EIO;
      return done;
    }
    auto written = static_cast<std::size_t>(result);
    done.bytes += written;
    while (!left.empty() && written >= left.front().iov_len) {
      written -= left.front().iov_len;
      left = left.subspan(1);
    }
    if (written > 0) {
      left.front().iov_base = static_cast<char*>(left.front().iov_base) + written;
      left.front().iov_len -= written;
    }
  }
  return done;
}

}  // namespace flatkv::fs
