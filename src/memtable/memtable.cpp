// SPDX-License-Identifier: Apache-2.0
#include "memtable/memtable.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "memory/key_sort.hpp"

namespace flatkv::memtable {
namespace {

// Memory of one key, in one piece of the arena so that a hit touches neighbouring cache lines:
//   Entry | key, padded to 8 | Version | value          and for each later write: Version | value
// Everything but `newest` is constant once published.

struct Version {
  Stamp stamp;
  const Version* older;
  std::uint32_t value_bytes;
  bool remove;

  ByteView value() const noexcept {
    return {reinterpret_cast<const std::uint8_t*>(this + 1), value_bytes};
  }
};

struct Entry {
  std::atomic<const Version*> newest;
  std::uint32_t key_bytes;
  bool absent_below;

  ByteView key() const noexcept {
    return {reinterpret_cast<const std::uint8_t*>(this + 1), key_bytes};
  }
  const Version* at(const Reach& reach) const noexcept {
    const Version* found = newest.load(std::memory_order_acquire);
    while (found != nullptr && !reach.sees(found->stamp)) found = found->older;
    return found;
  }
};

constexpr std::size_t kAlign = alignof(Entry);
static_assert(alignof(Version) == kAlign && sizeof(Entry) % kAlign == 0);

constexpr std::size_t padded(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

/// A slot of the index: 16 bits of the hash above a 48-bit pointer; 0 is free.
class Slot {
 public:
  static std::uint64_t make(const Entry* entry, std::uint64_t hash) {
    const auto address = reinterpret_cast<std::uintptr_t>(entry);
    FLATKV_ASSERT((address >> kTagShift) == 0);
    return (hash >> kTagShift << kTagShift) | address;
  }
  static bool matches(std::uint64_t slot, std::uint64_t hash) {
    return ((slot ^ hash) >> kTagShift) == 0;
  }
  static Entry* entry(std::uint64_t slot) {
    return reinterpret_cast<Entry*>(  // NOLINT(performance-no-int-to-ptr): a packed pointer
        static_cast<std::uintptr_t>(slot & ((std::uint64_t{1} << kTagShift) - 1)));
  }

 private:
  static constexpr unsigned kTagShift = 48;
};

struct Table {
  Table(std::size_t slot_count, memory::PagePool& from)
      : mask(slot_count - 1),
        pool(from),
        memory(pool.take(slot_count * sizeof(std::uint64_t), true)) {}
  ~Table() { pool.give(std::move(memory), true); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  std::atomic_ref<std::uint64_t> slot(std::size_t at) const noexcept {
    return std::atomic_ref(reinterpret_cast<std::uint64_t*>(memory.get())[at & mask]);
  }
  std::size_t bytes() const noexcept { return (mask + 1) * sizeof(std::uint64_t); }

  std::size_t mask;
  memory::PagePool& pool;
  memory::Pages memory;
};

/// A summary of every key in order of arrival, so that growing, sorting and collecting need not
/// touch the entries.
struct Arrival {
  const Entry* entry;
  std::uint64_t hash;
  std::uint64_t prefix;
};

/// An append-only list in chunks that double. One writer; readers may access the first `size`
/// elements.
class Arrivals {
 public:
  explicit Arrivals(memory::PagePool& pool) : pool_(pool) {}
  ~Arrivals() {
    for (memory::Pages& chunk : chunks_) {
      if (chunk) pool_.give(std::move(chunk), false);
    }
  }
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  void push(const Arrival& arrival) {
    const std::size_t at = size_.load(std::memory_order_relaxed);
    const std::size_t chunk = chunk_of(at);
    if (at == first_of(chunk)) {
      chunks_[chunk] = pool_.take(capacity_of(chunk) * sizeof(Arrival), false);
      memory_ += capacity_of(chunk) * sizeof(Arrival);
    }
    new (place(chunk, at)) Arrival(arrival);
    size_.store(at + 1, std::memory_order_release);
  }
  std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  std::size_t memory() const noexcept { return memory_; }

  /// `at` must be below `size`.
  const Arrival& operator[](std::size_t at) const {
    return *std::launder(reinterpret_cast<const Arrival*>(place(chunk_of(at), at)));
  }

  template <class Visit>
  void each(Visit visit) const {
    const std::size_t size = this->size();
    for (std::size_t chunk = 0, at = 0; at < size; ++chunk) {
      const std::size_t end = std::min(size, first_of(chunk) + capacity_of(chunk));
      const auto* arrivals = std::launder(reinterpret_cast<const Arrival*>(chunks_[chunk].get()));
      for (const std::size_t first = at; at < end; ++at) visit(arrivals[at - first]);
    }
  }

 private:
  static constexpr std::size_t kFirst = 256;

  static std::size_t chunk_of(std::size_t at) {
    return static_cast<std::size_t>(std::bit_width(at / kFirst + 1)) - 1;
  }
  static std::size_t first_of(std::size_t chunk) {
    return kFirst * ((std::size_t{1} << chunk) - 1);
  }
  static std::size_t capacity_of(std::size_t chunk) { return kFirst << chunk; }
  std::uint8_t* place(std::size_t chunk, std::size_t at) const {
    return chunks_[chunk].get() + (at - first_of(chunk)) * sizeof(Arrival);
  }

  memory::PagePool& pool_;
  std::atomic<std::size_t> size_ = 0;
  std::size_t memory_ = 0;
  std::array<memory::Pages, 48> chunks_;
};

constexpr std::size_t kFewestSlots = 256;

/// At most five eighths full: most lookups are of absent keys, which probe up to a free slot.
std::size_t slots_for(std::size_t keys) {
  return std::max(kFewestSlots, std::bit_ceil(keys + keys / 8 * 5 + 1));
}

bool too_full(std::size_t keys, std::size_t slots) { return keys >= slots / 8 * 5; }

void touch(const void* address) noexcept { __builtin_prefetch(address); }

}  // namespace

struct Memtable::Impl {
  Impl(std::size_t expected_keys, std::shared_ptr<memory::PagePool> pages)
      : pool(std::move(pages)) {
    add_table(slots_for(expected_keys));
  }

  void add_table(std::size_t slots);
  void grow();
  Entry* find(ByteView key, std::uint64_t hash, std::size_t& at) const noexcept;
  Version* write_version(std::uint8_t* to, const Write& write, Stamp stamp, const Version* older);
  void add(const Write& write, Stamp stamp, std::size_t at);
  void count_memory();
  void sort();

  const std::shared_ptr<memory::PagePool> pool;  // first member: the others return pages to it
  memory::Arena arena{pool.get()};
  std::vector<std::unique_ptr<Table>> tables;  // the last is current; readers may use older ones
  std::atomic<const Table*> table = nullptr;
  Arrivals arrivals{*pool};
  std::size_t table_bytes = 0;
  std::atomic<Stamp> first_stamp = 0;
  std::atomic<Stamp> last_stamp = 0;
  std::atomic<std::size_t> counted = 0;
  std::atomic<std::size_t> sorted_bytes = 0;
  std::once_flag sort_once;
  std::vector<Row> rows;
};

void Memtable::Impl::add_table(std::size_t slots) {
  tables.push_back(std::make_unique<Table>(slots, *pool));
  table_bytes += tables.back()->bytes();
  count_memory();
}

void Memtable::Impl::count_memory() {
  counted.store(arena.memory() + table_bytes + arrivals.memory(), std::memory_order_relaxed);
}

void Memtable::Impl::grow() {
  add_table(2 * (tables.back()->mask + 1));
  const Table& next = *tables.back();
  arrivals.each([&](const Arrival& arrival) {
    std::size_t at = arrival.hash;
    while (next.slot(at).load(std::memory_order_relaxed) != 0) ++at;
    next.slot(at).store(Slot::make(arrival.entry, arrival.hash), std::memory_order_relaxed);
  });
  table.store(&next, std::memory_order_release);
}

/// The key's entry, or null and the free slot where it belongs.
Entry* Memtable::Impl::find(ByteView key, std::uint64_t hash, std::size_t& at) const noexcept {
  const Table& index = *table.load(std::memory_order_acquire);
  for (at = hash;; ++at) {
    const std::uint64_t slot = index.slot(at).load(std::memory_order_acquire);
    if (slot == 0) return nullptr;
    if (!Slot::matches(slot, hash)) continue;
    Entry* entry = Slot::entry(slot);
    if (equal(entry->key(), key)) return entry;
  }
}

Version* Memtable::Impl::write_version(std::uint8_t* to, const Write& write, Stamp stamp,
                                       const Version* older) {
  const std::size_t bytes = write.remove ? 0 : write.value.size();
  FLATKV_ASSERT(bytes <= std::numeric_limits<std::uint32_t>::max());
  auto* node = new (to) Version{stamp, older, static_cast<std::uint32_t>(bytes), write.remove};
  if (bytes != 0) std::memcpy(to + sizeof(Version), write.value.data(), bytes);
  return node;
}

void Memtable::Impl::add(const Write& write, Stamp stamp, std::size_t at) {
  FLATKV_ASSERT(write.key.size() <= std::numeric_limits<std::uint32_t>::max());
  const std::size_t head = sizeof(Entry) + padded(write.key.size());
  const std::size_t value_bytes = write.remove ? 0 : write.value.size();
  std::uint8_t* to = arena.allocate(head + sizeof(Version) + value_bytes, kAlign);
  auto* entry =
      new (to) Entry{nullptr, static_cast<std::uint32_t>(write.key.size()), write.absent_below};
  if (!write.key.empty()) std::memcpy(to + sizeof(Entry), write.key.data(), write.key.size());
  entry->newest.store(write_version(to + head, write, stamp, nullptr), std::memory_order_relaxed);
  tables.back()->slot(at).store(Slot::make(entry, write.hash), std::memory_order_release);
  arrivals.push({entry, write.hash, memory::key_prefix(write.key)});
}

Memtable::Memtable(std::size_t expected_keys, std::shared_ptr<memory::PagePool> pool)
    : impl_(std::make_unique<Impl>(
          expected_keys, pool ? std::move(pool) : std::make_shared<memory::PagePool>(0))) {
  impl_->table.store(impl_->tables.back().get(), std::memory_order_release);
}

Memtable::~Memtable() = default;

void Memtable::insert(const Write& write, Stamp stamp) {
  FLATKV_ASSERT(stamp != 0 && stamp >= last_stamp());
  if (last_stamp() == 0) impl_->first_stamp.store(stamp, std::memory_order_relaxed);
  impl_->last_stamp.store(stamp, std::memory_order_relaxed);
  if (too_full(impl_->arrivals.size(), impl_->tables.back()->mask + 1)) impl_->grow();
  std::size_t at = 0;
  Entry* entry = impl_->find(write.key, write.hash, at);
  if (entry == nullptr) {
    impl_->add(write, stamp, at);
  } else {
    const Version* newest = entry->newest.load(std::memory_order_relaxed);
    const Version* older = newest->stamp == stamp ? newest->older : newest;
    const std::size_t bytes = write.remove ? 0 : write.value.size();
    std::uint8_t* to = impl_->arena.allocate(sizeof(Version) + bytes, kAlign);
    entry->newest.store(impl_->write_version(to, write, stamp, older), std::memory_order_release);
  }
  impl_->count_memory();
}

void Memtable::prefetch(std::uint64_t hash) const noexcept {
  const Table& index = *impl_->table.load(std::memory_order_acquire);
  touch(index.memory.get() + (hash & index.mask) * sizeof(std::uint64_t));
}

void Memtable::prefetch_row(std::uint64_t hash) const noexcept {
  constexpr std::size_t kTries = 4;
  const Table& index = *impl_->table.load(std::memory_order_acquire);
  for (std::size_t at = hash; at != hash + kTries; ++at) {
    const std::uint64_t slot = index.slot(at).load(std::memory_order_relaxed);
    if (slot == 0) return;
    if (!Slot::matches(slot, hash)) continue;
    const auto* entry = reinterpret_cast<const std::uint8_t*>(Slot::entry(slot));
    touch(entry);
    touch(entry + 64);
    touch(entry + 128);
    return;
  }
}

Lookup Memtable::find(ByteView key, std::uint64_t hash, const Reach& reach) const noexcept {
  std::size_t at = 0;
  const Entry* entry = impl_->find(key, hash, at);
  if (entry == nullptr) return {};
  const Version* found = entry->at(reach);
  if (found == nullptr) return {};
  if (found->remove) return {Presence::absent, {}};
  return {Presence::present, found->value()};
}

std::size_t Memtable::memory() const noexcept {
  return impl_->counted.load(std::memory_order_relaxed) +
         impl_->sorted_bytes.load(std::memory_order_relaxed);
}

std::size_t Memtable::keys() const noexcept { return impl_->arrivals.size(); }

Stamp Memtable::first_stamp() const noexcept {
  return impl_->first_stamp.load(std::memory_order_relaxed);
}

Stamp Memtable::last_stamp() const noexcept {
  return impl_->last_stamp.load(std::memory_order_relaxed);
}

bool Memtable::is_whole_for(const Reach& reach) const noexcept {
  return reach.sees_all(first_stamp(), last_stamp());
}

namespace {

Memtable::Row row_of(const Entry& entry, const Version& version) {
  return {entry.key(), version.value(), version.remove, entry.absent_below};
}

memory::SortItem item_of(const Arrival& arrival, std::size_t index) {
  const ByteView key = arrival.entry->key();
  return {arrival.prefix, key.data(), static_cast<std::uint32_t>(key.size()),
          static_cast<std::uint32_t>(index)};
}

/// The rows in the order of the sorted items.
std::vector<Memtable::Row> arrange(const std::vector<memory::SortItem>& items,
                                   const std::vector<Memtable::Row>& rows) {
  std::vector<Memtable::Row> arranged;
  arranged.reserve(items.size());
  for (const memory::SortItem& item : items) arranged.push_back(rows[item.index]);
  return arranged;
}

}  // namespace

void Memtable::Impl::sort() {
  std::vector<memory::SortItem> items;
  std::vector<Row> unsorted;
  items.reserve(arrivals.size());
  unsorted.reserve(arrivals.size());
  arrivals.each([&](const Arrival& arrival) {
    items.push_back(item_of(arrival, items.size()));
    unsorted.push_back(
        row_of(*arrival.entry, *arrival.entry->newest.load(std::memory_order_acquire)));
  });
  memory::sort_items(items);
  rows = arrange(items, unsorted);
  sorted_bytes.store(rows.capacity() * sizeof(Row), std::memory_order_relaxed);
}

const std::vector<Memtable::Row>& Memtable::sorted() const {
  std::call_once(impl_->sort_once, [this] { impl_->sort(); });
  FLATKV_ASSERT(impl_->rows.size() == impl_->arrivals.size());  // no insert after the freeze
  return impl_->rows;
}

std::size_t Memtable::newest(std::size_t& from, std::span<Newest> into, const Reach& reach) const {
  const std::size_t all = impl_->arrivals.size();
  std::size_t count = 0;
  for (; from < all && count < into.size(); ++from) {
    const Arrival& arrival = impl_->arrivals[from];
    const Version* version = arrival.entry->at(reach);
    if (version != nullptr) into[count++] = {row_of(*arrival.entry, *version), arrival.hash};
  }
  return count;
}

void Memtable::each_hash(const std::function<void(std::uint64_t hash)>& visit) const {
  impl_->arrivals.each([&](const Arrival& arrival) { visit(arrival.hash); });
}

void Memtable::each_written_after(
    Stamp after, const std::function<void(ByteView key, std::uint64_t hash)>& visit) const {
  impl_->arrivals.each([&](const Arrival& arrival) {
    const Version* newest = arrival.entry->newest.load(std::memory_order_acquire);
    if (newest->stamp > after) visit(arrival.entry->key(), arrival.hash);
  });
}

std::vector<Memtable::Row> Memtable::collect(const rocks::Bounds& bounds,
                                             const Reach& reach) const {
  std::vector<memory::SortItem> items;
  std::vector<Row> found;
  if (bounds.empty()) return found;
  const std::uint64_t lowest = bounds.lower ? memory::key_prefix(*bounds.lower) : 0;
  const std::uint64_t highest =
      bounds.upper ? memory::key_prefix(*bounds.upper) : std::numeric_limits<std::uint64_t>::max();
  impl_->arrivals.each([&](const Arrival& arrival) {
    // Most keys lie outside of narrow bounds; their prefixes show it without touching the entries.
    if (arrival.prefix < lowest || arrival.prefix > highest) return;
    if (!bounds.contains(arrival.entry->key())) return;
    const Version* at = arrival.entry->at(reach);
    if (at == nullptr) return;
    items.push_back(item_of(arrival, found.size()));
    found.push_back(row_of(*arrival.entry, *at));
  });
  memory::sort_items(items);
  return arrange(items, found);
}

}  // namespace flatkv::memtable
