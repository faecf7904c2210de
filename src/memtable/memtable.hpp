// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "memory/key_hash.hpp"
#include "memory/page_pool.hpp"
#include "rocks/db.hpp"

namespace flatkv::memtable {

/// What a layer knows of a key: nothing, that it is deleted, or its value (which may be empty).
enum class Presence : std::uint8_t { unknown, absent, present };

struct Lookup {
  Presence presence = Presence::unknown;
  ByteView value;  ///< lives as long as the layer it came from
};

/// Committed rows of one data database until a flush writes them to a table. Each key has a chain
/// of versions, newest first, so that readers see the version of their state. One writer inserts;
/// any number of threads find and iterate at versions that were published to them (any
/// release/acquire pair will do). Entries are never removed; all memory is freed at once.
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
  /// Writer only; versions never decrease. A second write of a key at one version replaces the
  /// first.
  void insert(const Write& write, std::int64_t version);

  /// Hide the cache misses of a group of lookups. Call `prefetch` for all keys of the group, which
  /// loads their places in the index, then `prefetch_row` for all, which loads the rows found
  /// there.
  void prefetch(std::uint64_t hash) const noexcept;
  void prefetch_row(std::uint64_t hash) const noexcept;

  /// The newest entry at or below `version`.
  Lookup find(ByteView key, std::uint64_t hash, std::int64_t version) const noexcept;

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
  /// parallel by oneTBB) and shared by the flush and all iterators. Thread-safe.
  const std::vector<Row>& sorted() const;
  /// Rows within the bounds as of `version`, in key order, collected for one iterator. May run
  /// beside the writer.
  std::vector<Row> collect(const rocks::Bounds& bounds, std::int64_t version) const;
  struct Newest {
    Row row;
    std::uint64_t hash = 0;
  };
  /// Fills `into` with newest entries in order of arrival, from key number `from` on; returns their
  /// number. Only after the last insert.
  std::size_t newest(std::size_t from, std::span<Newest> into) const;
  /// Hashes of all keys that are here now, in order of arrival; safe beside the writer.
  void each_hash(const std::function<void(std::uint64_t hash)>& visit) const;
  /// The version of the last insert; 0 before the first.
  std::int64_t last_version() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::memtable
