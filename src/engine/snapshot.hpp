#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "engine/arena.hpp"
#include "engine/cursor.hpp"

namespace flatkv::engine {

class Db;

/// A pinned database: one database at the state of one moment. Keeps its Db open. Thread-safe.
class Snapshot : public std::enable_shared_from_this<Snapshot> {
 public:
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  /// Values of rows by internal key; nullopt for an absent row. `keys` must be ascending. Copies
  /// the values into `arena`, where they live as long as it does. Any failed read is an error.
  Status multi_get(std::span<const ByteView> keys, Arena& arena,
                   std::span<std::optional<ByteView>> values) const;
  Result<std::optional<Bytes>> get(ByteView key) const;
  /// A metadata value by its name without the tag, e.g. "local".
  Result<std::optional<Bytes>> get_meta(std::string_view name) const;
  /// Rows in order. `fill_cache` is for reads of few rows; scans leave it off. The cursor keeps the
  /// pinned database alive.
  std::unique_ptr<Cursor> cursor(const Bounds& bounds, bool fill_cache = false) const;
  const std::shared_ptr<Db>& db() const noexcept;

 private:
  friend class Db;
  struct Impl;
  explicit Snapshot(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::engine
