#include "store/lifetime.hpp"

#include "fs/files.hpp"

namespace flatkv::store {

namespace {

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Lifetime::~Lifetime() {
  for (auto& database : databases_) database.reset();
  auto& files = *environment_.files;
  // Nobody is left to be told of a failure here; without CLEAN the next open only does more work,
  // and what was not removed is removed by it.
  if (clone_lock_) {
    static_cast<void>(fs::remove_tree(files, generation_));
  } else if (remove_) {
    static_cast<void>(
        layout::remove_generation(files, fs::parent(generation_), name_of(generation_)));
  } else if (clean_) {
    static_cast<void>(changelog::write_clean(files, generation_, *clean_));
  }
}

void Lifetime::leave_clean(changelog::CleanMark mark) {
  const std::lock_guard lock(mutex_);
  clean_ = std::move(mark);
}

void Lifetime::remove_at_end() {
  const std::lock_guard lock(mutex_);
  remove_ = true;
}

void Lifetime::remove_clone_at_end(std::unique_ptr<fs::DirLock> lock) {
  const std::lock_guard guard(mutex_);
  clone_lock_ = std::move(lock);
}

}  // namespace flatkv::store
