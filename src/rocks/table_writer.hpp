// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "flatkv/bytes.hpp"
#include "rocks/db_options.hpp"

namespace flatkv::rocks {

/// Names of metadata values (docs/specification.md#metadata), stored under tag 0x00.
inline constexpr std::string_view kLocalKey = "local";
inline constexpr std::string_view kStatsKey = "stats";
inline constexpr std::string_view kMetaVersionKey = "_meta/version";
inline constexpr std::string_view kMetaHashKey = "_meta/hash";
inline constexpr std::string_view kMetaStoreKey = "_meta/store";
/// "_meta/hash/account", ...
std::string meta_hash_key(Database database);

/// `packed` (compressed) for tables that stay; `plain` for those of a flush, which the first
/// compaction rewrites anyway: packing would take an eighth of a flush's time.
enum class TableBlocks : std::uint8_t { packed, plain };

/// Writes one table: metadata values first, then rows, each strictly ascending (anything else is
/// `invalid_argument`). `finish` syncs the file; without it the destructor removes the file. An
/// empty table is an error (RocksDB would leave 0 bytes). One thread.
class TableWriter {
 public:
  static Result<TableWriter> create(const DbOptions& options, const std::string& path,
                                    TableBlocks blocks = TableBlocks::packed);
  TableWriter(TableWriter&&) noexcept;
  TableWriter& operator=(TableWriter&&) noexcept;
  ~TableWriter();
  Status put_meta(std::string_view name, ByteView value);
  Status put(ByteView key, ByteView value);
  Status remove(ByteView key);
  /// Finishes and syncs the file; returns its size in bytes.
  Result<std::uint64_t> finish();
  /// Bytes of the file so far.
  std::uint64_t bytes() const;

 private:
  struct Impl;
  explicit TableWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::rocks
