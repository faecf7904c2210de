// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/guard.hpp"
#include "flatkv/store.hpp"
#include "store/core.hpp"
#include "store/environment.hpp"
#include "store/host.hpp"
#include "store/log_lookup.hpp"
#include "store/open.hpp"

namespace flatkv {

/// The running store and what a rollback exchanges. The writer's thread alone exchanges the core,
/// so it reads the pointer without the lock; every other thread takes a reference under it. Nothing
/// runs under the lock but the copy of a pointer.
struct CommitStore::Impl {
  explicit Impl(store::Opened opened);
  ~Impl() { store::leave_to_parent(core_); }

  /// For functions of the writer.
  store::Core& core() noexcept { return *core_; }
  /// For functions of any thread: what is returned outlives a rollback.
  std::shared_ptr<store::Core> shared() const {
    const std::lock_guard lock(mutex_);
    return core_;
  }
  /// Goes on with another core. Gives back the one before, whose views live on.
  std::shared_ptr<store::Core> exchange(store::Opened opened);

  OpenReport report;
  std::optional<store::LogLookup> log_lookup;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<store::Core> core_;
};

namespace store {

/// CommitStore::open and create on a given environment.
Result<CommitStore> open_commit_store(const Environment& environment, const std::string& path,
                                      const Options& options);

/// Runs a step of the writer. In a callback that a thread of the store runs it is refused: it would
/// wait for itself. When the step throws, nobody knows how far it came: the store is poisoned and
/// the pending block dropped.
template <class Step>
auto writer_step(Core& core, Step&& step) noexcept -> decltype(step()) {
  try {
    if (core.in_callback()) {
      return fail(ErrorCode::invalid_argument,
                  "a callback of the store must not call what only the writer may");
    }
    return std::forward<Step>(step)();
  } catch (...) {
    core.poison(error_of_exception());
    core.discard();
    return std::unexpected(error_of_exception());
  }
}

}  // namespace store
}  // namespace flatkv
