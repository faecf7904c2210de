// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "fs/file_system.hpp"
#include "memory/arena.hpp"
#include "rocks/cursor.hpp"
#include "rocks/db_options.hpp"
#include "rocks/pinned_database.hpp"
#include "rocks/table_writer.hpp"

namespace flatkv::rocks {

struct Pressure {
  std::uint64_t level0_files = 0;
  std::uint64_t pending_compaction_bytes = 0;
  std::uint64_t running_compactions = 0;
};

/// The tables of a level, of which only those of level 0 overlap.
struct Level {
  std::uint32_t number = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// One RocksDB instance. Thread-safe. `ingest` is the only way to change its rows. Closed when the
/// last reference to it or to one of its pinned databases is dropped; waits for running compactions
/// to stop.
class Db : public std::enable_shared_from_this<Db> {
 public:
  enum class Mode : std::uint8_t { create, read_write, read_only };
  /// `create` makes an empty database where nothing may exist; the other modes open an existing one
  /// and never create. `read_only` changes nothing on disk, not even a time.
  /// Errors: `not_found` (the directory is missing or empty), `invalid_argument` (`create` where
  /// something exists), `corruption` (files missing, damaged or not ours), `io`, ...
  static Result<std::shared_ptr<Db>> open(const DbOptions& options, Mode mode);
  ~Db();
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;

  /// Pins the newest state. 0.1 µs.
  Result<std::shared_ptr<const PinnedDatabase>> snapshot();

  /// Ingests tables (written by TableWriter, non-overlapping, in key order) in one atomic step:
  /// links and syncs them and writes one MANIFEST record. After an error nothing is known about the
  /// database: every later ingest and checkpoint is refused with `store_failed`, while reads of
  /// databases pinned before go on.
  Status ingest(const std::vector<std::string>& tables);

  Pressure pressure() const;

  /// Copies the current database into the new directory `to`: links the tables, copies the rest and
  /// syncs everything, `to` included; the caller syncs its parent. Defers deletions meanwhile.
  /// `unsupported` for a read-only database (use clone_closed).
  Status checkpoint(fs::FileSystem& files, const std::string& to);

  /// Bytes of the table files that the newest state uses.
  std::uint64_t table_bytes() const;
  /// The levels that have tables, in order. Takes as long as there are tables.
  std::vector<Level> levels() const;
  /// Bytes that compactions have written since the database was opened.
  std::uint64_t compaction_bytes_written() const;

  /// Bytes of the tables ingested since the oldest pin that is still alive: compaction keeps the
  /// rows that they replaced.
  std::uint64_t superseded_bytes() const;

  /// Stops compactions for good; returns when none is running. Reads go on; a later ingest is
  /// refused.
  void stop_background();
  /// The first background error or failed ingest, if any.
  Status background_status() const;
  const DbOptions& options() const noexcept;

 private:
  friend class PinnedDatabase;
  struct Impl;
  explicit Db(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Copies the directory of a closed database: links the tables (or copies them where linking is
/// impossible), copies and syncs the rest, and syncs `to`. Makes working copies from snapshots and
/// snapshots from working copies.
Status clone_closed(fs::FileSystem& files, const std::string& from, const std::string& to);

}  // namespace flatkv::rocks
