// SPDX-License-Identifier: Apache-2.0
#include "memtable/row_cache.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "memory/page_pool.hpp"
#include "memtable/row_ring.hpp"

namespace flatkv::memtable {
namespace {

constexpr std::size_t kFewestBytes = std::size_t{64} << 10;
constexpr std::size_t kLargestRow = std::size_t{60} << 10;  // sizes must fit their fields
constexpr std::size_t kSlots = 16;                          // per bucket: one cache line

// The size of a storage row with its header, and how many such rows a bucket gets on average.
// Smaller rows are more, and an overflowing bucket loses one, so buckets have slots to spare.
constexpr std::size_t kTypicalRow = 112;
constexpr std::size_t kRowsPerBucket = 6;

/// One cache line: where the rows of one bucket lie, each with seven bits of its hash that are
/// never all zero; 0 is a free slot.
struct alignas(64) Bucket {
  static constexpr unsigned kTagBits = 7;
  static constexpr std::uint32_t kTagMask = (1U << kTagBits) - 1;

  std::array<std::uint32_t, kSlots> slots;

  static std::uint32_t make(std::size_t offset, std::uint64_t hash) {
    return (static_cast<std::uint32_t>(offset / CachedRow::kUnit + 1) << kTagBits) | tag(hash);
  }
  static std::uint32_t tag(std::uint64_t hash) {
    const std::uint32_t tag = static_cast<std::uint32_t>(hash) & kTagMask;
    return tag == 0 ? 1 : tag;
  }
  /// One bit for every slot with the tag. Branch-free, because which slot matches cannot be
  /// predicted. The loads are atomic for readers without the lock.
  std::uint32_t candidates(std::uint64_t hash) {
    const std::uint32_t wanted = tag(hash);
    std::uint32_t found = 0;
    for (std::size_t at = 0; at < kSlots; ++at) {
      found |= static_cast<std::uint32_t>(((peek(at) ^ wanted) & kTagMask) == 0) << at;
    }
    return found;
  }
  static std::size_t offset(std::uint32_t slot) {
    return ((slot >> kTagBits) - std::size_t{1}) * CachedRow::kUnit;
  }
  /// Written under the shard's lock; prefetch_row reads without it.
  void set(std::size_t at, std::uint32_t slot) {
    std::atomic_ref(slots[at]).store(slot, std::memory_order_relaxed);
  }
  std::uint32_t peek(std::size_t at) {
    return std::atomic_ref(slots[at]).load(std::memory_order_relaxed);
  }
};

/// A number below `count` from bits 20 to 51 of the hash. The bits above choose the shard; tags and
/// ghosts use those below.
std::size_t pick(std::uint64_t hash, std::size_t count) {
  return static_cast<std::size_t>((((hash >> 20) & 0xffff'ffffU) * count) >> 32);
}

/// Makes the same key in two databases two rows.
std::uint64_t place_hash(Database database, std::uint64_t hash) {
  return hash ^ (static_cast<std::uint64_t>(database) * 0x9e37'79b9'7f4a'7c15U);
}

struct RowId {
  Database database;
  ByteView key;
  std::uint64_t hash;  // place_hash
};

class alignas(64) Shard {
 public:
  void set_up(std::span<Bucket> buckets, std::span<std::uint16_t> ghosts,
              std::span<std::uint8_t> memory) {
    buckets_ = buckets;
    ghosts_ = ghosts;
    memory_ = memory.data();
    const std::size_t small = memory.size() / 10 / 64 * 64;
    main_ = RowRing(memory.first(memory.size() - small));
    small_ = RowRing(memory.last(small));
    largest_ = std::min<std::size_t>(small / 2, kLargestRow);
  }

  // Everything that a lookup needs is in one cache line.
  std::mutex mutex;

 private:
  std::uint8_t* memory_ = nullptr;
  std::span<Bucket> buckets_;

 public:
  RowCache::Counters counters;

  Bucket& bucket(std::uint64_t hash) const { return buckets_[pick(hash, buckets_.size())]; }
  const std::uint8_t* row_memory(std::uint32_t slot) const {
    return memory_ + Bucket::offset(slot);
  }

  CachedRow* find(const RowId& id) {
    Bucket& bucket = this->bucket(id.hash);
    for (std::uint32_t left = bucket.candidates(id.hash); left != 0; left &= left - 1) {
      const std::uint32_t slot = bucket.slots[static_cast<std::size_t>(std::countr_zero(left))];
      CachedRow* row = row_at(slot);
      if (row->hash == id.hash && row->database == static_cast<std::uint32_t>(id.database) &&
          equal(row->key(), id.key)) {
        return row;
      }
    }
    return nullptr;
  }

  void add(const RowId& id, std::optional<ByteView> value) {
    const std::size_t bytes = size_of(id, value);
    if (bytes > largest_) return;
    std::uint16_t& ghost = ghosts_[pick(id.hash, ghosts_.size())];
    const bool back = ghost == ghost_of(id.hash);
    if (back) ghost = 0;
    store(back ? main_ : small_, id, value, bytes);
    ++counters.inserted;
  }

  /// Stores the row's new value, whether or not the row is cached.
  void replace(const RowId& id, std::optional<ByteView> value) {
    CachedRow* row = find(id);
    if (row == nullptr) return add(id, value);
    const std::size_t bytes = size_of(id, value);
    if (bytes <= row->bytes()) return fill(*row, value);
    RowRing& ring = in_small(row) ? small_ : main_;
    forget(*row);
    if (bytes <= largest_) store(ring, id, value, bytes);
  }

  /// The untouched memory that the next rows, `bytes` in all, will be the first to use.
  std::array<std::span<std::uint8_t>, 2> next_fresh(std::size_t bytes) const {
    const auto of = [&](const RowRing& ring) {
      return ring.fresh().first(std::min(bytes, ring.fresh().size()));
    };
    return {of(main_), of(small_)};
  }

 private:
  static std::size_t size_of(const RowId& id, std::optional<ByteView> value) {
    const std::size_t bytes = sizeof(CachedRow) + id.key.size() + (value ? value->size() : 0);
    return (bytes + CachedRow::kUnit - 1) / CachedRow::kUnit * CachedRow::kUnit;
  }
  static std::uint16_t ghost_of(std::uint64_t hash) {
    return static_cast<std::uint16_t>((hash >> 4) | 1);
  }
  CachedRow* row_at(std::uint32_t slot) {
    return reinterpret_cast<CachedRow*>(memory_ + Bucket::offset(slot));
  }
  std::size_t offset_of(const CachedRow& row) const {
    return static_cast<std::size_t>(reinterpret_cast<const std::uint8_t*>(&row) - memory_);
  }
  bool in_small(const CachedRow* row) const { return offset_of(*row) >= main_.size(); }

  static void fill(CachedRow& row, std::optional<ByteView> value) {
    row.present = value.has_value() ? 1U : 0U;
    row.value_bytes = (value ? static_cast<std::uint32_t>(value->size()) : 0U) & 0xff'ffffU;
    if (value && !value->empty()) {
      std::memcpy(row.data() + row.key_bytes, value->data(), value->size());
    }
  }

  void store(RowRing& ring, const RowId& id, std::optional<ByteView> value, std::size_t bytes) {
    make_room(ring, bytes);
    CachedRow* row = ring.take(bytes);
    row->hash = id.hash;
    row->units = static_cast<std::uint16_t>(bytes / CachedRow::kUnit);
    row->key_bytes = static_cast<std::uint16_t>(id.key.size());
    row->hits = 0;
    row->database = static_cast<std::uint32_t>(id.database) & 3U;
    row->live = 1;
    if (!id.key.empty()) std::memcpy(row->data(), id.key.data(), id.key.size());
    fill(*row, value);
    point_to(*row);
  }

  /// Gives the row a slot of its bucket, evicting the least used row if all are taken.
  void point_to(CachedRow& row) {
    Bucket& bucket = this->bucket(row.hash);
    std::size_t chosen = kSlots;
    std::uint32_t least = ~0U;
    for (std::size_t at = 0; at < kSlots; ++at) {
      if (bucket.slots[at] == 0) {
        chosen = at;
        break;
      }
    }
    if (chosen == kSlots) {
      for (std::size_t i = 0; i < kSlots && least != 0; ++i) {
        const std::size_t at = (i + (row.hash >> 8)) % kSlots;
        const CachedRow* other = row_at(bucket.slots[at]);
        const std::uint32_t use = other->hits * 2 + (in_small(other) ? 0U : 1U);
        if (use < least) {
          least = use;
          chosen = at;
        }
      }
      row_at(bucket.slots[chosen])->live = 0;
      --counters.rows;
      ++counters.evicted;
    }
    bucket.set(chosen, Bucket::make(offset_of(row), row.hash));
    ++counters.rows;
  }

  /// Removes the row from the index; its memory stays with its ring.
  void forget(CachedRow& row) {
    Bucket& bucket = this->bucket(row.hash);
    const std::uint32_t slot = Bucket::make(offset_of(row), row.hash);
    const auto found = std::ranges::find(bucket.slots, slot);
    FLATKV_ASSERT(found != bucket.slots.end());
    bucket.set(static_cast<std::size_t>(found - bucket.slots.begin()), 0);
    row.live = 0;
    --counters.rows;
  }

  void make_room(RowRing& ring, std::size_t bytes) {
    if (&ring == &small_) {
      while (!small_.fits(bytes)) pass_on();
      return;
    }
    // Rows that were hit go round again; the limit keeps one insert from paying for a whole round.
    int second_chances = 32;
    while (!main_.fits(bytes)) {
      CachedRow* row = main_.oldest();
      if (row == nullptr) continue;  // only the unused rest before the end was left
      if (row->live != 0 && row->hits != 0 && second_chances-- > 0) {
        --row->hits;
        move_oldest(main_);
        continue;
      }
      if (row->live != 0) evict(*row);
      main_.drop_oldest();
    }
  }

  /// Takes the oldest row out of the small queue: into the main one if it was hit or if there is
  /// space anyway, otherwise it is evicted and remembered as a ghost.
  void pass_on() {
    CachedRow* row = small_.oldest();
    if (row == nullptr) return;  // only the unused rest before the end was left
    if (row->live == 0) return small_.drop_oldest();
    if (row->hits != 0 || main_.fits(row->bytes())) {
      make_room(main_, row->bytes());
      row->hits = 0;
      return move_oldest(small_);
    }
    ghosts_[pick(row->hash, ghosts_.size())] = ghost_of(row->hash);
    evict(*row);
    small_.drop_oldest();
  }

  void evict(CachedRow& row) {
    forget(row);
    ++counters.evicted;
  }

  /// Moves a row to the head of the main queue. Within main, it may overlap its new place.
  void move_oldest(RowRing& from) {
    CachedRow* row = from.oldest();
    const std::size_t bytes = row->bytes();
    forget(*row);
    from.drop_oldest();
    if (!main_.fits(bytes)) {  // possible where the ring wraps; the row is lost
      ++counters.evicted;
      return;
    }
    CachedRow* moved = main_.take(bytes);
    std::memmove(static_cast<void*>(moved), static_cast<const void*>(row), bytes);
    moved->live = 1;
    point_to(*moved);
  }

  std::span<std::uint16_t> ghosts_;
  RowRing main_;
  RowRing small_;
  std::size_t largest_ = 0;
};

/// The units of a shard's rings must be addressable by a slot's 25 bits.
constexpr std::size_t kMostShardBytes = std::size_t{64} << 20;
constexpr std::size_t kUsualShards = 64;

std::size_t shards_for(std::size_t bytes) {
  if (bytes < kFewestBytes) return 0;
  const std::size_t by_size = std::bit_floor(std::max<std::size_t>(bytes >> 20, 1));
  if (by_size <= kUsualShards) return by_size;
  return std::max(kUsualShards, std::bit_ceil(bytes / kMostShardBytes));
}

}  // namespace

struct RowCache::Impl {
  explicit Impl(std::size_t bytes);

  Shard& shard(std::uint64_t hash) const {
    return shards[static_cast<std::size_t>((hash >> 52) * count >> 12)];
  }
  std::atomic<Stamp>& stamp(Database database) { return stamps[database]; }

  /// Touches pages before `bytes` of rows arrive: a page fault at the first use would happen under
  /// the shard's lock, and commits wait for that lock.
  void populate_for(std::size_t bytes) const {
    if (rows.get_deleter().mapped == 0) return;
    for (std::size_t i = 0; i < count; ++i) {
      std::array<std::span<std::uint8_t>, 2> fresh;
      {
        const std::lock_guard lock(shards[i].mutex);
        fresh = shards[i].next_fresh(bytes / count);
      }
      for (const auto piece : fresh) memory::populate(piece.data(), piece.size());
    }
  }

  std::size_t count;
  std::size_t memory = 0;
  memory::Pages buckets;
  memory::Pages ghosts;
  memory::Pages rows;
  std::unique_ptr<Shard[]> shards;
  PerDataDatabase<std::atomic<Stamp>> stamps{};
};

RowCache::Impl::Impl(std::size_t bytes) : count(shards_for(bytes)) {
  if (count == 0) return;
  const std::size_t own = bytes / count - sizeof(Shard);
  const std::size_t typical = kTypicalRow + sizeof(Bucket) / kRowsPerBucket + sizeof(std::uint16_t);
  const std::size_t bucket_count = own / typical / kRowsPerBucket;
  const std::size_t ghost_count = own / typical / 32 * 32;
  const std::size_t ring =
      (own - bucket_count * sizeof(Bucket) - ghost_count * sizeof(std::uint16_t)) / 64 * 64;
  shards = std::make_unique<Shard[]>(count);
  buckets = memory::allocate_pages(count * bucket_count * sizeof(Bucket));
  ghosts = memory::allocate_pages(count * ghost_count * sizeof(std::uint16_t));
  rows = memory::allocate_pages(count * ring);
  auto* bucket = reinterpret_cast<Bucket*>(buckets.get());
  auto* ghost = reinterpret_cast<std::uint16_t*>(ghosts.get());
  for (std::size_t i = 0; i < count; ++i) {
    shards[i].set_up({bucket + i * bucket_count, bucket_count},
                     {ghost + i * ghost_count, ghost_count}, {rows.get() + i * ring, ring});
  }
  memory = count * (sizeof(Shard) + bucket_count * sizeof(Bucket) +
                    ghost_count * sizeof(std::uint16_t) + ring);
}

RowCache::RowCache(std::size_t bytes) : impl_(std::make_unique<Impl>(bytes)) {}

RowCache::~RowCache() = default;

void RowCache::prefetch(Database database, std::uint64_t hash) const noexcept {
  if (impl_->count == 0) return;
  const std::uint64_t place = place_hash(database, hash);
  __builtin_prefetch(&impl_->shard(place).bucket(place));
}

void RowCache::prefetch_row(Database database, std::uint64_t hash) const noexcept {
  if (impl_->count == 0) return;
  const std::uint64_t place = place_hash(database, hash);
  const Shard& shard = impl_->shard(place);
  Bucket& bucket = shard.bucket(place);
  const std::uint32_t found = bucket.candidates(place);
  if (found == 0) return;
  const std::uint32_t slot = bucket.peek(static_cast<std::size_t>(std::countr_zero(found)));
  if (slot == 0) return;  // removed in the meantime
  const std::uint8_t* row = shard.row_memory(slot);
  __builtin_prefetch(row);
  __builtin_prefetch(row + 64);
  __builtin_prefetch(row + kTypicalRow - 8);  // a typical row often ends in a third line
}

Lookup RowCache::find(Database database, ByteView key, std::uint64_t hash, Stamp stamp,
                      memory::Arena& arena) {
  if (impl_->count == 0) return {};
  const RowId id{database, key, place_hash(database, hash)};
  Shard& shard = impl_->shard(id.hash);
  const std::lock_guard lock(shard.mutex);
  CachedRow* row = shard.find(id);
  // Checked after the row was found: a flush raises its stamp before it replaces a row.
  if (row == nullptr || impl_->stamp(database).load(std::memory_order_acquire) > stamp) {
    ++shard.counters.misses;
    return {};
  }
  ++shard.counters.hits;
  if (row->hits < CachedRow::kMostHits) ++row->hits;
  if (row->present == 0) return {Presence::absent, {}};
  return {Presence::present, arena.copy(row->value())};
}

void RowCache::insert(Database database, ByteView key, std::uint64_t hash, Stamp stamp,
                      std::optional<ByteView> value) {
  if (impl_->count == 0) return;
  const RowId id{database, key, place_hash(database, hash)};
  Shard& shard = impl_->shard(id.hash);
  const std::lock_guard lock(shard.mutex);
  if (impl_->stamp(database).load(std::memory_order_acquire) > stamp) {
    ++shard.counters.refused;
    return;
  }
  if (shard.find(id) == nullptr) shard.add(id, value);
}

void RowCache::flushed(Database database, const Memtable& rows, const Reach& reach) {
  if (impl_->count == 0) return;
  FLATKV_ASSERT(reach.stamp >= impl_->stamp(database).load());
  impl_->stamp(database).store(reach.stamp);
  impl_->populate_for(rows.keys() * kTypicalRow);
  std::array<Memtable::Newest, 64> group;
  for (std::size_t from = 0;;) {
    const std::size_t got = rows.newest(from, group, reach);
    if (got == 0) return;
    for (std::size_t i = 0; i < got; ++i) prefetch(database, group[i].hash);
    for (std::size_t i = 0; i < got; ++i) prefetch_row(database, group[i].hash);
    for (std::size_t i = 0; i < got; ++i) {
      const Memtable::Row& row = group[i].row;
      const RowId id{database, row.key, place_hash(database, group[i].hash)};
      Shard& shard = impl_->shard(id.hash);
      const std::lock_guard lock(shard.mutex);
      shard.replace(id, row.remove ? std::nullopt : std::optional(row.value));
    }
  }
}

RowCache::Counters RowCache::counters() const {
  Counters sum;
  for (std::size_t i = 0; i < impl_->count; ++i) {
    Shard& shard = impl_->shards[i];
    const std::lock_guard lock(shard.mutex);
    sum.rows += shard.counters.rows;
    sum.hits += shard.counters.hits;
    sum.misses += shard.counters.misses;
    sum.inserted += shard.counters.inserted;
    sum.evicted += shard.counters.evicted;
    sum.refused += shard.counters.refused;
  }
  return sum;
}

std::size_t RowCache::memory() const noexcept { return impl_->memory; }

}  // namespace flatkv::memtable
