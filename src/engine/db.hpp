#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/arena.hpp"
#include "flatkv/bytes.hpp"
#include "fs/file_system.hpp"

namespace rocksdb {
class Cache;
class Env;
}  // namespace rocksdb

namespace flatkv::engine {

/// Everything a RocksDB instance of ours is opened with; the choices themselves are in options.cpp.
struct DbOptions {
  std::string path;
  Database which = Database::account;
  rocksdb::Env* env = nullptr;  ///< nullptr: the default one; not owned
  std::shared_ptr<rocksdb::Cache> block_cache;
  /// Called from RocksDB's threads on the first background error; must be cheap and never block.
  std::function<void(const Error&)> on_background_error;
  bool background_compaction = true;
};

class Db;
class Cursor;

/// Rows in [lower, upper) of internal keys; an absent bound is open.
struct Bounds {
  std::optional<Bytes> lower;
  std::optional<Bytes> upper;
};

/// One database pinned at one state. Keeps its Db open. Thread-safe.
class Snapshot {
 public:
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  /// Values of rows by internal key; nothing for an absent one. `keys` must be ascending. Values
  /// are copied into `arena` and live as long as it. Any failed read is an error.
  Status multi_get(std::span<const ByteView> keys, Arena& arena,
                   std::span<std::optional<ByteView>> values) const;
  Result<std::optional<Bytes>> get(ByteView key) const;
  /// A metadata value by its name without the tag, e.g. "local".
  Result<std::optional<Bytes>> get_meta(std::string_view name) const;
  /// Rows in order. `fill_cache` is for point-like use; scans leave it off.
  std::unique_ptr<Cursor> cursor(const Bounds& bounds, bool fill_cache = false) const;
  const std::shared_ptr<Db>& db() const noexcept;

 private:
  friend class Db;
  struct Impl;
  explicit Snapshot(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Ordered walk over rows; tags are not shown. One thread.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void seek_to_first() = 0;
  virtual void seek_to_last() = 0;
  virtual void seek(ByteView key) = 0;               ///< first row at or after key
  virtual void seek_for_previous(ByteView key) = 0;  ///< last row at or before key
  virtual void next() = 0;
  virtual void previous() = 0;
  /// False at either end and after an error; `status` tells which (trap 32).
  virtual bool valid() const = 0;
  virtual Status status() const = 0;
  /// Valid until the cursor moves.
  virtual ByteView key() const = 0;
  virtual ByteView value() const = 0;
};

struct Pressure {
  std::uint64_t level0_files = 0;
  std::uint64_t pending_compaction_bytes = 0;
};

/// A file of a database as it stands at one moment.
struct LiveFile {
  std::string name;                  ///< without directory
  std::uint64_t bytes = 0;           ///< bytes of it that count
  bool linkable = false;             ///< never changed again (a table)
  std::optional<Bytes> replacement;  ///< content that stands in for the file (RocksDB's CURRENT)
};

/// One RocksDB instance. Thread-safe. Never written but by `ingest` (spec §4).
class Db : public std::enable_shared_from_this<Db> {
 public:
  enum class Mode : std::uint8_t { create, read_write, read_only };
  /// `create` makes an empty database where there must be nothing; the others open what is there
  /// and never create. `read_only` changes nothing on disk, not a name, size or time.
  static Result<std::shared_ptr<Db>> open(const DbOptions& options, Mode mode);
  ~Db();

  /// The newest state. 0.1 µs.
  Result<std::shared_ptr<const Snapshot>> snapshot();

  /// Takes table files (written by TableWriter, non-overlapping, in key order) in one atomic step:
  /// linked, synced, one MANIFEST record. After an error nothing may be assumed.
  Status ingest(const std::vector<std::string>& tables);

  Pressure pressure() const;

  /// Copies this database as it stands into the new directory `to`: tables linked, the rest copied,
  /// all synced, `to` synced; the caller syncs its parent. Deletions are held off meanwhile.
  Status checkpoint(fs::FileSystem& files, const std::string& to);

  /// Bytes of the table files.
  std::uint64_t table_bytes() const;
  /// RocksDB's own counters of bytes written by flush/ingest and compaction.
  std::uint64_t compaction_bytes_written() const;

  /// Stops compactions now and for good; returns when none runs.
  void stop_background();
  /// The first background error, if any.
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

/// Names of metadata values (spec §4), stored under tag 0x00.
inline constexpr std::string_view kLocalKey = "local";
inline constexpr std::string_view kStatsKey = "stats";
inline constexpr std::string_view kMetaVersionKey = "_meta/version";
inline constexpr std::string_view kMetaHashKey = "_meta/hash";
/// "_meta/hash/account", ...
std::string meta_hash_key(Database database);

/// Writes one sorted table: metadata values first, then rows, each ascending. The file is synced by
/// `finish`. A table without anything is an error (RocksDB leaves 0 bytes).
class TableWriter {
 public:
  static Result<TableWriter> create(const DbOptions& options, const std::string& path);
  TableWriter(TableWriter&&) noexcept;
  TableWriter& operator=(TableWriter&&) noexcept;
  ~TableWriter();
  Status put_meta(std::string_view name, ByteView value);
  Status put(ByteView key, ByteView value);
  Status remove(ByteView key);
  /// Bytes of the finished file.
  Result<std::uint64_t> finish();
  std::uint64_t bytes() const;

 private:
  struct Impl;
  explicit TableWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::engine
