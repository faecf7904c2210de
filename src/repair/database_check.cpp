// SPDX-License-Identifier: Apache-2.0
#include "repair/database_check.hpp"

#include <set>

#include "fs/files.hpp"
#include "layout/snapshot_manifest.hpp"

namespace flatkv::repair {
namespace {

/// Whether a damaged file can give this error. A bad sector reads as an I/O error.
bool is_unreadable(const Error& error) {
  return recovery::is_damage(error) || error.code == ErrorCode::io;
}

class Judge {
 public:
  Judge(const state::Environment& environment, const std::string& copy, Database which,
        const layout::StoreId& store)
      : environment_(environment), copy_(copy), which_(which), store_(store) {}

  Result<Verdict> run(const ExpectedRoots& expected, const scan::ScanOptions& options) {
    Status good = which_ == Database::metadata ? metadata(expected) : data(expected, options);
    if (!good) {
      Error error = std::move(good).error();
      if (!is_unreadable(error)) return std::unexpected(std::move(error));
      error.database = which_;
      if (error.path.empty()) error.path = layout::database_path(copy_, which_);
      verdict_.damage = std::move(error);
    }
    return std::move(verdict_);
  }

 private:
  Failure wrong(std::string message) const {
    auto failure = fail(ErrorCode::corruption, std::move(message))
                       .path(layout::database_path(copy_, which_))
                       .database(which_);
    if (!verdict_.version) return failure;
    return std::move(failure).version(*verdict_.version);
  }

  Status data(const ExpectedRoots& expected, const scan::ScanOptions& options) {
    FLATKV_ASSIGN(const auto opened, recovery::open_read_only(environment_, copy_, which_));
    FLATKV_ASSIGN(const auto meta, state::read_data_meta(*opened.snapshot));
    if (!meta.local) return wrong("the database has no LocalMeta");
    verdict_.version = meta.local->version;
    FLATKV_ASSIGN(const auto roots, expected(meta.local->version));
    std::optional<Digest> own;
    if (meta.local->hash) own = meta.local->hash->checksum();
    if (!roots && !own) return wrong("there is nothing to compare a full scan with");
    const Digest wanted = roots ? roots->of(which_) : *own;
    if (own && *own != wanted) {
      return wrong("LocalMeta has the checksum " + to_hex(*own) +
                   ", log, snapshot or metadata database of that version " + to_hex(wanted));
    }
    FLATKV_ASSIGN(const scan::ScanResult scanned, scan::scan_snapshot(opened.snapshot, options));
    verdict_.checksum = scanned.hash.checksum();
    if (verdict_.checksum != wanted) {
      return wrong("a full scan gives the checksum " + to_hex(verdict_.checksum) + ", expected " +
                   to_hex(wanted));
    }
    const DatabaseStats& stats = scanned.stats;
    if (meta.stats && *meta.stats != stats) {
      return wrong("a full scan finds " + std::to_string(stats.rows) + " rows of " +
                   std::to_string(stats.key_bytes) + " and " + std::to_string(stats.value_bytes) +
                   " bytes, the database counts " + std::to_string(meta.stats->rows) + " of " +
                   std::to_string(meta.stats->key_bytes) + " and " +
                   std::to_string(meta.stats->value_bytes));
    }
    return {};
  }

  Status metadata(const ExpectedRoots& expected) {
    FLATKV_ASSIGN(const auto opened, recovery::open_read_only(environment_, copy_, which_));
    FLATKV_ASSIGN(const auto meta, state::read_global_meta(*opened.snapshot));
    if (!meta) return wrong("the metadata database lacks some of its values");
    if (meta->is_of_another(store_)) return wrong("it is another store's");
    verdict_.version = meta->version;
    verdict_.checksum = meta->hash.checksum();
    const Roots own = layout::roots_of(meta->hashes);
    if (own.root != verdict_.checksum) {
      return wrong("its four hashes add up to the root " + to_hex(own.root) +
                   ", its global hash gives " + to_hex(verdict_.checksum));
    }
    FLATKV_ASSIGN(const auto roots, expected(meta->version));
    if (!roots || *roots == own) return {};
    for (const Database database : kDataDatabases) {
      const Digest& has = own.of(database);
      const Digest& wanted = roots->of(database);
      if (has == wanted) continue;
      return wrong("it has the checksum " + to_hex(has) + " for " +
                   std::string(to_string(database)) + ", expected " + to_hex(wanted));
    }
    return wrong("it has the root " + to_hex(own.root) + ", expected " + to_hex(roots->root));
  }

  const state::Environment& environment_;
  const std::string& copy_;
  Database which_;
  const layout::StoreId& store_;
  Verdict verdict_;
};

using Inode = std::pair<std::uint64_t, std::uint64_t>;

std::set<Inode> tables(fs::FileSystem& files, const std::string& directory) {
  std::set<Inode> found;
  const auto entries = files.list(directory);
  if (!entries) return found;
  for (const fs::DirEntry& entry : *entries) {
    if (!entry.name.ends_with(".sst")) continue;
    if (const auto info = files.stat(fs::join(directory, entry.name))) {
      found.emplace(info->device, info->inode);
    }
  }
  return found;
}

}  // namespace

Result<Verdict> judge_database(const state::Environment& environment, const std::string& copy,
                               Database which, const layout::StoreId& store,
                               const ExpectedRoots& expected, const scan::ScanOptions& options) {
  return Judge(environment, copy, which, store).run(expected, options);
}

bool shares_tables(fs::FileSystem& files, const std::string& copy, const std::string& other,
                   Database which) {
  const auto one = tables(files, layout::database_path(copy, which));
  for (const Inode& table : tables(files, layout::database_path(other, which))) {
    if (one.contains(table)) return true;
  }
  return false;
}

}  // namespace flatkv::repair
