#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/arena.hpp"
#include "engine/cursor.hpp"
#include "engine/db_options.hpp"
#include "engine/snapshot.hpp"
#include "engine/table_writer.hpp"
#include "flatkv/bytes.hpp"
#include "fs/file_system.hpp"

namespace flatkv::engine {

struct Pressure {
  std::uint64_t level0_files = 0;
  std::uint64_t pending_compaction_bytes = 0;
  std::uint64_t running_compactions = 0;
};

/// One RocksDB instance. Thread-safe. Never written but by `ingest` (spec §4). Closed when the last
/// reference to it or to one of its snapshots goes, which waits for running compactions to stop.
class Db : public std::enable_shared_from_this<Db> {
 public:
  enum class Mode : std::uint8_t { create, read_write, read_only };
  /// `create` makes an empty database where there must be nothing; the others open what is there
  /// and never create. `read_only` changes nothing on disk, not a name, size or time.
  /// Errors: `not_found` (there is no such directory, or it is empty), `invalid_argument` (`create`
  /// where there is something), `corruption` (files missing, damaged or not ours), `io`, ...
  static Result<std::shared_ptr<Db>> open(const DbOptions& options, Mode mode);
  ~Db();
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;

  /// The newest state. 0.1 µs.
  Result<std::shared_ptr<const Snapshot>> snapshot();

  /// Takes table files (written by TableWriter, non-overlapping, in key order) in one atomic step:
  /// linked, synced, one MANIFEST record. After an error nothing may be assumed: every later ingest
  /// and checkpoint is refused with `store_failed`; reads of older snapshots go on.
  Status ingest(const std::vector<std::string>& tables);

  Pressure pressure() const;

  /// Copies this database as it stands into the new directory `to`: tables linked, the rest copied,
  /// all synced, `to` synced; the caller syncs its parent. Deletions are held off meanwhile. Not of
  /// a read-only database (`unsupported`; use clone_closed).
  Status checkpoint(fs::FileSystem& files, const std::string& to);

  /// Bytes of the table files that the newest state uses.
  std::uint64_t table_bytes() const;
  /// Bytes that compactions have written since the database was opened.
  std::uint64_t compaction_bytes_written() const;

  /// Stops compactions now and for good; returns when none runs. Reads go on; nothing may be
  /// ingested afterwards.
  void stop_background();
  /// The first background error or failed ingest, if any.
  Status background_status() const;
  const DbOptions& options() const noexcept;

 private:
  friend class Snapshot;
  struct Impl;
  explicit Db(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Copies a closed database directory: tables linked (or copied where links are not possible), the
/// rest copied and synced, `to` synced. For working copies cloned from snapshots and back.
Status clone_closed(fs::FileSystem& files, const std::string& from, const std::string& to);

}  // namespace flatkv::engine
