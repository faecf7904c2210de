// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "changelog/clean_marker.hpp"
#include "layout/generation.hpp"
#include "layout/lock.hpp"
#include "rocks/db.hpp"
#include "rocks/read_threads.hpp"
#include "state/environment.hpp"

namespace flatkv::state {

using Databases = PerDatabase<std::shared_ptr<rocks::Db>>;

/// The open databases of one generation, and the store's lock. Every state holds a reference, so
/// the databases are closed, CLEAN written and the lock released only when the last view is gone. A
/// RocksDB instance that outlived the lock would delete files of the next opener
/// (docs/hazards.md#late-close-deletes-files).
class OpenGeneration {
 public:
  /// `reads_in_flight`: the most rows that one call reads at the same time.
  OpenGeneration(Environment environment, std::string generation, Databases databases,
                 std::shared_ptr<layout::StoreLock> lock, std::uint32_t reads_in_flight)
      : environment_(environment),
        generation_(std::move(generation)),
        directory_(environment.files->stat(generation_)),
        lock_(std::move(lock)),
        databases_(std::move(databases)),
        read_threads_(std::make_unique<rocks::ReadThreads>(reads_in_flight)) {}
  ~OpenGeneration();
  OpenGeneration(const OpenGeneration&) = delete;
  OpenGeneration& operator=(const OpenGeneration&) = delete;

  const std::string& generation() const noexcept { return generation_; }
  /// Whether the path of the generation still leads to its directory: somebody may have emptied the
  /// store's directory and put a backup into it, which leaves the store's lock as it was.
  Status check_generation() const;
  const std::shared_ptr<rocks::Db>& database(Database which) const noexcept {
    return databases_[which];
  }
  const Databases& databases() const noexcept { return databases_; }
  const std::shared_ptr<layout::StoreLock>& lock() const noexcept { return lock_; }
  /// What rows by key are read with. Any thread.
  rocks::ReadThreads& read_threads() const noexcept { return *read_threads_; }

  /// Closes the databases, writes CLEAN or removes the directory as requested below, and releases
  /// the lock. The destructor does the same; call this as the last holder to learn the result.
  Status end();

  /// Call if every sync, flush and close has succeeded: `end` then writes CLEAN.
  void leave_clean(changelog::CleanMark mark);
  /// Another generation has replaced this one: `end` removes it.
  void remove_at_end();
  /// This is a clone: `end` removes it and keeps `lock` until then.
  void remove_clone_at_end(std::unique_ptr<fs::DirLock> lock);

 private:
  Environment environment_;
  std::string generation_;
  Result<fs::FileInfo> directory_;  // of the generation, when it was opened
  std::shared_ptr<layout::StoreLock> lock_;
  Databases databases_;
  std::unique_ptr<rocks::ReadThreads> read_threads_;
  std::mutex mutex_;
  std::optional<changelog::CleanMark> clean_;
  bool remove_ = false;
  std::unique_ptr<fs::DirLock> clone_lock_;
  bool ended_ = false;
};

}  // namespace flatkv::state
