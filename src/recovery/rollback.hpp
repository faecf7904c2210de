// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "changes/named_cursors.hpp"
#include "flatkv/tools/rollback.hpp"
#include "layout/lock.hpp"
#include "recovery/generation_builder.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/open_store.hpp"
#include "state/environment.hpp"

namespace flatkv::recovery {

/// flatkv::rollback in a given environment.
Status rollback_store(const state::Environment& environment, const std::string& store,
                      std::int64_t version, const RollbackOptions& options);

/// Builds the next generation of a store at an older version (docs/specification.md#rollback). The
/// caller holds the lock, and nothing else changes the live generation meanwhile.
class Rollback {
 public:
  /// `options`: for the core that replays. `names`: those of the store's handle; null: the file's.
  Rollback(const state::Environment& environment, LiveGeneration place,
           std::shared_ptr<layout::StoreLock> lock, Options options,
           std::shared_ptr<changes::NamedCursors> names = {}, std::stop_token stop = {},
           ProgressCallback progress = {})
      : environment_(environment),
        files_(*environment.files),
        place_(std::move(place)),
        lock_(std::move(lock)),
        options_(std::move(options)),
        names_(std::move(names)),
        stop_(std::move(stop)),
        progress_(std::move(progress)) {}

  /// Adds to a refusal which blocks can be undone without a generation.
  void tell_undoable(std::int64_t floor, std::int64_t tip);
  /// Decides how to get there. Every refusal comes from here, before anything is changed.
  Status plan(std::int64_t version);
  /// Builds and proves the generation under a -tmp name. On error removes it again.
  Status build();
  /// The commit point. Names whose part of the log is not carried over are told. After an error it
  /// is unknown which generation is live.
  Status publish();

 private:
  void step(std::string_view what, std::uint64_t done = 0, std::uint64_t total = 0) const {
    if (progress_) progress_(what, done, total);
  }
  Status choose_source();
  void open_names();
  Status choose_log();
  Status carry_more_log();
  Status refuse() const;
  Status carry_log();
  Status carry_snapshots();
  Status replay();
  /// Proves the roots; then the generation counts as closed cleanly.
  Status prove(const CopyAnalysis& copy, const KnownRoots& known);

  const state::Environment& environment_;
  fs::FileSystem& files_;
  LiveGeneration place_;
  std::shared_ptr<layout::StoreLock> lock_;
  Options options_;
  std::shared_ptr<changes::NamedCursors> names_;
  std::stop_token stop_;
  ProgressCallback progress_;

  std::string undoable_;  ///< for a refusal
  std::int64_t version_ = 0;
  layout::Manifest manifest_;
  std::vector<layout::SnapshotEntry> snapshots_;
  std::vector<Reach> reach_;
  std::optional<Error> log_problem_;
  std::size_t source_ = 0;                   ///< index into reach_
  std::optional<changelog::LogWalk> carry_;  ///< the log that is carried over; nullopt: start a new
                                             ///< one
  std::optional<GenerationBuilder> builder_;
};

}  // namespace flatkv::recovery
