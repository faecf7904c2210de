// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ranges>

#include "base/guard.hpp"
#include "changelog/clean_marker.hpp"
#include "changelog/reader.hpp"
#include "flatkv/tools/inspect.hpp"
#include "inspect/log_coverage.hpp"
#include "layout/snapshot_chain.hpp"
#include "layout/snapshot_manifest.hpp"
#include "recovery/live_generation.hpp"

namespace flatkv {
namespace {

using recovery::LiveGeneration;

/// Finds one roots line in log headers, SNAPSHOTs and CLEAN.
class RootsFinder {
 public:
  RootsFinder(fs::FileSystem& files, const LiveGeneration& place) : files_(files), place_(place) {}

  Result<RootsAt> find(std::optional<std::int64_t> at) {
    FLATKV_ASSIGN(manifest_, layout::read_manifest(files_, place_.generation));
    FLATKV_ASSIGN(snapshots_, layout::list_chain_snapshots(files_, place_.generation, false));
    if (at) return find_version(*at);
    if (const auto opened = as_an_open_has_it()) return *opened;
    return find_last();
  }

 private:
  /// If nobody has the store open, asks the databases: they may be above a log that is damaged or
  /// lost its end, and an open then takes their version. nullopt if a writer has them or an open
  /// would refuse: then only headers are left.
  std::optional<RootsAt> as_an_open_has_it() {
    const auto lock = files_.lock_directory(place_.store);
    if (!lock) return std::nullopt;
    state::Environment environment;
    environment.files = &files_;
    recovery::RecoveryAnalysis found;
    if (!recovery::analyze_store(environment, place_.store, found)) return std::nullopt;
    const auto committed = inspect::committed_roots(files_, found);
    return committed ? *committed : std::nullopt;
  }

  Result<RootsAt> find_last() {
    std::int64_t from = manifest_.initial_version - 1;
    for (const auto& snapshot : snapshots_) {
      if (snapshot.manifest) from = std::max(from, snapshot.version);
    }
    FLATKV_ASSIGN(const auto log, recovery::walk_log(files_, place_, manifest_.store, from));
    if (!log) {
      return fail(ErrorCode::corruption, "there is no changelog; see `flatkv info`")
          .path(layout::changelog_path(place_.generation));
    }
    FLATKV_TRY(recovery::end_is_sound(place_, *log));
    const std::int64_t last = log->tip.version;
    std::int64_t durable = from;
    FLATKV_ASSIGN(const auto clean, changelog::read_clean(files_, place_.generation));
    if (clean) durable = std::max(durable, clean->version);
    if (last < durable) {
      return fail(ErrorCode::log_behind, "the changelog reaches version " + std::to_string(last) +
                                             ", but version " + std::to_string(durable) +
                                             " is known to be durable; see `flatkv info`")
          .path(place_.store)
          .version(durable);
    }
    if (log->tip.roots) return RootsAt{last, *log->tip.roots};
    return find_version(last);  // a log or last segment without a record
  }

  Result<RootsAt> find_version(std::int64_t version) {
    if (version > 0) {
      FLATKV_ASSIGN(const auto log,
                    recovery::walk_log(files_, place_, manifest_.store, version - 1));
      if (log) {
        FLATKV_ASSIGN(const auto header,
                      changelog::find_header(files_, layout::changelog_path(place_.generation),
                                             *log, manifest_.store, version));
        if (header) return RootsAt{version, header->roots};
      }
    }
    for (const auto& snapshot : snapshots_) {
      if (snapshot.manifest && snapshot.version == version) {
        return RootsAt{version, layout::roots_of(snapshot.manifest->state.hashes)};
      }
    }
    FLATKV_ASSIGN(const auto clean, changelog::read_clean(files_, place_.generation));
    if (clean && clean->version == version) return RootsAt{version, clean->roots};
    return out_of_range(version);
  }

  Result<RootsAt> out_of_range(std::int64_t version) {
    std::vector<VersionRange> ranges;
    FLATKV_ASSIGN(const auto log, recovery::walk_whole_log(files_, place_, manifest_.store));
    if (log && log->tip.version > log->base.version) {
      ranges.push_back({log->base.version + 1, log->tip.version});
    }
    for (const auto& snapshot : snapshots_) {
      if (snapshot.manifest) ranges.push_back({snapshot.version, snapshot.version});
    }
    return fail(ErrorCode::version_mismatch,
                "neither changelog nor snapshots keep this version; they keep " +
                    recovery::range_text(std::move(ranges)))
        .path(place_.store)
        .version(version);
  }

  fs::FileSystem& files_;
  const LiveGeneration& place_;
  layout::Manifest manifest_;
  std::vector<layout::SnapshotEntry> snapshots_;
};

}  // namespace

Result<RootsAt> roots_at(const std::string& store, std::optional<std::int64_t> at) {
  return guarded([&]() -> Result<RootsAt> {
    fs::FileSystem& files = fs::posix();
    return recovery::look_at_store(files, store, [&](const LiveGeneration& place) {
      return RootsFinder(files, place).find(at);
    });
  });
}

}  // namespace flatkv
