// SPDX-License-Identifier: Apache-2.0
#include "inspect/read_only_store.hpp"

#include <algorithm>
#include <limits>
#include <ranges>

#include "base/failpoint.hpp"
#include "base/fork.hpp"
#include "base/guard.hpp"
#include "base/internals.hpp"
#include "blake3/kernel.hpp"
#include "changelog/reader.hpp"
#include "commit/core.hpp"
#include "flatkv/tools/report.hpp"
#include "fs/absolute.hpp"
#include "fs/files.hpp"
#include "inspect/clone_directory.hpp"
#include "layout/cleanup.hpp"
#include "layout/lock.hpp"
#include "layout/snapshot_chain.hpp"
#include "overlay/overlay.hpp"
#include "read/read_view.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/open_store.hpp"
#include "recovery/recovery_analysis.hpp"
#include "recovery/replay.hpp"
#include "rocks/db.hpp"
#include "state/check_options.hpp"
#include "state/host.hpp"

namespace flatkv {

struct ReadOnlyStore::Impl {
  ~Impl() { state::leave_to_parent(core); }

  std::shared_ptr<commit::Core> core;  ///< shared with calls of overlays
  Roots roots;
  std::optional<Error> working_copy_problem;
  std::optional<ReadView> view;  ///< made at open, so that handing it out needs no memory
};

namespace inspect {
namespace {

using recovery::CopyAnalysis;
using recovery::RecoveryAnalysis;

/// What the clone's databases hold, and what to replay on them.
struct Source {
  std::int64_t version = 0;  ///< the version asked for
  CopyAnalysis copy;
  std::optional<changelog::Reader> reader;  ///< positioned before copy.lowest() + 1, its segments
                                            ///< open
  std::optional<Roots> expected;
};

/// One attempt to clone a store at a version (docs/specification.md#reading-an-older-version). It
/// fails if something disappears meanwhile; the next attempt may succeed.
class Cloner {
 public:
  Cloner(const state::Environment& environment, const recovery::LiveGeneration& place,
         const ReadOnlyOptions& options)
      : environment_(environment), files_(*environment.files), place_(place), options_(options) {}

  Result<std::unique_ptr<Internals::Impl<ReadOnlyStore>>> run() {
    found_.store = place_.store;
    FLATKV_ASSIGN(const layout::Manifest manifest,
                  layout::read_manifest(files_, place_.generation));
    auto clone = make(manifest);
    if (clone || !seen_) return clone;
    // Where blocks were undone meanwhile, what looks like damage is none.
    Status same =
        recovery::still_on_chain(files_, place_, manifest.store, seen_->version, seen_->digest);
    if (same || same.error().code != ErrorCode::not_found) return clone;
    return std::unexpected(std::move(same).error());
  }

 private:
  Result<std::unique_ptr<Internals::Impl<ReadOnlyStore>>> make(const layout::Manifest& manifest) {
    FLATKV_ASSIGN(const std::string beside, fs::absolute(options_.scratch));
    FLATKV_ASSIGN(auto clone, make_clone(beside.empty() ? place_.store : beside));
    FLATKV_ASSIGN(auto source, from_working_copy(clone.path()));
    if (!source) {
      FLATKV_ASSIGN(source, from_snapshot(clone.path(), manifest));
    }
    FLATKV_FAILPOINT("history.clone.linked");
    FLATKV_TRY(unchanged(*source));
    return start(std::move(clone), *std::move(source), manifest);
  }

  std::string changelog() const { return layout::changelog_path(place_.generation); }

  /// Removes orphans first: beside a node that runs for weeks nothing else does.
  Result<CloneDirectory> make_clone(const std::string& parent) {
    for (const auto& kept : layout::remove_orphans(files_, parent)) {
      Logger(options_.log).info("a dead reader's clone could not be removed: " + kept);
    }
    return CloneDirectory::make(files_, parent);
  }

  /// The working copy, if nobody has the store open and the copy is sound and not above the
  /// version; otherwise nullopt.
  Result<std::optional<Source>> from_working_copy(const std::string& clone) {
    // Not StoreLock, which writes LOCK. Released at the end of this function.
    const auto lock = files_.lock_directory(place_.store);
    if (!lock) {
      if (lock.error().code != ErrorCode::locked) return std::unexpected(lock.error());
      return std::nullopt;
    }
    if (Status opens = recovery::analyze_store(environment_, place_.store, found_); !opens) {
      // Older versions may still be readable; the current one is unknown.
      if (!options_.at) return std::unexpected(std::move(opens).error());
      refusal_ = std::move(opens).error();
      Logger(options_.log).warning("the store does not open: " + refusal_->to_string());
      return std::nullopt;
    }
    for (const auto& note : found_.notes) Logger(options_.log).warning(note);
    const bool log_lost = found_.plan == recovery::RecoveryPlan::new_log;
    const std::int64_t last = log_lost ? found_.durable : found_.reached.value_or(found_.durable);
    const std::int64_t version = options_.at.value_or(last);
    const CopyAnalysis& copy = found_.copy;
    const bool below =
        copy.highest() > version || (copy.metadata && copy.metadata->version > version);
    if (found_.plan == recovery::RecoveryPlan::rebuild || version > last || below)
      return std::nullopt;

    Source source{version, copy, std::nullopt, std::nullopt};
    if (found_.log) seen_ = found_.log->tip;
    source.copy.named = layout::working_path(place_.generation);
    if (copy.lowest() < version) {
      FLATKV_ASSIGN(source.reader,
                    changelog::Reader::open(files_, changelog(), *found_.log, found_.manifest.store,
                                            copy.lowest() + 1, true));
    }
    const recovery::KnownRoots known(files_, found_);
    FLATKV_ASSIGN(source.expected, known.at(version));
    FLATKV_TRY(link_working_copy(clone));
    return source;
  }

  Status link_working_copy(const std::string& clone) {
    const std::string from = layout::working_path(place_.generation);
    const std::string to = layout::working_path(clone);
    FLATKV_TRY(files_.make_directory(to));
    for (const Database which : kAllDatabases) {
      const std::string path = layout::database_path(to, which);
      if (which == Database::metadata && !found_.copy.metadata) {
        rocks::DbOptions options;
        options.path = path;
        options.which = which;
        options.env = environment_.rocks;
        FLATKV_TRY(rocks::Db::open(options, rocks::Db::Mode::create));
      } else {
        FLATKV_TRY(rocks::clone_closed(files_, layout::database_path(from, which), path));
      }
    }
    return {};
  }

  Result<Source> from_snapshot(const std::string& clone, const layout::Manifest& manifest) {
    FLATKV_ASSIGN(const auto snapshots,
                  layout::list_chain_snapshots(files_, place_.generation, true));
    std::optional<Error> log_problem;
    FLATKV_ASSIGN(auto reach,
                  recovery::find_reach(files_, place_, manifest, snapshots, log_problem));
    FLATKV_ASSIGN(const std::int64_t version, choose_version(reach, log_problem));
    std::optional<Error> first;
    for (recovery::Reach& one : reach | std::views::reverse) {
      if (one.version > version || one.last < version) continue;
      auto source = from_one(clone, manifest, snapshots, std::move(one), version);
      if (source) return source;
      if (source.error().code != ErrorCode::corruption) return source;
      if (!first) first = std::move(source).error();  // an older snapshot may serve
      FLATKV_TRY(fs::remove_tree(files_, layout::working_path(clone)));
    }
    if (first) return std::unexpected(*std::move(first));
    return out_of_reach(version, reach, log_problem);
  }

  Result<std::int64_t> choose_version(const std::vector<recovery::Reach>& reach,
                                      const std::optional<Error>& log_problem) const {
    if (options_.at) return *options_.at;
    if (log_problem) return std::unexpected(*log_problem);
    if (reach.empty()) {
      return fail(ErrorCode::corruption,
                  "no valid snapshot to read from while another process has the store")
          .path(place_.generation);
    }
    if (reach.back().log) FLATKV_TRY(recovery::end_is_sound(place_, *reach.back().log));
    return reach.back().last;
  }

  Result<Source> out_of_reach(std::int64_t version, const std::vector<recovery::Reach>& reach,
                              const std::optional<Error>& log_problem) const {
    std::string message = "this version cannot be reached; snapshots and changelog reach " +
                          recovery::range_text(reach);
    if (refusal_) message += "; the store does not open: " + refusal_->to_string();
    if (!refusal_ && log_problem) message += "; " + log_problem->to_string();
    return fail(ErrorCode::version_mismatch, message).path(place_.store).version(version);
  }

  Result<Source> from_one(const std::string& clone, const layout::Manifest& manifest,
                          const std::vector<layout::SnapshotEntry>& snapshots, recovery::Reach from,
                          std::int64_t version) {
    RecoveryAnalysis known_by;
    known_by.generation = place_.generation;
    known_by.manifest = manifest;
    known_by.snapshots = snapshots;
    known_by.log = std::move(from.log);
    if (known_by.log) seen_ = known_by.log->tip;
    const recovery::KnownRoots known(files_, known_by);

    Source source{version, {}, std::nullopt, std::nullopt};
    FLATKV_ASSIGN(source.expected, known.at(version));
    if (from.version < version) {
      FLATKV_ASSIGN(source.reader, changelog::Reader::open(files_, changelog(), *known_by.log,
                                                           manifest.store, from.version + 1, true));
    }
    if (!known_by.log) {
      Logger(options_.log).warning(layout::unknown_place(snapshots[from.snapshot]));
    }
    FLATKV_FAILPOINT("history.clone.chosen");
    const std::string working = layout::working_path(clone);
    FLATKV_TRY(layout::clone_snapshot(files_, snapshots[from.snapshot].path, working, manifest));
    FLATKV_ASSIGN(source.copy, recovery::analyze_copy(environment_, working, known,
                                                      snapshots[from.snapshot].path));
    if (source.copy.unusable) return std::unexpected(*source.copy.unusable);
    if (!source.copy.level_at(from.version)) {
      return fail(ErrorCode::corruption, "the snapshot's databases are not at its version")
          .path(snapshots[from.snapshot].path)
          .version(from.version);
    }
    return source;
  }

  /// Checks CURRENT and the directory again: the generation that was chosen must still be live.
  Status unchanged(const Source& source) {
    FLATKV_ASSIGN(const bool same, recovery::still_there(files_, place_));
    if (!same) return fail(ErrorCode::not_found, "the generation was replaced").path(place_.store);
    if (!source.reader) return {};
    FLATKV_ASSIGN(const auto entries, files_.list(changelog()));
    std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
    for (const auto& entry : entries) {
      if (const auto first = changelog::parse_segment_name(entry.name)) {
        oldest = std::min(oldest, *first);
      }
    }
    if (oldest <= source.copy.lowest() + 1) return {};
    return fail(ErrorCode::not_found, "segments were pruned meanwhile").path(changelog());
  }

  Result<std::unique_ptr<Internals::Impl<ReadOnlyStore>>> start(CloneDirectory clone, Source source,
                                                                const layout::Manifest& manifest) {
    Options options;
    options.cache.block_cache_bytes = options_.block_cache_bytes;
    options.flush.write_buffer_bytes = options_.write_buffer_bytes;
    options.threads = options_.threads;
    options.strict = options_.strict;
    options.strict_exceptions = options_.strict_exceptions;
    options.log = options_.log;
    options.cache.row_cache_bytes = 0;
    options.recent_versions = 0;
    options.snapshot.interval = 0;
    // A clone does not compact, so a limit would stall it for ever.
    options.flush.level0_limit = std::numeric_limits<std::uint32_t>::max();
    options.flush.pending_compaction_limit_bytes = std::numeric_limits<std::uint64_t>::max();
    options.overlay_memory_bytes = std::numeric_limits<std::uint64_t>::max();
    auto impl = std::make_unique<Internals::Impl<ReadOnlyStore>>();
    FLATKV_ASSIGN(impl->core,
                  recovery::start_core(environment_, options, place_.store, clone.path(), manifest,
                                       source.copy, nullptr, false));
    impl->core->setup().lifetime->remove_clone_at_end(std::move(clone).hand_on());
    if (source.reader) {
      FLATKV_TRY(recovery::replay_records(*impl->core, *source.reader, changelog(), source.version,
                                          {.stop = options_.stop, .progress = {}}));
      FLATKV_FAILPOINT("history.clone.replayed");
      const auto replayed = impl->core->state();
      FLATKV_TRY(recovery::still_on_chain(files_, place_, manifest.store, replayed->version,
                                          replayed->chain));
    }
    const auto state = impl->core->state();
    impl->roots = state->roots;
    if (found_.plan == recovery::RecoveryPlan::rebuild) {
      impl->working_copy_problem =
          found_.copy.unusable
              ? *found_.copy.unusable
              : fail(ErrorCode::log_gap, "the changelog does not lead on from the working copy")
                    .path(layout::working_path(place_.generation))
                    .error();
    }
    FLATKV_TRY(is_what_was_asked_for(*state, source));
    impl->view = read::make_view(state);
    return impl;
  }

  Status is_what_was_asked_for(const state::State& state, const Source& source) const {
    const auto wrong = [&](const std::string& message) {
      return fail(ErrorCode::corruption, message).path(place_.store).version(source.version);
    };
    for (const state::DbState& own : state.databases) {
      if (own.version != source.version) {
        return wrong("the clone is not at one version after replay");
      }
    }
    if (state.version != source.version) return wrong("the clone did not reach its version");
    if (!source.expected || state.roots == *source.expected) return {};
    return wrong("the clone has the root " + to_hex(state.roots.root) +
                 ", changelog or snapshot has " + to_hex(source.expected->root));
  }

  const state::Environment& environment_;
  fs::FileSystem& files_;
  const recovery::LiveGeneration& place_;
  const ReadOnlyOptions& options_;
  RecoveryAnalysis found_;
  std::optional<Error> refusal_;
  std::optional<changelog::Tip> seen_;  ///< of the log that is read
};

}  // namespace

Result<ReadOnlyStore> open_read_only(const state::Environment& environment,
                                     const std::string& store, const ReadOnlyOptions& options) {
  FLATKV_TRY(enter_process());
  FLATKV_TRY(blake3::environment_kernel());
  FLATKV_TRY(state::check_options(options));
  FLATKV_ASSIGN(auto impl, recovery::look_at_store(
                               *environment.files, store,
                               [&](const recovery::LiveGeneration& place) {
                                 return Cloner(environment, place, options).run();
                               },
                               true));
  return Internals::make<ReadOnlyStore>(std::move(impl));
}

}  // namespace inspect

ReadOnlyStore::ReadOnlyStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReadOnlyStore::ReadOnlyStore(ReadOnlyStore&&) noexcept = default;
ReadOnlyStore& ReadOnlyStore::operator=(ReadOnlyStore&&) noexcept = default;
ReadOnlyStore::~ReadOnlyStore() = default;

Result<ReadOnlyStore> ReadOnlyStore::open(const std::string& store,
                                          const ReadOnlyOptions& options) {
  return guarded([&] { return inspect::open_read_only({}, store, options); });
}

std::int64_t ReadOnlyStore::version() const noexcept { return impl_->core->state()->version; }
const Roots& ReadOnlyStore::roots() const noexcept { return impl_->roots; }
AccountRows ReadOnlyStore::account_rows() const noexcept {
  return impl_->core->setup().manifest.account_rows;
}
const std::optional<Error>& ReadOnlyStore::working_copy_problem() const noexcept {
  return impl_->working_copy_problem;
}
ReadView ReadOnlyStore::view() const noexcept { return *impl_->view; }

Result<VerifyReport> ReadOnlyStore::verify(const VerifyOptions& options) const {
  return guarded([&]() -> Result<VerifyReport> {
    FLATKV_ASSIGN(const auto state, impl_->core->readable_state());
    return read::verify_state(state, options, impl_->core->setup().options.threads);
  });
}

Status ReadOnlyStore::apply(std::span<const NamedChangeSet> change_sets) {
  return commit::writer_step(*impl_->core, [&] { return impl_->core->apply(change_sets); });
}
Result<Roots> ReadOnlyStore::working_roots() const {
  return commit::writer_step(*impl_->core,
                             [&]() -> Result<Roots> { return impl_->core->pending().roots(); });
}
void ReadOnlyStore::discard() noexcept { impl_->core->discard(); }

Result<std::optional<Bytes>> ReadOnlyStore::get(ByteView external_key) const {
  return read::get(*impl_->core, external_key);
}
Result<std::vector<std::optional<Bytes>>> ReadOnlyStore::get_many(
    std::span<const ByteView> external_keys) const {
  return read::get_many(*impl_->core, external_keys);
}
Result<std::optional<Account>> ReadOnlyStore::account(const Address& address) const {
  return read::account(*impl_->core, address);
}
Result<std::optional<Bytes>> ReadOnlyStore::storage(const Address& address,
                                                    const Slot& slot) const {
  return read::storage(*impl_->core, address, slot);
}
Result<std::optional<Bytes>> ReadOnlyStore::code(const Address& address) const {
  return read::code(*impl_->core, address);
}
Result<std::optional<Bytes>> ReadOnlyStore::row(Database database, ByteView internal_key) const {
  return read::row(*impl_->core, database, internal_key);
}
Result<RowIterator> ReadOnlyStore::iterate(Database database, const RowRange& range) const {
  return impl_->core->iterate(database, range);
}

Result<Overlay> ReadOnlyStore::overlay() const {
  return guarded([&] { return overlay::start(impl_->core); });
}

Result<std::vector<TableInfo>> table_info(const ReadOnlyStore& store) {
  return guarded([&]() -> Result<std::vector<TableInfo>> {
    const auto state = Internals::impl(store).core->state();
    std::vector<TableInfo> all;
    for (const Database database : kAllDatabases) {
      const auto& tables = state->lifetime->database(database);
      TableInfo& one = all.emplace_back();
      one.database = database;
      one.pending_compaction_bytes = tables->pressure().pending_compaction_bytes;
      for (const rocks::Level& level : tables->levels()) {
        one.levels.push_back({level.number, level.files, level.bytes});
      }
    }
    return all;
  });
}

}  // namespace flatkv
