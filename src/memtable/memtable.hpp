// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "memory/key_hash.hpp"
#include "memory/page_pool.hpp"
#include "memtable/reach.hpp"
#include "rocks/db.hpp"

namespace flatkv::memtable {

/// What a layer knows of a key: nothing, that it is deleted, or its value (which may be empty).
enum class Presence : std::uint8_t { unknown, absent, present };

struct Lookup {
  Presence presence = Presence::unknown;
  ByteView value;  ///< lives as long as the layer it came from
};

/// Committed rows of one data database until a flush writes them to a table. Each key has a chain
/// of entries, newest first, so that readers see those of their state. One writer inserts; any
/// number of threads find and iterate at stamps that were published to them (any release/acquire
/// pair will do). Entries are never removed, also not those of blocks that were undone: a `Reach`
/// passes over them. All memory is freed at once.
class Memtable {
 public:
  /// `expected_keys`: capacity without growing, e.g. the final count of the previous buffer.
  /// `pool`: where pages come from and return to; null for a pool of its own.
  explicit Memtable(std::size_t expected_keys = 0,
                    std::shared_ptr<memory::PagePool> pool = nullptr);
  ~Memtable();
  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  struct Write {
    ByteView key;
    std::uint64_t hash = 0;
    bool remove = false;
    ByteView value;             ///< copied
    bool absent_below = false;  ///< the key was absent before this buffer's first entry of it
  };
  /// Writer only; stamps never decrease and are above 0. A second write of a key at one stamp
  /// replaces the first.
  void insert(const Write& write, Stamp stamp);

  /// Hide the cache misses of a group of lookups. Call `prefetch` for all keys of the group, which
  /// loads their places in the index, then `prefetch_row` for all, which loads the rows found
  /// there.
  void prefetch(std::uint64_t hash) const noexcept;
  void prefetch_row(std::uint64_t hash) const noexcept;

  /// The newest entry that `reach` sees; unknown if there is none.
  Lookup find(ByteView key, std::uint64_t hash, const Reach& reach) const noexcept;

  /// Bytes of arena, index and version chains, and of the sorted order once built.
  std::size_t memory() const noexcept;
  std::size_t keys() const noexcept;

  struct Row {
    ByteView key;
    ByteView value;
    bool remove = false;
    bool absent_below = false;  ///< if set, a removed row needs no tombstone
  };
  /// All keys with their newest entries, in key order; only after the last insert. Built once (in
  /// parallel by oneTBB) and shared by the flush and all iterators. Thread-safe. Right for those
  /// who see everything here (`is_whole_for`); others collect.
  const std::vector<Row>& sorted() const;
  bool is_whole_for(const Reach& reach) const noexcept;
  /// Rows within the bounds as `reach` sees them, in key order. May run beside the writer.
  std::vector<Row> collect(const rocks::Bounds& bounds, const Reach& reach) const;
  struct Newest {
    Row row;
    std::uint64_t hash = 0;
  };
  /// Fills `into` with the newest entries that `reach` sees, in order of arrival, from key number
  /// `from` on, and moves `from` past them; returns their number, 0 at the end. Only after the last
  /// insert.
  std::size_t newest(std::size_t& from, std::span<Newest> into, const Reach& reach) const;
  /// Hashes of all keys that are here now, in order of arrival; safe beside the writer.
  void each_hash(const std::function<void(std::uint64_t hash)>& visit) const;
  /// Visits the keys that were written at stamps above `after`, in order of arrival, and maybe some
  /// that are being written; safe beside the writer. The key lives as long as the buffer.
  void each_written_after(Stamp after,
                          const std::function<void(ByteView key, std::uint64_t hash)>& visit) const;
  /// The stamps of the first and the last insert; 0 before the first.
  Stamp first_stamp() const noexcept;
  Stamp last_stamp() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::memtable
