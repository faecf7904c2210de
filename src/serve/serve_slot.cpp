// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <mutex>

#include "flatkv/cluster/serve.hpp"

namespace flatkv {

/// The pointer that is lent is one of several to a loan, which tells when the last of them is gone.
struct StoreSlot::Impl {
  std::shared_ptr<const CommitStore> lend(const CommitStore* store) {
    if (store == nullptr) return nullptr;
    return {store, [this](const CommitStore*) {
              const std::lock_guard lock(mutex);
              lent = false;
              returned.notify_all();
            }};
  }

  mutable std::mutex mutex;
  std::condition_variable returned;
  bool lent = false;
  std::shared_ptr<const CommitStore> current;
};

StoreSlot::StoreSlot() : impl_(std::make_unique<Impl>()) {}
StoreSlot::~StoreSlot() { put(nullptr); }

void StoreSlot::put(const CommitStore* store) {
  std::shared_ptr<const CommitStore> last;
  {
    const std::lock_guard lock(impl_->mutex);
    last.swap(impl_->current);
  }
  // Outside of the lock, which the end of a loan takes: of this one, and of a new one that there is
  // no memory for.
  last.reset();
  {
    std::unique_lock lock(impl_->mutex);
    impl_->returned.wait(lock, [&] { return !impl_->lent; });
  }
  auto next = impl_->lend(store);
  const std::lock_guard lock(impl_->mutex);
  impl_->current = std::move(next);
  impl_->lent = store != nullptr;
}

std::shared_ptr<const CommitStore> StoreSlot::get() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->current;
}

}  // namespace flatkv
