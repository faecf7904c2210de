// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/guard.hpp"
#include "commit/core.hpp"
#include "flatkv/store.hpp"
#include "recovery/open_store.hpp"
#include "state/environment.hpp"
#include "state/host.hpp"
#include "store/log_lookup.hpp"

namespace flatkv {

/// The running store and what a rollback exchanges. The writer's thread alone exchanges the core,
/// so it reads the pointer without the lock; every other thread takes a reference under it. Nothing
/// runs under the lock but the copy of a pointer.
struct CommitStore::Impl {
  explicit Impl(recovery::Opened opened);
  ~Impl() { state::leave_to_parent(core_); }

  /// For functions of the writer.
  commit::Core& core() noexcept { return *core_; }
  /// For functions of any thread: what is returned outlives a rollback.
  std::shared_ptr<commit::Core> shared() const {
    const std::lock_guard lock(mutex_);
    return core_;
  }
  /// Goes on with another core. Gives back the one before, whose views live on.
  std::shared_ptr<commit::Core> exchange(recovery::Opened opened);

  OpenReport report;
  std::optional<store::LogLookup> log_lookup;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<commit::Core> core_;
};

namespace store {

/// CommitStore::open and create on a given environment.
Result<CommitStore> open_commit_store(const state::Environment& environment,
                                      const std::string& path, const Options& options);

/// Runs a step of the writer. In a callback that a thread of the store runs it is refused: it would
/// wait for itself. When the step throws, nobody knows how far it came: the store is poisoned and
/// the pending block dropped.
template <class Step>
auto writer_step(commit::Core& core, Step&& step) noexcept -> decltype(step()) {
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
