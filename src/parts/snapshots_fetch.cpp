// SPDX-License-Identifier: Apache-2.0
// Fetching parts: to check them, and to make a store of them.
#include <atomic>

#include "base/guard.hpp"
#include "base/stopwatch.hpp"
#include "fs/files.hpp"
#include "fs/space.hpp"
#include "parts/part_tables.hpp"
#include "parts/place.hpp"
#include "parts/row_progress.hpp"
#include "parts/workers.hpp"
#include "transfer/row_import.hpp"

namespace flatkv {
namespace parts {
namespace {

class Fetcher {
 public:
  /// Gets the object of a part; what it does with it takes its time out of `check_seconds`.
  using Use = std::function<Status(const Part&, ByteView object, const std::stop_token&)>;

  explicit Fetcher(const Place& place) : place_(place) {}

  Status fetch(const Part& part, const std::stop_token& stop, const Use& use) {
    const std::string name = part_name(part.digest);
    Status done;
    for (int i = 0; i < kFetches; ++i) {
      const Stopwatch transfer;
      auto object = place_.objects->get(name, part.bytes);
      transfer_ += transfer.nanoseconds();
      if (!object) return std::unexpected(std::move(object).error());
      const Stopwatch check;
      done = use(part, *object, stop);
      check_ += check.nanoseconds();
      ++parts_;
      if (done || done.error().code != ErrorCode::corruption) break;
    }
    if (!done && done.error().path.empty()) done.error().path = place_.location + "/" + name;
    return done;
  }

  void proved(std::uint64_t nanoseconds) { check_ += nanoseconds; }
  void wrote(std::uint64_t nanoseconds) { tables_ += nanoseconds; }

  PartsWork work() const {
    constexpr double kSecond = 1e-9;
    return {.moved_parts = parts_,
            .moved_bytes = place_.objects->bytes_received(),
            .transfer_seconds = static_cast<double>(transfer_) * kSecond,
            .check_seconds = static_cast<double>(check_ - tables_) * kSecond,
            .tables_seconds = static_cast<double>(tables_) * kSecond,
            .finish_seconds = 0};
  }

 private:
  const Place& place_;
  std::atomic<std::uint64_t> parts_{0};
  std::atomic<std::uint64_t> transfer_{0};
  std::atomic<std::uint64_t> check_{0};
  std::atomic<std::uint64_t> tables_{0};
};

PartContext context_of(const StoredManifest& manifest) {
  return {manifest.version, manifest.account_rows};
}

Status check_all(const Place& place, std::optional<std::uint64_t> only,
                 const PartsOptions& options) {
  const std::vector<Part>& all = place.manifest.parts;
  const PartContext context = context_of(place.manifest);
  Fetcher fetcher(place);
  const auto use = [&](const Part& part, ByteView object, const std::stop_token& stop) {
    return check_part(context, part, object, stop, {});
  };
  if (only) {
    if (*only < all.size()) return fetcher.fetch(all[*only], options.stop, use);
    return fail(ErrorCode::invalid_argument,
                "the snapshot has " + std::to_string(all.size()) + " parts, numbered from 0")
        .path(place.location);
  }
  RowProgress progress(options.progress, "check", place.manifest.summary({}).rows);
  Workers<const Part*> workers(options.parallel, options.stop,
                               [&](const Part* part, const std::stop_token& stop) -> Status {
                                 FLATKV_TRY(fetcher.fetch(*part, stop, use));
                                 progress.add(part->stats.rows);
                                 return {};
                               });
  for (const Part& part : all) FLATKV_TRY(workers.push(&part));
  return workers.finish();
}

/// Brings the table of every part into the directory.
Status fetch_tables(const Place& place, const transfer::RowImport& import, const PartTables& tables,
                    Fetcher& fetcher, const PartsOptions& options) {
  const PartContext context = context_of(place.manifest);
  RowProgress progress(options.progress, "import", place.manifest.summary({}).rows);
  const auto bring = [&](const Part* part, const std::stop_token& stop) -> Status {
    const rocks::DbOptions how = import.table_options(part->database);
    const Stopwatch proving;
    FLATKV_ASSIGN(const bool there, tables.has(how, *part, stop));
    fetcher.proved(proving.nanoseconds());
    if (!there) {
      FLATKV_TRY(fetcher.fetch(
          *part, stop, [&](const Part& own, ByteView object, const std::stop_token& stopped) {
            std::uint64_t writing = 0;
            Status written = tables.write(how, context, own, object, stopped, writing);
            fetcher.wrote(writing);
            return fs::needing(own.stats.key_bytes + own.stats.value_bytes, std::move(written));
          }));
    }
    progress.add(part->stats.rows);
    return {};
  };
  Workers<const Part*> workers(options.parallel, options.stop, bring);
  for (const Part& part : place.manifest.parts) FLATKV_TRY(workers.push(&part));
  return workers.finish();
}

}  // namespace
}  // namespace parts

Result<StoredSnapshot> check_stored_snapshot(const SnapshotChoice& choice,
                                             std::optional<std::uint64_t> part,
                                             const TrustedRoots& trusted,
                                             const PartsOptions& options) {
  return guarded([&]() -> Result<StoredSnapshot> {
    FLATKV_ASSIGN(const PartsOptions own, parts::checked(options));
    FLATKV_ASSIGN(const parts::Place place, parts::find_place(choice, trusted, own));
    FLATKV_TRY(parts::check_all(place, part, own));
    return place.manifest.summary(place.location);
  });
}

Result<SnapshotImport> import_stored_snapshot(const SnapshotChoice& choice, const std::string& path,
                                              const ImportOptions& import,
                                              const TrustedRoots& trusted,
                                              const PartsOptions& options) {
  return guarded([&]() -> Result<SnapshotImport> {
    FLATKV_ASSIGN(const PartsOptions own, parts::checked(options));
    FLATKV_ASSIGN(const parts::Place place, parts::find_place(choice, trusted, own));
    const parts::StoredManifest& manifest = place.manifest;
    ImportOptions how = import;
    how.account_rows = manifest.account_rows;
    FLATKV_ASSIGN(const auto rows, transfer::RowImport::begin({}, path, how));
    FLATKV_ASSIGN(const auto tables,
                  parts::PartTables::begin(fs::posix(), rows->parts_directory(), manifest));
    parts::Fetcher fetcher(place);
    FLATKV_TRY(parts::fetch_tables(place, *rows, tables, fetcher, own));
    SnapshotImport done{manifest.summary(place.location), fetcher.work()};
    const Stopwatch finishing;
    for (const parts::Part& part : manifest.parts) {
      FLATKV_TRY(rows->take_table(part.database, tables.path_of(part)));
    }
    FLATKV_TRY(rows->finish(manifest.version, manifest.hashes(), manifest.stats()));
    if (const Status removed = tables.remove(); !removed) {
      Logger(import.log).warning("could not be removed: " + removed.error().to_string());
    }
    done.work.finish_seconds = finishing.seconds();
    return done;
  });
}

}  // namespace flatkv
