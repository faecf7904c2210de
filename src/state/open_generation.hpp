// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "changelog/clean_marker.hpp"
#include "layout/generation.hpp"
#include "rocks/db.hpp"
#include "state/environment.hpp"

namespace flatkv::state {

using Databases = std::array<std::shared_ptr<rocks::Db>, 5>;

/// The open databases of one generation and the store's lock. Every state keeps it, so it ends with
/// the last view: only then are the databases closed, CLEAN written and the lock released. A
/// RocksDB instance that outlived the lock would delete files of the next opener
/// (docs/hazards.md#late-close-deletes-files).
class OpenGeneration {
 public:
  OpenGeneration(Environment environment, std::string generation, Databases databases,
                 std::shared_ptr<layout::StoreLock> lock)
      : environment_(environment),
        generation_(std::move(generation)),
        lock_(std::move(lock)),
        databases_(std::move(databases)) {}
  ~OpenGeneration();
  OpenGeneration(const OpenGeneration&) = delete;
  OpenGeneration& operator=(const OpenGeneration&) = delete;

  const std::string& generation() const noexcept { return generation_; }
  const std::shared_ptr<rocks::Db>& database(Database which) const noexcept {
    return databases_[static_cast<std::size_t>(which)];
  }
  const Databases& databases() const noexcept { return databases_; }
  const std::shared_ptr<layout::StoreLock>& lock() const noexcept { return lock_; }

  /// Closes the databases, leaves or removes what is to be left or removed, lets go of the lock.
  /// The destructor's work, for a caller that is the last holder and wants to know how it went.
  Status end();

  /// Every sync, flush and close succeeded: leave CLEAN behind at the end.
  void leave_clean(changelog::CleanMark mark);
  /// Another generation took this one's place: remove it at the end.
  void remove_at_end();
  /// It is a clone, held by this lock until it is removed at the end.
  void remove_clone_at_end(std::unique_ptr<fs::DirLock> lock);

 private:
  Environment environment_;
  std::string generation_;
  std::shared_ptr<layout::StoreLock> lock_;
  Databases databases_;
  std::mutex mutex_;
  std::optional<changelog::CleanMark> clean_;
  bool remove_ = false;
  std::unique_ptr<fs::DirLock> clone_lock_;
  bool ended_ = false;
};

}  // namespace flatkv::state
