// SPDX-License-Identifier: Apache-2.0
#include "memtable/memtable.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "memory/key_sort.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::memtable {
namespace {

struct Put {
  std::string key;
  std::optional<std::string> value;
  bool absent_below = false;
};

void insert(Memtable& buffer, const Put& put, std::int64_t version) {
  buffer.insert({as_bytes(put.key), memory::key_hash(as_bytes(put.key)), !put.value,
                 put.value ? as_bytes(*put.value) : ByteView{}, put.absent_below},
                static_cast<Stamp>(version));
}

std::string find(const Memtable& buffer, std::string_view key, std::int64_t version,
                 const DeadRanges* dead = nullptr) {
  const Lookup found = buffer.find(as_bytes(key), memory::key_hash(as_bytes(key)),
                                   {static_cast<Stamp>(version), dead});
  if (found.presence == Presence::unknown) return "unknown";
  if (found.presence == Presence::absent) return "absent";
  return "=" + rocks::text(found.value);
}

std::string say(const std::vector<Memtable::Row>& rows) {
  std::string all;
  for (const auto& row : rows) {
    all += rocks::text(row.key) + (row.remove ? "-" : "=" + rocks::text(row.value)) +
           (row.absent_below ? "!" : "");
    all += ' ';
  }
  return all;
}

TEST(EngineBuffer, KeepsEveryVersion) {
  Memtable buffer;
  EXPECT_EQ(find(buffer, "a", 100), "unknown");
  insert(buffer, {"a", "1"}, 5);
  insert(buffer, {"a", ""}, 7);
  insert(buffer, {"a", std::nullopt}, 8);
  insert(buffer, {"a", "2"}, 11);
  EXPECT_EQ(find(buffer, "a", 4), "unknown");
  EXPECT_EQ(find(buffer, "a", 5), "=1");
  EXPECT_EQ(find(buffer, "a", 6), "=1");
  EXPECT_EQ(find(buffer, "a", 7), "=");  // an empty value is not a deletion
  EXPECT_EQ(find(buffer, "a", 8), "absent");
  EXPECT_EQ(find(buffer, "a", 10), "absent");
  EXPECT_EQ(find(buffer, "a", 99), "=2");
  EXPECT_EQ(buffer.keys(), 1U);
  EXPECT_EQ(buffer.first_stamp(), 5U);
  EXPECT_EQ(buffer.last_stamp(), 11U);
}

TEST(EngineBuffer, UndoneEntriesArePassedOver) {
  Memtable buffer;
  insert(buffer, {"a", "1"}, 2);
  insert(buffer, {"c", "live", true}, 2);
  insert(buffer, {"a", "dead"}, 4);
  insert(buffer, {"b", "dead"}, 5);
  insert(buffer, {"c", std::nullopt}, 5);
  insert(buffer, {"a", "3"}, 7);
  insert(buffer, {"b", "dead too"}, 10);
  insert(buffer, {"d", "last"}, 12);
  const DeadRanges dead = {{3, 6}, {9, 11}};
  EXPECT_EQ(find(buffer, "a", 6, &dead), "=1");
  EXPECT_EQ(find(buffer, "a", 7, &dead), "=3");
  EXPECT_EQ(find(buffer, "a", 4), "=dead") << "a state of before the undo";
  EXPECT_EQ(find(buffer, "b", 12, &dead), "unknown");
  EXPECT_EQ(find(buffer, "b", 12), "=dead too");
  EXPECT_EQ(find(buffer, "c", 12, &dead), "=live");
  EXPECT_EQ(say(buffer.collect({}, {12, &dead})), "a=3 c=live! d=last ");
  EXPECT_EQ(say(buffer.collect({}, {3, &dead})), "a=1 c=live! ");
  std::array<Memtable::Newest, 2> some;
  std::string seen;
  for (std::size_t from = 0;;) {
    const std::size_t got = buffer.newest(from, some, {12, &dead});
    if (got == 0) break;
    for (std::size_t i = 0; i < got; ++i) seen += rocks::text(some[i].row.key);
  }
  EXPECT_EQ(seen, "acd");
  EXPECT_TRUE(buffer.is_whole_for({12}));
  EXPECT_FALSE(buffer.is_whole_for({11}));
  EXPECT_FALSE(buffer.is_whole_for({12, &dead}));
  const DeadRanges before = {{0, 1}};
  EXPECT_TRUE(buffer.is_whole_for({12, &before}));
  const DeadRanges after = {{12, 20}};
  EXPECT_TRUE(buffer.is_whole_for({12, &after}));
}

TEST(EngineBuffer, ReachAgainstAPlainList) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    DeadRanges dead;
    std::set<Stamp> gone;
    Stamp at = 0;
    while (at < 40) {
      const Stamp after = at + random() % 6;
      const Stamp last = after + 1 + random() % 4;
      dead.push_back({after, last});
      for (Stamp stamp = after + 1; stamp <= last; ++stamp) gone.insert(stamp);
      at = last;
    }
    const Reach reach{30, &dead};
    for (Stamp first = 1; first < 45; ++first) {
      EXPECT_EQ(reach.sees(first), first <= 30 && !gone.contains(first));
      for (Stamp last = first; last < 45; ++last) {
        bool all = true;
        for (Stamp stamp = first; stamp <= last; ++stamp) all &= reach.sees(stamp);
        EXPECT_EQ(reach.sees_all(first, last), all) << first << " " << last;
      }
    }
  }
}

TEST(EngineBuffer, ASecondWriteAtOneVersionReplacesTheFirst) {
  Memtable buffer;
  insert(buffer, {"a", "1"}, 1);
  insert(buffer, {"a", "2"}, 2);
  insert(buffer, {"a", "3"}, 2);
  insert(buffer, {"b", "x"}, 2);
  insert(buffer, {"b", std::nullopt}, 2);
  EXPECT_EQ(find(buffer, "a", 2), "=3");
  EXPECT_EQ(find(buffer, "a", 1), "=1");
  EXPECT_EQ(find(buffer, "b", 2), "absent");
  EXPECT_EQ(find(buffer, "b", 1), "unknown");
}

// docs/hazards.md#borrowed-memory
TEST(EngineBuffer, KeepsNothingOfTheCallersMemory) {
  Memtable buffer;
  Bytes key = to_bytes(as_bytes("key"));
  Bytes value = to_bytes(as_bytes("value"));
  buffer.insert({key, memory::key_hash(key), false, value, false}, 1);
  std::ranges::fill(key, std::uint8_t{0});
  std::ranges::fill(value, std::uint8_t{0});
  EXPECT_EQ(find(buffer, "key", 1), "=value");
  EXPECT_EQ(say(buffer.sorted()), "key=value ");
}

TEST(EngineBuffer, SortedGivesNewestRowsAndSaysWhichTombstonesAreNeeded) {
  Memtable buffer;
  insert(buffer, {"b", "1", true}, 1);
  insert(buffer, {"a", "1", false}, 1);
  insert(buffer, {"", "empty key"}, 1);
  insert(buffer, {"c", std::nullopt, true}, 2);
  insert(buffer, {"b", std::nullopt, false}, 2);  // absent_below of the first entry counts
  insert(buffer, {"a", std::nullopt, true}, 3);
  insert(buffer, {"d", "v", true}, 3);
  EXPECT_EQ(say(buffer.sorted()), "=empty key a- b-! c-! d=v! ");
  EXPECT_EQ(&buffer.sorted(), &buffer.sorted());
}

TEST(EngineBuffer, CollectsWithinBoundsAtAVersion) {
  Memtable buffer;
  const auto bytes = [](std::string_view text) { return to_bytes(as_bytes(text)); };
  insert(buffer, {"address-1 slot", "1"}, 1);
  insert(buffer, {"address-2 slot", "1"}, 1);
  insert(buffer, {"b", "1"}, 1);
  insert(buffer, {"address-2 tols", "1"}, 2);
  insert(buffer, {"address-2 slot", std::nullopt}, 3);
  EXPECT_EQ(say(buffer.collect({}, {1})), "address-1 slot=1 address-2 slot=1 b=1 ");
  EXPECT_EQ(say(buffer.collect({bytes("address-2"), bytes("address-3")}, {2})),
            "address-2 slot=1 address-2 tols=1 ");
  EXPECT_EQ(say(buffer.collect({bytes("address-2"), bytes("address-3")}, {3})),
            "address-2 slot- address-2 tols=1 ");
  EXPECT_EQ(say(buffer.collect({bytes("address-2 slot"), bytes("address-2 tols")}, {3})),
            "address-2 slot- ");
  EXPECT_EQ(say(buffer.collect({bytes("b"), std::nullopt}, {3})), "b=1 ");
  EXPECT_EQ(say(buffer.collect({bytes("b"), bytes("b")}, {3})), "");
  EXPECT_EQ(say(buffer.collect({bytes("c"), bytes("b")}, {3})), "");
  EXPECT_EQ(say(buffer.collect({}, {0})), "");
}

TEST(EngineBuffer, EqualsAModelWhileItGrows) {
  std::mt19937 random(11);
  for (const std::size_t expected : {std::size_t{0}, std::size_t{50'000}}) {
    Memtable buffer(expected);
    rocks::Rows model;
    for (int i = 0; i < 60'000; ++i) {
      Put put{"key" + std::to_string(random() % 20'000), std::to_string(i)};
      if (random() % 4 == 0) put.value.reset();
      insert(buffer, put, 1 + i / 100);
      model[put.key] = put.value;
    }
    ASSERT_EQ(buffer.keys(), model.size());
    for (const auto& [key, value] : model) {
      ASSERT_EQ(find(buffer, key, 600), value ? "=" + *value : "absent");
    }
    EXPECT_EQ(find(buffer, "key20000", 600), "unknown");
    const auto& sorted = buffer.sorted();
    ASSERT_EQ(sorted.size(), model.size());
    auto expected_row = model.begin();
    for (const auto& row : sorted) {
      ASSERT_EQ(rocks::text(row.key), expected_row->first);
      ASSERT_EQ(!row.remove, expected_row->second.has_value());
      ++expected_row;
    }
  }
}

TEST(EngineBuffer, CountsItsMemory) {
  Memtable buffer;
  const std::size_t before = buffer.memory();
  EXPECT_LT(before, 64U << 10);  // five empty buffers must be cheap
  for (int i = 0; i < 10'000; ++i) insert(buffer, {std::to_string(i), std::string(100, 'v')}, 1);
  const std::size_t first = buffer.memory();
  EXPECT_GT(first, before + 10'000 * (100 + 40));
  for (int i = 0; i < 10'000; ++i) insert(buffer, {std::to_string(i), std::string(100, 'w')}, 2);
  EXPECT_GT(buffer.memory(), first + 10'000 * 100);  // versions are counted
  const std::size_t all = buffer.memory();
  EXPECT_LT(all, 8U << 20);
  buffer.sorted();
  EXPECT_GE(buffer.memory(), all + 10'000 * sizeof(Memtable::Row));
  insert(buffer, {"large", std::string(5 << 20, 'x')}, 3);
  EXPECT_EQ(find(buffer, "large", 3).size(), (5U << 20) + 1);
}

TEST(EngineBuffer, ReadersBesideTheWriterSeeTheirVersionWhole) {
  constexpr std::int64_t kVersions = 400;
  constexpr int kKeys = 300;
  // Version v writes key k if (k * 7 + v) % 3 == 0; its value names v; every fifth is a deletion.
  const auto written = [](int key, std::int64_t v) { return (key * 7 + v) % 3 == 0; };
  const auto expected = [&](int key, std::int64_t v) -> std::string {
    for (; v > 0; --v) {
      if (written(key, v)) return v % 5 == 0 ? "absent" : "=" + std::to_string(v);
    }
    return "unknown";
  };
  const auto name = [](int key, std::int64_t v) {
    return "key" + std::to_string(key) + (key % 2 == 0 ? "" : "/" + std::to_string(v % 97));
  };
  Memtable buffer;
  std::atomic<std::int64_t> published = 0;
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> readers;
  for (unsigned thread = 0; thread < 3; ++thread) {
    readers.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (std::int64_t v = 0; v < kVersions;) {
        v = published.load(std::memory_order_acquire);
        const int key = static_cast<int>(random() % kKeys) / 2 * 2;
        if (find(buffer, name(key, 0), v) != expected(key, v)) ++wrong;
        if (random() % 16 != 0) continue;
        std::size_t even = 0;
        for (const auto& row : buffer.collect({}, {static_cast<Stamp>(v)})) {
          const std::string row_key = rocks::text(row.key);
          if (row_key.find('/') != std::string::npos) continue;
          ++even;
          const int number = std::stoi(row_key.substr(3));
          const std::string got = row.remove ? "absent" : "=" + rocks::text(row.value);
          if (got != expected(number, v)) ++wrong;
        }
        std::size_t should = 0;
        for (int k = 0; k < kKeys; k += 2) should += expected(k, v) != "unknown";
        if (even != should) ++wrong;
      }
    });
  }
  for (std::int64_t v = 1; v <= kVersions; ++v) {
    for (int key = 0; key < kKeys; ++key) {
      if (!written(key, v)) continue;
      insert(buffer, {name(key, v), "first"}, v);
      Put put{name(key, v), std::to_string(v)};
      if (v % 5 == 0) put.value.reset();
      insert(buffer, put, v);  // replaces the one before at the same version
    }
    published.store(v, std::memory_order_release);
  }
  readers.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(EngineBuffer, TheOrderIsBuiltOnceForManyThreads) {
  Memtable buffer;
  for (int i = 0; i < 30'000; ++i) insert(buffer, {std::to_string(i * 7919 % 30'000), "v"}, 1);
  std::set<const void*> seen;
  std::mutex mutex;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const void* order = buffer.sorted().data();
        const std::lock_guard lock(mutex);
        seen.insert(order);
      });
    }
  }
  EXPECT_EQ(seen.size(), 1U);
}

TEST(EngineSort, EqualsComparingWholeKeys) {
  std::mt19937_64 random(5);
  std::set<std::string> keys = {"", std::string(1, '\0'), std::string(8, '\0'),
                                std::string(9, '\0')};
  const std::vector<std::string> heads = {"", std::string(20, '\x11'), std::string(20, '\x12'),
                                          std::string(28, '\0'), "ab"};
  for (int i = 0; i < 40'000; ++i) {
    std::string key = heads[random() % heads.size()];
    const std::size_t tail = random() % 34;
    for (std::size_t k = 0; k < tail; ++k)
      key += static_cast<char>(random() % (i % 2 == 0 ? 2 : 256));
    keys.insert(key);
  }
  std::vector<std::string> shuffled(keys.begin(), keys.end());
  std::ranges::shuffle(shuffled, random);
  std::vector<memory::SortItem> items;
  for (std::size_t i = 0; i < shuffled.size(); ++i) {
    const ByteView key = as_bytes(shuffled[i]);
    items.push_back({memory::key_prefix(key), key.data(), static_cast<std::uint32_t>(key.size()),
                     static_cast<std::uint32_t>(i)});
  }
  memory::sort_items(items);
  auto expected = keys.begin();
  for (const memory::SortItem& item : items) ASSERT_EQ(shuffled[item.index], *expected++);
}

TEST(EngineHash, DistinguishesAndSpreads) {
  std::set<std::uint64_t> hashes;
  std::size_t count = 0;
  for (std::size_t length = 0; length <= 80; ++length) {
    Bytes key(length, 0);
    hashes.insert(memory::key_hash(key));
    ++count;
    for (std::size_t bit = 0; bit < length * 8; ++bit) {
      key[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      hashes.insert(memory::key_hash(key));
      ++count;
      key[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
  }
  EXPECT_EQ(hashes.size(), count);
  // Both ends of the hash are used: one as the place, one as the tag.
  std::vector<int> low(256);
  std::vector<int> high(256);
  for (std::uint32_t i = 0; i < 65'536; ++i) {
    Bytes key(53, 7);
    for (std::size_t k = 0; k < 4; ++k) key[49 + k] = static_cast<std::uint8_t>(i >> (8 * k));
    const std::uint64_t hash = memory::key_hash(key);
    ++low[hash & 255];
    ++high[hash >> 56];
  }
  for (int i = 0; i < 256; ++i) {
    EXPECT_NEAR(low[static_cast<std::size_t>(i)], 256, 120);
    EXPECT_NEAR(high[static_cast<std::size_t>(i)], 256, 120);
  }
}

TEST(EngineArena, HandsOutAlignedMemoryThatStays) {
  memory::Arena arena;
  std::vector<std::pair<ByteView, std::uint8_t>> kept;
  for (std::size_t i = 0; i < 5000; ++i) {
    const std::size_t bytes = i % 7 == 0 ? 20'000 : i % 100;
    std::uint8_t* at = arena.allocate(bytes, 8);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 8, 0U);
    std::fill_n(at, bytes, static_cast<std::uint8_t>(i));
    kept.emplace_back(ByteView(at, bytes), static_cast<std::uint8_t>(i));
  }
  for (const auto& [view, byte] : kept) {
    EXPECT_TRUE(std::ranges::all_of(view, [&](auto b) { return b == byte; }));
  }
  memory::Arena moved = std::move(arena);
  EXPECT_EQ(moved.copy(as_bytes("x")).size(), 1U);
  const std::size_t before = moved.memory();
  moved.clear();
  EXPECT_LT(moved.memory(), before);
  EXPECT_GT(moved.memory(), 0U);
  const std::size_t kept_bytes = moved.memory();
  moved.allocate(kept_bytes / 8);
  EXPECT_EQ(moved.memory(), kept_bytes);  // the kept chunk is reused
  moved.allocate(64 << 20);
  moved.clear();
  EXPECT_LE(moved.memory(), std::size_t{2} << 20);
}

}  // namespace
}  // namespace flatkv::memtable
