// SPDX-License-Identifier: Apache-2.0
#include "state/open_generation.hpp"

#include "base/fork.hpp"
#include "base/guard.hpp"
#include "fs/files.hpp"
#include "layout/cleanup.hpp"
#include "state/host.hpp"

namespace flatkv::state {

namespace {

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

// Ignoring the error, also that of a failed allocation, loses nothing: without CLEAN the next open
// only does more work, and it removes what was not removed here.
OpenGeneration::~OpenGeneration() {
  static_cast<void>(guarded([&] { return end(); }));
}

Status OpenGeneration::end() {
  if (is_forked()) {
    // Leak it: the databases belong to the parent, which still uses them, and the threads that a
    // close would join do not exist here.
    static_cast<void>(new Databases(std::move(databases_)));
    static_cast<void>(read_threads_.release());
    return {};
  }
  const std::lock_guard lock(mutex_);
  if (ended_) return {};
  ended_ = true;
  for (auto& database : databases_) database.reset();
  auto& files = *environment_.files;
  Status done = check_there(*this);
  if (!done) {
    // The directory at this path is no longer ours: leave it alone.
  } else if (clone_lock_) {
    done = fs::remove_tree(files, generation_);
    clone_lock_.reset();
  } else if (remove_) {
    done = layout::remove_generation(files, fs::parent(generation_), name_of(generation_));
  } else if (clean_) {
    done = changelog::write_clean(files, generation_, *clean_);
  }
  lock_.reset();
  return done;
}

Status OpenGeneration::check_generation() const {
  if (!directory_) return std::unexpected(directory_.error());
  FLATKV_ASSIGN(const auto now, fs::stat_if_there(*environment_.files, generation_));
  if (now && now->is_same(*directory_)) return {};
  return fail(ErrorCode::store_failed,
              "the store's files were moved away or replaced while it was open")
      .path(generation_);
}

void OpenGeneration::leave_clean(changelog::CleanMark mark) {
  const std::lock_guard lock(mutex_);
  clean_ = std::move(mark);
}

void OpenGeneration::remove_at_end() {
  const std::lock_guard lock(mutex_);
  remove_ = true;
}

void OpenGeneration::remove_clone_at_end(std::unique_ptr<fs::DirLock> lock) {
  const std::lock_guard guard(mutex_);
  clone_lock_ = std::move(lock);
}

}  // namespace flatkv::state
