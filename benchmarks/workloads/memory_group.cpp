// SPDX-License-Identifier: Apache-2.0
#include "workloads/memory_group.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <thread>
#include <utility>

#include "base/machine.hpp"

namespace flatkv::bench {
namespace {

struct Hierarchy {
  const char* controller;
  const char* limit;  ///< the file that takes it
};
/// What both take for no limit: as much as the system can count.
constexpr std::uint64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
constexpr std::array kHierarchies = {Hierarchy{"memory", "memory.limit_in_bytes"},
                                     Hierarchy{"", "memory.max"}};

/// Files of control groups take one write.
Status put(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return fail_errno(errno, "open", path);
  const ssize_t wrote = ::write(file, text.data(), text.size());
  const int number = errno;
  ::close(file);
  if (wrote < 0) return fail_errno(number, "write", path);
  return {};
}

Status move_to(const std::string& group) {
  return put(group + "/cgroup.procs", std::to_string(::getpid()));
}

std::string above(const std::string& path) { return path.substr(0, path.rfind('/')); }

Status fill(const std::string& group, const char* limit, std::uint64_t bytes) {
  FLATKV_TRY(put(group + "/" + limit, std::to_string(bytes)));
  return move_to(group);
}

}  // namespace

Result<MemoryGroup> MemoryGroup::enter(std::uint64_t bytes) {
  Status refused = fail(ErrorCode::unsupported, "no hierarchy of control groups limits memory");
  for (const Hierarchy& one : kHierarchies) {
    const auto groups = control_groups("", one.controller);
    if (groups.empty()) continue;
    // Version 2 gives a controller to groups below only where this says so.
    if (*one.controller == 0) {
      static_cast<void>(put(groups.front() + "/cgroup.subtree_control", "+memory"));
    }
    const std::string own = groups.front() + "/flatkv-bench-" + std::to_string(::getpid());
    if (::mkdir(own.c_str(), 0755) != 0) {
      refused = fail_errno(errno, "mkdir", own);
      continue;
    }
    refused = fill(own, one.limit, bytes);
    if (refused) return MemoryGroup(own, own + "/" + one.limit, bytes);
    ::rmdir(own.c_str());
  }
  return std::unexpected(std::move(refused).error());
}

MemoryGroup::MemoryGroup(MemoryGroup&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      limit_(std::move(other.limit_)),
      bytes_(other.bytes_) {}

Status MemoryGroup::lift() const { return put(limit_, std::to_string(kUnlimited)); }

Status MemoryGroup::restore() const {
  ::malloc_trim(0);
  ::sync();  // what is not written yet cannot be taken back
  constexpr int kTries = 50;
  Status done;
  for (int i = 0; i < kTries; ++i) {
    done = put(limit_, std::to_string(bytes_));
    if (done) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return done;
}

MemoryGroup::~MemoryGroup() {
  if (path_.empty()) return;
  static_cast<void>(move_to(above(path_)));
  ::rmdir(path_.c_str());
}

}  // namespace flatkv::bench
