// SPDX-License-Identifier: Apache-2.0
#include "layout/snapshot_chain.hpp"

#include "base/bytes.hpp"
#include "changelog/reader.hpp"
#include "layout/generation.hpp"
#include "layout/snapshot_manifest.hpp"

namespace flatkv::layout {
namespace {

constexpr int kTries = 3;  // pruning may remove segments during a look

bool covers(const changelog::LogWalk& walk, std::int64_t version) {
  return walk.base.version <= version && version <= walk.tip.version;
}

Result<std::optional<changelog::LogWalk>> walk_from(fs::FileSystem& files,
                                                    const std::string& changelog,
                                                    const StoreId& store, std::int64_t version) {
  changelog::SurveyOptions options;
  options.store = store;
  options.from_version = version;
  options.check_last_payloads = false;  // the chain is in the headers
  return changelog::walk_segments(files, changelog, options);
}

/// Whether the log is damaged or not ours, so that it proves nothing.
bool tells_nothing(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::foreign_store ||
         error.code == ErrorCode::format_too_new;
}

Status judge_all(fs::FileSystem& files, const std::string& changelog, const StoreId& store,
                 std::vector<SnapshotEntry>& snapshots) {
  std::optional<changelog::LogWalk> walk;
  for (SnapshotEntry& one : snapshots) {
    if (!one.manifest) continue;
    if (!walk || !covers(*walk, one.version)) {
      auto next = walk_from(files, changelog, store, one.version);
      if (!next && !tells_nothing(next.error())) return std::unexpected(std::move(next).error());
      if (!next || !*next || !covers(**next, one.version)) continue;
      walk = *std::move(next);
    }
    auto digest = digest_at(files, changelog, *walk, store, one.version);
    if (digest) {
      if (*digest != one.manifest->chain) set_apart(one, *digest);
    } else if (!tells_nothing(digest.error())) {
      return std::unexpected(std::move(digest).error());
    }
  }
  return {};
}

}  // namespace

Result<Digest> digest_at(fs::FileSystem& files, const std::string& changelog,
                         const changelog::LogWalk& walk, const StoreId& store,
                         std::int64_t version) {
  if (walk.tip.version == version) return walk.tip.digest;
  if (walk.base.version == version) return walk.base.digest;
  FLATKV_ASSIGN(const auto header, changelog::find_header(files, changelog, walk, store, version));
  if (header) return header->digest;
  return fail(ErrorCode::not_found, "the record disappeared during the search")
      .path(changelog)
      .version(version);
}

Result<OnChain> on_chain(fs::FileSystem& files, const std::string& changelog,
                         const changelog::LogWalk& walk, const SnapshotManifest& snapshot) {
  const std::int64_t version = snapshot.state.version;
  if (!covers(walk, version)) return OnChain::unknown;
  FLATKV_ASSIGN(const Digest digest,
                digest_at(files, changelog, walk, snapshot.manifest.store, version));
  return digest == snapshot.chain ? OnChain::yes : OnChain::no;
}

void set_apart(SnapshotEntry& snapshot, const Digest& in_log) {
  const Digest own = snapshot.manifest->chain;
  snapshot.stray = true;
  snapshot.manifest =
      fail(ErrorCode::corruption, "the snapshot is of another branch: it has the chain digest " +
                                      to_hex(own) + ", the changelog has " + to_hex(in_log) +
                                      "; it is not used, and goes when "
                                      "snapshots are pruned")
          .path(snapshot.path)
          .version(snapshot.version);
}

Status set_strays_apart(fs::FileSystem& files, const std::string& generation, const StoreId& store,
                        std::vector<SnapshotEntry>& snapshots) {
  const std::string changelog = changelog_path(generation);
  for (int attempt = 1;; ++attempt) {
    Status judged = judge_all(files, changelog, store, snapshots);
    if (judged || judged.error().code != ErrorCode::not_found || attempt == kTries) return judged;
  }
}

Result<std::vector<SnapshotEntry>> list_chain_snapshots(fs::FileSystem& files,
                                                        const std::string& generation,
                                                        bool check_files) {
  // List snapshots before reading the log: a snapshot is written only when the log has its version.
  FLATKV_ASSIGN(auto snapshots, list_snapshots(files, generation, check_files));
  const auto manifest = read_manifest(files, generation);
  if (manifest) FLATKV_TRY(set_strays_apart(files, generation, manifest->store, snapshots));
  return snapshots;
}

Result<bool> log_leads_on(fs::FileSystem& files, const std::string& generation, std::int64_t from,
                          std::int64_t to) {
  FLATKV_ASSIGN(const auto manifest, read_manifest(files, generation));
  FLATKV_ASSIGN(const auto walk,
                walk_from(files, changelog_path(generation), manifest.store, from));
  return walk && covers(*walk, from) && covers(*walk, to);
}

std::string unknown_place(const SnapshotEntry& snapshot) {
  return "the changelog does not keep version " + std::to_string(snapshot.version) +
         ", so nothing but the snapshot itself shows that it is of this store's chain: " +
         snapshot.path;
}

}  // namespace flatkv::layout
