// SPDX-License-Identifier: Apache-2.0
#include "recovery/copy_analysis.hpp"

#include <algorithm>

#include "fs/files.hpp"
#include "recovery/recovery_analysis.hpp"
#include "scan/scan.hpp"

namespace flatkv::recovery {
namespace {

/// Refuses anything but regular files: nothing else belongs to a database, but it may have taken
/// the place of a file that does (docs/specification.md#unusable-databases).
Status only_files(fs::FileSystem& files, const rocks::DbOptions& options) {
  FLATKV_ASSIGN(const auto entries, files.list(options.path));
  for (const fs::DirEntry& entry : entries) {
    if (entry.type == fs::FileType::file) continue;
    return fail(ErrorCode::corruption, "a database directory holds something other than files")
        .path(fs::join(options.name(), entry.name))
        .database(options.which);
  }
  return {};
}

class CopyExaminer {
 public:
  CopyExaminer(const state::Environment& environment, const std::string& path,
               const KnownRoots& known, const std::string& named)
      : environment_(environment),
        path_(path),
        named_(named.empty() ? path : named),
        known_(known) {
    found_.named = named;
  }

  Result<CopyAnalysis> run() {
    for (const Database which : kDataDatabases) FLATKV_TRY(open_data(which));
    FLATKV_TRY(open_metadata());
    if (found_.metadata && found_.metadata->is_of_another(known_.store())) refuse_the_stranger();
    if (found_.unusable) return std::move(found_);
    for (const Database which : kDataDatabases) {
      FLATKV_TRY(incomplete_[which] ? backfill(which) : compare_with_record(which));
      if (found_.unusable) return std::move(found_);
    }
    FLATKV_TRY(compare_with_metadata());
    return std::move(found_);
  }

 private:
  DatabaseAnalysis& finding(Database which) { return found_.data[which]; }

  Failure damaged(Database which, std::string message) const {
    return fail(ErrorCode::corruption, std::move(message))
        .path(layout::database_path(named_, which))
        .database(which);
  }

  void give_up(Error error) {
    if (!found_.unusable) found_.unusable = std::move(error);
  }

  // docs/specification.md#unusable-databases
  Status open_data(Database which) {
    auto opened = open_read_only(environment_, path_, which, named_);
    DatabaseAnalysis& own = finding(which);
    if (opened) {
      data_[which] = *opened;
      auto meta = state::read_data_meta(*opened->snapshot);
      if (!meta) {
        Error error = std::move(meta).error();
        error.database = which;
        if (error.path.empty()) error.path = layout::database_path(named_, which);
        own.problem = std::move(error);
      } else if (!meta->local) {
        own.problem = damaged(which, "the database has no LocalMeta").error();
      } else {
        own.version = meta->local->version;
        if (meta->local->hash) own.hash = *meta->local->hash;
        if (meta->stats) own.stats = *meta->stats;
        has_hash_[which] = meta->local->hash.has_value();
        incomplete_[which] = !meta->local->hash || !meta->stats;
      }
    } else {
      own.problem = std::move(opened).error();
    }
    if (!own.problem) return {};
    if (!is_damage(*own.problem)) return std::unexpected(*own.problem);
    give_up(*own.problem);
    return {};
  }

  // The reading half of docs/specification.md#missing-metadata-database.
  Status open_metadata() {
    auto opened = open_read_only(environment_, path_, Database::metadata, named_);
    if (opened) {
      auto meta = state::read_global_meta(*opened->snapshot);
      if (!meta) {
        found_.metadata_problem = std::move(meta).error();
      } else if (!*meta) {
        found_.metadata_problem =
            damaged(Database::metadata, "the metadata database lacks some of its values").error();
      } else {
        found_.metadata = std::move(*meta);
      }
    } else {
      found_.metadata_problem = std::move(opened).error();
    }
    if (found_.metadata_problem && !is_damage(*found_.metadata_problem)) {
      return std::unexpected(*found_.metadata_problem);
    }
    return {};
  }

  /// Refuse the whole copy, not only its metadata database: either all of `working/` came from the
  /// other store, or nobody knows how the five came together.
  void refuse_the_stranger() {
    found_.of_another_store = true;
    give_up(damaged(Database::metadata, "the working copy is another store's: it has the id " +
                                            to_hex(*found_.metadata->store) + ", this store " +
                                            to_hex(known_.store()))
                .error());
    for (const Database which : kDataDatabases) {
      DatabaseAnalysis& own = finding(which);
      own.of_another_store = !own.problem && own.version == found_.metadata->version &&
                             has_hash_[which] && own.hash == found_.metadata->hashes[which];
    }
  }

  // Computes hash and stats by a full scan. Believes them only if something else agrees, and never
  // takes missing ones as zero (docs/specification.md#backfill).
  Status backfill(Database which) {
    DatabaseAnalysis& own = finding(which);
    const auto& snapshot = data_[which].snapshot;
    FLATKV_ASSIGN(const scan::ScanResult scanned, scan::scan_snapshot(snapshot, {}));
    const bool had_hash = has_hash_[which];
    if (had_hash && own.hash != scanned.hash) {
      return damaged(which, "a full scan gives the checksum " + to_hex(scanned.hash.checksum()) +
                                ", LocalMeta has " + to_hex(own.hash.checksum()))
          .version(own.version);
    }
    FLATKV_ASSIGN(const auto expected, expected_checksum(which));
    if (!expected) {
      give_up(damaged(which,
                      "LocalMeta or stats are missing and nothing tells what a full scan "
                      "should give")
                  .version(own.version)
                  .error());
      return {};
    }
    if (*expected != scanned.hash.checksum()) {
      return damaged(which, "LocalMeta has no hash; a full scan gives the checksum " +
                                to_hex(scanned.hash.checksum()) + ", expected " + to_hex(*expected))
          .version(own.version);
    }
    own.hash = scanned.hash;
    own.stats = scanned.stats;
    own.backfilled = true;
    return {};
  }

  /// The checksum expected of a database: from record Lᵢ or SNAPSHOT; otherwise, if all are at one
  /// version, the global hash less the other three.
  Result<std::optional<Digest>> expected_checksum(Database which) {
    FLATKV_ASSIGN(const auto roots, known_.at(finding(which).version));
    if (roots) return roots->of(which);
    if (!found_.metadata) return std::nullopt;
    const std::int64_t version = found_.metadata->version;
    if (!found_.level_at(version)) return std::nullopt;
    LtHash rest = found_.metadata->hash;
    for (const Database other : kDataDatabases) {
      if (other == which) continue;
      if (!incomplete_[other] || finding(other).backfilled) {
        rest -= finding(other).hash;
      } else {  // it is backfilled later and compared then
        FLATKV_ASSIGN(const scan::ScanResult more, scan::scan_snapshot(data_[other].snapshot, {}));
        rest -= more.hash;
      }
    }
    return rest.checksum();
  }

  // docs/specification.md#databases-of-another-store
  Status compare_with_record(Database which) {
    const DatabaseAnalysis& own = finding(which);
    FLATKV_ASSIGN(const auto roots, known_.at(own.version));
    if (roots && roots->of(which) != own.hash.checksum()) {
      give_up(damaged(which, "LocalMeta has the checksum " + to_hex(own.hash.checksum()) +
                                 ", the log or snapshot of that version has " +
                                 to_hex(roots->of(which)))
                  .version(own.version)
                  .error());
    }
    return {};
  }

  // docs/specification.md#agreement-of-the-metadata
  Status compare_with_metadata() {
    if (!found_.metadata) return {};
    const state::GlobalMeta& global = *found_.metadata;
    for (const Database which : kDataDatabases) {
      const DatabaseAnalysis& own = finding(which);
      if (own.version != global.version) continue;
      const LtHash& copied = global.hashes[which];
      if (own.hash == copied) continue;
      return damaged(which, "LocalMeta has the checksum " + to_hex(own.hash.checksum()) +
                                ", the metadata database has " + to_hex(copied.checksum()) +
                                "; see `flatkv info`, and `flatkv repair --db metadata` or --db " +
                                std::string(to_string(which)))
          .version(own.version);
    }
    if (!found_.level_at(global.version)) return {};
    LtHash sum;
    for (const DatabaseAnalysis& own : found_.data) sum += own.hash;
    if (sum != global.hash) {
      return damaged(Database::metadata,
                     "the four databases add up to the root " + to_hex(sum.checksum()) +
                         ", the metadata database has " + to_hex(global.hash.checksum()) +
                         "; see `flatkv info`, and `flatkv repair --db metadata`")
          .version(global.version);
    }
    return {};
  }

  const state::Environment& environment_;
  const std::string& path_;
  const std::string& named_;
  const KnownRoots& known_;
  CopyAnalysis found_;
  PerDataDatabase<OpenDatabase> data_;
  PerDataDatabase<bool> has_hash_;
  PerDataDatabase<bool> incomplete_;
};

}  // namespace

Result<OpenDatabase> open_read_only(const state::Environment& environment, const std::string& copy,
                                    Database which, const std::string& named) {
  rocks::DbOptions options;
  options.path = layout::database_path(copy, which);
  if (!named.empty()) options.named = layout::database_path(named, which);
  options.which = which;
  options.env = environment.rocks;
  FLATKV_ASSIGN(const bool there,
                fs::exists(*environment.files, options.path, fs::FileType::directory));
  if (!there) {
    return fail(ErrorCode::corruption, "the database is missing")
        .path(options.name())
        .database(which);
  }
  FLATKV_TRY(only_files(*environment.files, options));
  OpenDatabase opened;
  FLATKV_ASSIGN(opened.db, rocks::Db::open(options, rocks::Db::Mode::read_only));
  FLATKV_ASSIGN(opened.snapshot, opened.db->snapshot());
  return opened;
}

bool is_damage(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::not_found ||
         error.code == ErrorCode::invalid_argument || error.code == ErrorCode::unsupported;
}

std::int64_t CopyAnalysis::lowest() const {
  return std::ranges::min_element(data, {}, &DatabaseAnalysis::version)->version;
}

std::int64_t CopyAnalysis::highest() const {
  return std::ranges::max_element(data, {}, &DatabaseAnalysis::version)->version;
}

bool CopyAnalysis::level_at(std::int64_t version) const {
  return std::ranges::all_of(data, [&](const auto& own) { return own.version == version; });
}

Result<CopyAnalysis> analyze_copy(const state::Environment& environment, const std::string& path,
                                  const KnownRoots& known, const std::string& named) {
  return CopyExaminer(environment, path, known, named).run();
}

}  // namespace flatkv::recovery
