// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "base/failpoint.hpp"
#include "base/guard.hpp"
#include "base/stopwatch.hpp"
#include "layout/generation.hpp"
#include "parts/part_codec.hpp"
#include "parts/place.hpp"
#include "parts/row_progress.hpp"
#include "parts/workers.hpp"
#include "transfer/view_rows.hpp"

namespace flatkv {
namespace parts {
namespace {

using Sizes = std::map<std::string, std::uint64_t, std::less<>>;

class SnapshotExporter {
 public:
  SnapshotExporter(const ReadView& view, objects::Objects& objects, Sizes there,
                   const PartsOptions& options)
      : view_(view),
        objects_(objects),
        there_(std::move(there)),
        options_(options),
        context_{view.version(), view.account_rows()},
        progress_(options.progress, "export", rows_of(view)) {}

  /// Sends the parts that are not there; returns all of them.
  Result<StoredManifest> run(PartsWork& work) {
    Workers<Cut> workers(options_.parallel, options_.stop,
                         [this](const Cut& cut, const std::stop_token&) { return send(cut); });
    for (const Database database : kDataDatabases) FLATKV_TRY(divide(database, workers));
    FLATKV_TRY(workers.finish());
    work.moved_parts = sent_;
    work.moved_bytes = sent_bytes_;
    work.transfer_seconds = static_cast<double>(sending_) * 1e-9;
    work.check_seconds = static_cast<double>(encoding_) * 1e-9;
    StoredManifest manifest{context_.version, context_.account_rows, std::move(parts_)};
    if (manifest.roots() != view_.roots()) {
      return fail(ErrorCode::corruption,
                  "the rows of the store are not those of its roots line; `flatkv verify` says "
                  "which database")
          .version(view_.version());
    }
    return manifest;
  }

 private:
  struct Cut {
    Database database;
    std::size_t index;
    scan::RowBuffer rows;
  };

  static std::uint64_t rows_of(const ReadView& view) {
    std::uint64_t rows = 0;
    for (const Database database : kDataDatabases) rows += view.stats(database).rows;
    return rows;
  }

  Status divide(Database database, Workers<Cut>& workers) {
    PartSplitter splitter([&](scan::RowBuffer rows) -> Status {
      if (cut_ == kMaxParts) {
        return fail(ErrorCode::unsupported, "the state has more than 24576 parts");
      }
      return workers.push({database, cut_++, std::move(rows)});
    });
    const auto add = [&](const scan::RowBuffer& rows) -> Status {
      for (std::size_t row = 0; row < rows.size(); ++row) {
        FLATKV_TRY(splitter.add(rows.key(row), rows.value(row)));
      }
      return {};
    };
    FLATKV_TRY(transfer::rows_in_order(view_, database, options_.stop, add));
    return splitter.end();
  }

  Status send(const Cut& cut) {
    const Stopwatch encoding;
    FLATKV_ASSIGN(EncodedPart encoded, encode_part(context_, cut.database, cut.rows));
    encoding_ += encoding.nanoseconds();
    const std::uint64_t bytes = encoded.object.size();
    if (bytes > kMaxPartBytes) {
      return fail(ErrorCode::unsupported, "a part has more than 128 MiB").database(cut.database);
    }
    const std::string name = part_name(encoded.part.digest);
    const auto there = there_.find(name);
    if (there == there_.end() || there->second != bytes) {
      const Stopwatch sending;
      FLATKV_TRY(objects_.put(name, encoded.object));
      FLATKV_FAILPOINT("parts.export.part_put");
      sending_ += sending.nanoseconds();
      sent_bytes_ += bytes;
      ++sent_;
    }
    {
      const std::lock_guard lock(mutex_);
      if (parts_.size() <= cut.index) parts_.resize(cut.index + 1);
      parts_[cut.index] = std::move(encoded.part);
    }
    progress_.add(cut.rows.size());
    return {};
  }

  const ReadView& view_;
  objects::Objects& objects_;
  const Sizes there_;
  const PartsOptions& options_;
  const PartContext context_;
  RowProgress progress_;
  std::size_t cut_ = 0;
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> sent_bytes_{0};
  std::atomic<std::uint64_t> sending_{0};
  std::atomic<std::uint64_t> encoding_{0};
  std::mutex mutex_;
  std::vector<Part> parts_;  ///< under the mutex
};

Sizes sizes_of(const std::vector<objects::ObjectInfo>& listed) {
  Sizes sizes;
  for (const auto& object : listed) sizes.emplace(object.name, object.bytes);
  return sizes;
}

bool has(const Sizes& there, const Part& part) {
  const auto object = there.find(part_name(part.digest));
  return object != there.end() && object->second == part.bytes;
}

/// The snapshot that is there already, if it is complete and of this state.
Result<std::optional<StoredManifest>> look_for(objects::Objects& objects, const Sizes& there,
                                               const std::string& location, const Roots& roots) {
  if (!there.contains(kManifestName)) return std::nullopt;
  auto manifest = read_manifest(objects, location);
  if (!manifest) {
    if (manifest.error().code == ErrorCode::corruption) return std::nullopt;  // replaced
    return std::unexpected(manifest.error());
  }
  if (manifest->roots() != roots) {
    return fail(ErrorCode::foreign_store,
                "a snapshot of this version with another state is here, of another chain or branch")
        .path(location)
        .version(manifest->version);
  }
  const bool whole =
      std::ranges::all_of(manifest->parts, [&](const Part& part) { return has(there, part); });
  return whole ? std::optional(*std::move(manifest)) : std::nullopt;
}

/// Whether all parts are there. Another export's `keep` may take the parts of a snapshot that has
/// no manifest yet.
Status check_there(objects::Objects& objects, const StoredManifest& manifest,
                   const std::string& location) {
  FLATKV_ASSIGN(const auto listed, objects.list(""));
  const Sizes there = sizes_of(listed);
  for (const Part& part : manifest.parts) {
    if (has(there, part)) continue;
    return fail(ErrorCode::io,
                "the part is not there any more: something else removes objects here")
        .path(location + "/" + part_name(part.digest))
        .version(manifest.version);
  }
  return {};
}

std::string manifest_of(const ListedSnapshot& snapshot) {
  return layout::snapshot_name(snapshot.version) + "/" + std::string(kManifestName);
}

Status remove_all(objects::Objects& objects, const ListedSnapshot& snapshot) {
  for (const std::string& name : snapshot.others) {
    FLATKV_TRY(objects.remove(name));
    FLATKV_FAILPOINT("parts.prune.part_removed");
  }
  return {};
}

/// Removes the oldest snapshots but for `keep`, and what an unfinished export or removal left
/// below the oldest one that stays.
Result<std::vector<std::int64_t>> prune(objects::Objects& below, std::uint32_t keep,
                                        std::int64_t own) {
  FLATKV_ASSIGN(const auto listed, list_snapshots(below));
  auto complete = static_cast<std::size_t>(
      std::ranges::count_if(listed, [](const auto& one) { return one.complete; }));
  const auto settle = [&](const ListedSnapshot& one) { return below.settle(manifest_of(one)); };
  if (complete > keep) {
    // Those that stay take the place of those that go.
    for (const ListedSnapshot& one : listed) {
      if (one.complete) FLATKV_TRY(settle(one));
    }
  }
  std::vector<std::int64_t> removed;
  for (const ListedSnapshot& one : listed) {
    if (one.version == own || complete <= keep) break;
    if (!one.complete) continue;
    FLATKV_TRY(below.remove(manifest_of(one)));
    FLATKV_FAILPOINT("parts.prune.manifest_removed");
    FLATKV_TRY(remove_all(below, one));
    removed.push_back(one.version);
    --complete;
  }
  for (const ListedSnapshot& one : listed) {
    if (std::ranges::find(removed, one.version) != removed.end()) continue;
    if (one.complete) break;
    FLATKV_TRY(settle(one));  // a manifest goes before its parts
    FLATKV_TRY(remove_all(below, one));
  }
  return removed;
}

}  // namespace

Result<SnapshotExport> export_to(const ReadView& view, objects::Objects& snapshot,
                                 objects::Objects& below, const std::string& location,
                                 std::uint32_t keep, const PartsOptions& options) {
  FLATKV_ASSIGN(const auto listed, snapshot.list(""));
  Sizes there = sizes_of(listed);
  SnapshotExport done;
  FLATKV_ASSIGN(auto manifest, look_for(snapshot, there, location, view.roots()));
  // Whoever put what is there may have died before it was durable.
  FLATKV_TRY(snapshot.settle(std::string(kManifestName)));
  if (!manifest) {
    SnapshotExporter exporter(view, snapshot, std::move(there), options);
    FLATKV_ASSIGN(manifest, exporter.run(done.work));
    const Bytes encoded = encode(*manifest);
    if (encoded.size() > kMaxManifestBytes) {
      return fail(ErrorCode::unsupported, "the manifest is larger than 128 MiB");
    }
    FLATKV_TRY(check_there(snapshot, *manifest, location));
    FLATKV_FAILPOINT("parts.export.before_manifest");
    FLATKV_TRY(snapshot.put(std::string(kManifestName), encoded));
    FLATKV_FAILPOINT("parts.export.after_manifest");
  }
  done.snapshot = manifest->summary(location);
  if (keep != 0) {
    FLATKV_ASSIGN(done.removed, prune(below, keep, view.version()));
  }
  return done;
}

}  // namespace parts

Result<SnapshotExport> export_snapshot(const ReadView& view, const std::string& to,
                                       std::uint32_t keep, const PartsOptions& options) {
  return guarded([&]() -> Result<SnapshotExport> {
    FLATKV_ASSIGN(const PartsOptions own, parts::checked(options));
    FLATKV_ASSIGN(const auto below, objects::Location::parse(to));
    const auto location = below.below(layout::snapshot_name(view.version()));
    FLATKV_ASSIGN(const auto snapshot, parts::open_objects(location, own));
    FLATKV_ASSIGN(const auto all, parts::open_objects(below, own));
    return parts::export_to(view, *snapshot, *all, location.to_string(), keep, own);
  });
}

}  // namespace flatkv
