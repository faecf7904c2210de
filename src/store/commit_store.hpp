// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/callback_owner.hpp"
#include "changes/feed.hpp"
#include "changes/named_cursors.hpp"
#include "commit/core.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/store.hpp"
#include "recovery/open_store.hpp"
#include "state/environment.hpp"
#include "state/host.hpp"
#include "store/log_lookup.hpp"

namespace flatkv {

/// The core, and what a rollback replaces along with it. Only the writer's thread replaces the
/// core, so it reads the pointer without the lock; every other thread copies the pointer under it.
/// Nothing else happens under the lock.
struct CommitStore::Impl {
  /// `owner`: of the callbacks that `opened` was given.
  Impl(recovery::Opened opened, std::shared_ptr<const CallbackOwner> owner);
  ~Impl();

  /// Whether the caller runs inside a callback of this store: Options::on_durable or log.
  bool in_callback() const noexcept { return owner_->runs_one(); }

  /// For the writer's functions.
  commit::Core& core() noexcept { return *core_; }
  /// For any thread's functions: the returned core outlives a rollback.
  std::shared_ptr<commit::Core> shared() const {
    const std::lock_guard lock(mutex_);
    return core_;
  }
  /// Replaces the core. Returns the previous one, whose views live on.
  std::shared_ptr<commit::Core> exchange(recovery::Opened opened);

  /// Forgets what was looked up in the log.
  void begin_lookups(const commit::Core& core);

  OpenReport report;
  std::atomic<std::int64_t> replayed_blocks = 0;  ///< of the report, for any thread
  std::optional<store::LogLookup> log_lookup;
  std::shared_ptr<changes::Feed> feed;
  std::shared_ptr<changes::NamedCursors> cursors;

 private:
  const std::shared_ptr<const CallbackOwner> owner_;
  mutable std::mutex mutex_;
  std::shared_ptr<commit::Core> core_;
};

namespace store {

/// CommitStore::open in a given environment; `progress` counts the blocks that it replays.
Result<CommitStore> open_commit_store(const state::Environment& environment,
                                      const std::string& path, const Options& options,
                                      const ProgressCallback& progress = {});

}  // namespace store
}  // namespace flatkv
