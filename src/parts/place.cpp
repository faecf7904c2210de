// SPDX-License-Identifier: Apache-2.0
#include "parts/place.hpp"

#include <algorithm>

#include "base/guard.hpp"
#include "base/machine.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"
#include "transfer/row_hasher.hpp"

namespace flatkv {
namespace parts {
namespace {

constexpr unsigned kMostParallel = 64;
constexpr unsigned kMostStallSeconds = 3600;

using objects::Location;

/// The location of the snapshot that is meant.
Result<Location> choose(const SnapshotChoice& choice, const PartsOptions& options) {
  FLATKV_ASSIGN(Location location, Location::parse(choice.from));
  if (const auto named = layout::parse_snapshot_name(location.name())) {
    if (choice.version.value_or(*named) == *named) return location;
    return fail(ErrorCode::invalid_argument, choice.from + " is the snapshot of version " +
                                                 std::to_string(*named) + ", not of version " +
                                                 std::to_string(*choice.version));
  }
  if (choice.version) return location.below(layout::snapshot_name(*choice.version));
  if (location.scheme == objects::Scheme::http) {
    return fail(ErrorCode::unsupported,
                "over http(s) nothing can be listed: name the snapshot itself, …/snapshot- and "
                "twenty digits, or its version")
        .path(choice.from);
  }
  FLATKV_ASSIGN(const auto below, open_objects(location, options));
  FLATKV_ASSIGN(const auto listed, list_snapshots(*below));
  const auto newest =
      std::find_if(listed.rbegin(), listed.rend(), [](const auto& one) { return one.complete; });
  if (newest != listed.rend()) return location.below(layout::snapshot_name(newest->version));
  return fail(ErrorCode::not_found, listed.empty()
                                        ? "no snapshot is here"
                                        : "no complete snapshot is here: an export that is not "
                                          "finished has no manifest.json")
      .path(choice.from);
}

}  // namespace

Result<PartsOptions> checked(const PartsOptions& given) {
  PartsOptions options = given;
  if (options.parallel == 0) options.parallel = std::min(machine().cores + 2, kMostParallel);
  if (options.parallel > kMostParallel) {
    return fail(ErrorCode::invalid_argument, "at most 64 parts can be on their way at once");
  }
  if (options.stall_seconds == 0 || options.stall_seconds > kMostStallSeconds) {
    return fail(ErrorCode::invalid_argument, "a transfer may stall for 1 to 3600 seconds");
  }
  return options;
}

Result<std::unique_ptr<objects::Objects>> open_objects(const Location& location,
                                                       const PartsOptions& options) {
  objects::ObjectsOptions own;
  own.stop = options.stop;
  own.stall_seconds = options.stall_seconds;
  return objects::Objects::open(location, own);
}

Result<std::vector<ListedSnapshot>> list_snapshots(objects::Objects& below) {
  FLATKV_ASSIGN(const auto all, below.list("snapshot-"));
  std::vector<ListedSnapshot> found;
  for (const objects::ObjectInfo& object : all) {
    const std::size_t slash = object.name.find('/');
    if (slash == std::string::npos) continue;
    const auto version = layout::parse_snapshot_name(object.name.substr(0, slash));
    if (!version) continue;
    if (found.empty() || found.back().version != *version) found.push_back({*version, false, {}});
    if (object.name.substr(slash + 1) == kManifestName) {
      found.back().complete = true;
    } else {
      found.back().others.push_back(object.name);
    }
  }
  return found;  // the names are in order, and have numbers of one length
}

Result<StoredManifest> read_manifest(objects::Objects& snapshot, const std::string& location) {
  Result<StoredManifest> manifest;
  for (int i = 0; i < kFetches; ++i) {
    FLATKV_ASSIGN(const Bytes bytes, snapshot.read(std::string(kManifestName), kMaxManifestBytes));
    manifest = decode_stored_manifest(bytes);
    if (manifest || manifest.error().code != ErrorCode::corruption) break;
  }
  if (!manifest) manifest.error().path = location + "/" + std::string(kManifestName);
  return manifest;
}

Result<Place> find_place(const SnapshotChoice& choice, const TrustedRoots& trusted,
                         const PartsOptions& options) {
  FLATKV_ASSIGN(const Location location, choose(choice, options));
  Place place;
  place.location = location.to_string();
  FLATKV_ASSIGN(place.objects, open_objects(location, options));
  FLATKV_ASSIGN(place.manifest, read_manifest(*place.objects, place.location));
  const StoredManifest& manifest = place.manifest;
  if (layout::snapshot_name(manifest.version) != location.name()) {
    return fail(ErrorCode::corruption, "the manifest is that of another version")
        .path(place.location)
        .version(manifest.version);
  }
  Status same = transfer::compare_trusted(manifest.version, manifest.roots(), trusted);
  if (!same) {
    same.error().path = place.location;
    return std::unexpected(same.error());
  }
  return place;
}

}  // namespace parts

Result<std::vector<std::int64_t>> list_stored_snapshots(const std::string& below) {
  return guarded([&]() -> Result<std::vector<std::int64_t>> {
    FLATKV_ASSIGN(const auto location, objects::Location::parse(below));
    FLATKV_ASSIGN(const auto objects, parts::open_objects(location, {}));
    FLATKV_ASSIGN(const auto listed, parts::list_snapshots(*objects));
    std::vector<std::int64_t> versions;
    for (const auto& one : listed) {
      if (one.complete) versions.push_back(one.version);
    }
    return versions;
  });
}

Result<StoredSnapshot> find_stored_snapshot(const SnapshotChoice& choice,
                                            const TrustedRoots& trusted,
                                            const PartsOptions& options) {
  return guarded([&]() -> Result<StoredSnapshot> {
    FLATKV_ASSIGN(const PartsOptions own, parts::checked(options));
    FLATKV_ASSIGN(const parts::Place place, parts::find_place(choice, trusted, own));
    return place.manifest.summary(place.location);
  });
}

}  // namespace flatkv
