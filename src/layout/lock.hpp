// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "fs/file_system.hpp"

namespace flatkv::layout {

/// Who wrote LOCK last. Does not tell whether the lock is held.
struct LockHolder {
  std::int64_t pid = 0;
  std::string host;
  std::string since;  ///< UTC, ISO 8601
};
/// nullopt if LOCK is missing or malformed.
std::optional<LockHolder> read_lock_holder(fs::FileSystem& files, const std::string& store);

/// The lock of a store: a flock on its directory. LOCK only names the holder, for people.
class StoreLock {
 public:
  /// Long enough for a reader that holds it while it links tables.
  static constexpr unsigned kWaitMs = 2000;

  /// Tries for `wait_ms` milliseconds. Errors: `locked`, naming the holder from LOCK; `unsupported`
  /// on a network file system; `not_found` without a directory. `store` must come from
  /// `resolve_store_path`.
  static Result<StoreLock> take(fs::FileSystem& files, const std::string& store,
                                unsigned wait_ms = kWaitMs);
  /// `store_failed` if the directory was moved away or replaced.
  Status check(const std::string& store) const;

 private:
  explicit StoreLock(std::unique_ptr<fs::DirLock> lock) : lock_(std::move(lock)) {}
  std::unique_ptr<fs::DirLock> lock_;
};

}  // namespace flatkv::layout
