#include "store/lifetime.hpp"

#include "fs/files.hpp"

namespace flatkv::store {

Lifetime::~Lifetime() {
  for (auto& database : databases_) database.reset();
  auto& files = *environment_.files;
  // Nobody is left to be told of a failure here; without CLEAN the next open only does more work,
  // and what was not removed is removed by it.
  if (remove_) {
    static_cast<void>(fs::remove_tree(files, generation_));
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

}  // namespace flatkv::store
