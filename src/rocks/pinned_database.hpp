// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "rocks/cursor.hpp"

namespace flatkv::rocks {

class Db;

/// What a scan reads at once. Half of it is as fast where it was measured, and four times as much
/// is slower: RocksDB moves what it has read ahead.
inline constexpr std::size_t kScanReadahead = std::size_t{256} << 10;

/// One database pinned at one state. Keeps its Db open. Thread-safe.
class PinnedDatabase : public std::enable_shared_from_this<PinnedDatabase> {
 public:
  ~PinnedDatabase();
  PinnedDatabase(const PinnedDatabase&) = delete;
  PinnedDatabase& operator=(const PinnedDatabase&) = delete;

  /// Shown the value of keys[index], which lives until it returns; nothing for an absent row.
  using Visit = std::function<void(std::size_t index, std::optional<ByteView> value)>;
  /// How many values RocksDB is asked for at a time, and holds in memory together.
  enum class AtOnce : std::uint8_t {
    many,  ///< 32, or a few megabytes once that much was seen
    one,   ///< where values may be huge: the lookup itself takes a fifth longer
  };
  /// Values of rows by internal key, each once, in no order that means anything. `keys` must be
  /// ascending. Any failed read is an error.
  Status multi_get(std::span<const ByteView> keys, AtOnce at_once, const Visit& visit) const;
  Result<std::optional<Bytes>> get(ByteView key) const;
  /// A metadata value by its name without the tag, e.g. "local".
  Result<std::optional<Bytes>> get_meta(std::string_view name) const;
  /// Rows in order, read past the block cache. Keeps the snapshot. A scan passes kScanReadahead:
  /// blocks that are not in memory are then read so many bytes at a time, and not first one by one.
  std::unique_ptr<Cursor> cursor(const Bounds& bounds, std::size_t readahead_bytes = 0) const;
  const std::shared_ptr<Db>& db() const noexcept;

 private:
  friend class Db;
  struct Impl;
  explicit PinnedDatabase(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::rocks
