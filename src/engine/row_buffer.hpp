#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/db.hpp"
#include "engine/pages.hpp"

namespace flatkv::engine {

/// What a layer knows of a key: nothing, that it was deleted, or a value (which may be empty).
enum class Presence : std::uint8_t { unknown, absent, present };

struct Lookup {
  Presence presence = Presence::unknown;
  ByteView value;  ///< lives as long as the layer it came from
};

/// 64-bit hash of an internal key, seeded per process (a chain's users choose the keys).
std::uint64_t key_hash(ByteView key) noexcept;

/// Committed rows of one data database on their way to a table file (spec §4): keys with short
/// chains of versions, newest first. One writer inserts; any number of threads find and iterate at
/// versions that were published to them (any release/acquire pair will do). Entries are never
/// removed; all memory goes at once.
class RowBuffer {
 public:
  /// `expected_keys`: room for so many without growing, e.g. what the last buffer ended with.
  /// `pool`: whose pages it uses and gives back; null for its own.
  explicit RowBuffer(std::size_t expected_keys = 0, std::shared_ptr<PagePool> pool = nullptr);
  ~RowBuffer();
  RowBuffer(const RowBuffer&) = delete;
  RowBuffer& operator=(const RowBuffer&) = delete;

  struct Write {
    ByteView key;
    std::uint64_t hash = 0;
    bool remove = false;
    ByteView value;             ///< copied
    bool absent_below = false;  ///< the key was absent before this buffer's first entry of it
  };
  /// Writer only; versions never decrease. A second write of a key at one version replaces the
  /// first.
  void insert(const Write& write, std::int64_t version);

  /// The two steps of hiding a lookup's cache misses, each for all keys of a group before the next
  /// step: the place in the index, then the row that the index names there.
  void prefetch(std::uint64_t hash) const noexcept;
  void prefetch_row(std::uint64_t hash) const noexcept;

  /// The newest entry at or below `version`.
  Lookup find(ByteView key, std::uint64_t hash, std::int64_t version) const noexcept;

  /// Bytes of arena, index and version chains, and of the sorted order once it is built.
  std::size_t memory() const noexcept;
  std::size_t keys() const noexcept;

  struct Row {
    ByteView key;
    ByteView value;
    bool remove = false;
    bool absent_below = false;  ///< a removed row with this set needs no tombstone
  };
  /// All keys with their newest entries, in key order; only after the last insert. Built once (in
  /// parallel on the pool) and shared by the flush and all iterators. Any thread.
  const std::vector<Row>& sorted() const;
  /// Rows within the bounds as of `version`, in key order, collected for one iterator; safe beside
  /// the writer.
  std::vector<Row> collect(const Bounds& bounds, std::int64_t version) const;
  struct Newest {
    Row row;
    std::uint64_t hash = 0;
  };
  /// Newest entries in order of arrival, from the `from`th key on; returns how many there were.
  /// Only after the last insert.
  std::size_t newest(std::size_t from, std::span<Newest> into) const;
  /// Hashes of all keys that are here now, in order of arrival; safe beside the writer.
  void each_hash(const std::function<void(std::uint64_t hash)>& visit) const;
  /// The version of the last insert; 0 before the first.
  std::int64_t last_version() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A frozen or active buffer as of a version, for iteration.
struct BufferLayer {
  std::shared_ptr<const RowBuffer> buffer;
  std::int64_t version = 0;
  bool frozen = false;  ///< no insert comes any more
};

/// Rows of a database through its buffers: `layers` newest first, then the snapshot; deleted rows
/// do not appear. Moves both ways. Keeps what it reads alive. `overlay` (sorted by key, newest of
/// all) is for pending writes and may be empty; what its views point to must outlive the cursor.
/// Without a snapshot there is nothing below the layers.
std::unique_ptr<Cursor> merged_cursor(std::vector<RowBuffer::Row> overlay,
                                      std::vector<BufferLayer> layers,
                                      const std::shared_ptr<const Snapshot>& snapshot,
                                      const Bounds& bounds);

}  // namespace flatkv::engine
