// SPDX-License-Identifier: Apache-2.0
#include "state/open_generation.hpp"

#include "base/fork.hpp"
#include "fs/files.hpp"
#include "state/host.hpp"

namespace flatkv::state {

namespace {

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

// Without CLEAN the next open only does more work, and what was not removed is removed by it: a
// failure that nobody can be told of loses nothing.
OpenGeneration::~OpenGeneration() { static_cast<void>(end()); }

Status OpenGeneration::end() {
  if (is_forked()) {
    // All of it is the parent's, who goes on with it; and threads that a close waits for are not
    // here.
    static_cast<void>(new Databases(std::move(databases_)));
    return {};
  }
  const std::lock_guard lock(mutex_);
  if (ended_) return {};
  ended_ = true;
  for (auto& database : databases_) database.reset();
  auto& files = *environment_.files;
  Status done = check_there(*this);
  if (!done) {
    // What is there now is not ours.
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
