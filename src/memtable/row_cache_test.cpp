// SPDX-License-Identifier: Apache-2.0
#include "memtable/row_cache.hpp"

#include <atomic>
#include <thread>

#include "memtable/memtable.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::memtable {
namespace {

constexpr auto kStorage = Database::storage;
using Value = std::optional<std::string>;

class EngineCache : public testing::Test {
 protected:
  static std::optional<ByteView> view_of(const Value& value) {
    return value ? std::optional(as_bytes(*value)) : std::nullopt;
  }
  std::string find(RowCache& cache, std::string_view key, Stamp stamp,
                   Database database = kStorage) {
    arena_.clear();
    const Lookup found =
        cache.find(database, as_bytes(key), memory::key_hash(as_bytes(key)), stamp, arena_);
    if (found.presence == Presence::unknown) return "unknown";
    if (found.presence == Presence::absent) return "absent";
    return "=" + rocks::text(found.value);
  }
  static void insert(RowCache& cache, std::string_view key, const Value& value, Stamp stamp,
                     Database database = kStorage) {
    cache.insert(database, as_bytes(key), memory::key_hash(as_bytes(key)), stamp, view_of(value));
  }
  static void put(Memtable& buffer, std::string_view key, const Value& value, Stamp stamp) {
    buffer.insert({as_bytes(key), memory::key_hash(as_bytes(key)), !value,
                   value ? as_bytes(*value) : ByteView{}, false},
                  stamp);
  }
  static Reach all_of(Stamp stamp) { return {stamp}; }
  memory::Arena arena_;
};

TEST_F(EngineCache, KeepsPresentEmptyAndAbsentRowsApart) {
  RowCache cache(1 << 20);
  EXPECT_EQ(find(cache, "a", 1), "unknown");
  insert(cache, "a", "1", 1);
  insert(cache, "empty", "", 1);
  insert(cache, "absent", std::nullopt, 1);
  insert(cache, "", "empty key", 1);
  EXPECT_EQ(find(cache, "a", 1), "=1");
  EXPECT_EQ(find(cache, "empty", 1), "=");
  EXPECT_EQ(find(cache, "absent", 1), "absent");
  EXPECT_EQ(find(cache, "", 1), "=empty key");
  EXPECT_EQ(cache.counters().rows, 4U);
  EXPECT_EQ(cache.counters().hits, 4U);
  EXPECT_EQ(cache.counters().misses, 1U);
}

TEST_F(EngineCache, DatabasesDoNotShareRows) {
  RowCache cache(1 << 20);
  insert(cache, "address", "account row", 1, Database::account);
  insert(cache, "address", std::nullopt, 1, Database::code);
  EXPECT_EQ(find(cache, "address", 1, Database::account), "=account row");
  EXPECT_EQ(find(cache, "address", 1, Database::code), "absent");
  EXPECT_EQ(find(cache, "address", 1, Database::legacy), "unknown");
}

TEST_F(EngineCache, AFlushReplacesWhatItChanged) {
  RowCache cache(1 << 20);
  for (const char* key : {"same", "longer", "shorter", "deleted", "made"}) {
    insert(cache, key, key == std::string("made") ? Value() : "old value", 1);
  }
  Memtable buffer;
  put(buffer, "longer", "a value that is longer than the old one was", 2);
  put(buffer, "shorter", "", 2);
  put(buffer, "deleted", std::nullopt, 2);
  put(buffer, "made", "1", 2);
  put(buffer, "new", "2", 2);
  put(buffer, "gone", std::nullopt, 2);
  cache.flushed(kStorage, buffer, all_of(2));
  EXPECT_EQ(find(cache, "same", 2), "=old value");
  EXPECT_EQ(find(cache, "longer", 2), "=a value that is longer than the old one was");
  EXPECT_EQ(find(cache, "shorter", 2), "=");
  EXPECT_EQ(find(cache, "deleted", 2), "absent");
  EXPECT_EQ(find(cache, "made", 2), "=1");
  EXPECT_EQ(find(cache, "new", 2), "=2");
  EXPECT_EQ(find(cache, "gone", 2), "absent");
}

TEST_F(EngineCache, AStateBeforeTheFlushGetsNothing) {
  RowCache cache(1 << 20);
  insert(cache, "a", "1", 5);
  Memtable buffer;
  put(buffer, "b", "2", 7);
  cache.flushed(kStorage, buffer, all_of(7));
  EXPECT_EQ(find(cache, "a", 6), "unknown");
  EXPECT_EQ(find(cache, "b", 6), "unknown");
  EXPECT_EQ(find(cache, "a", 7), "=1");
  EXPECT_EQ(find(cache, "a", 9), "=1");
  EXPECT_EQ(find(cache, "a", 6, Database::code), "unknown");
  insert(cache, "c", "3", 6, Database::code);  // another database has its own flushes
  EXPECT_EQ(find(cache, "c", 6, Database::code), "=3");
}

// docs/hazards.md#stale-cache-entry
TEST_F(EngineCache, AValueHeldAcrossAFlushIsNotInserted) {
  RowCache cache(1 << 20);
  // Read at version 5; then 6 writes the key and is flushed; then the reader comes back.
  Memtable buffer;
  put(buffer, "a", "new", 6);
  cache.flushed(kStorage, buffer, all_of(6));
  insert(cache, "a", "old", 5);
  insert(cache, "b", "old", 5);
  EXPECT_EQ(find(cache, "a", 6), "=new");
  EXPECT_EQ(find(cache, "b", 6), "unknown");
  EXPECT_EQ(cache.counters().refused, 2U);
  // A cached row is right; a later offer is no newer.
  insert(cache, "a", "other", 6);
  EXPECT_EQ(find(cache, "a", 6), "=new");
}

// Stamps 5 to 8 were undone, and 9 is the first commit of the other branch, of a lower version than
// that of 8: it is flushed while somebody still reads through the state of 8.
TEST_F(EngineCache, AnUndoneStateAndAFlushOfTheOtherBranchDoNotMeet) {
  RowCache cache(1 << 20);
  Memtable below;
  put(below, "a", "4", 4);
  cache.flushed(kStorage, below, all_of(4));
  EXPECT_EQ(find(cache, "a", 8), "=4");  // a flush below the undone blocks is right for all
  Memtable buffer;
  put(buffer, "undone", "8", 8);
  put(buffer, "a", "9", 9);
  const DeadRanges dead{{4, 8}};
  cache.flushed(kStorage, buffer, Reach{9, &dead});
  EXPECT_EQ(find(cache, "a", 8), "unknown");
  insert(cache, "b", "as the undone state had it", 8);
  EXPECT_EQ(find(cache, "a", 9), "=9");
  EXPECT_EQ(find(cache, "b", 9), "unknown");
  EXPECT_EQ(find(cache, "undone", 9), "unknown");
}

TEST_F(EngineCache, KeepsToItsBytes) {
  for (const std::size_t bytes :
       {std::size_t{64} << 10, std::size_t{1} << 20, std::size_t{5} << 20, std::size_t{64} << 20}) {
    RowCache cache(bytes);
    EXPECT_LE(cache.memory(), bytes);
    EXPECT_GT(cache.memory(), bytes * 9 / 10);
    std::mt19937 random(1);
    const std::size_t rows = std::min<std::size_t>(3 * bytes / 100, 400'000);
    for (std::size_t i = 0; i < rows; ++i) {
      insert(cache, std::string(random() % 60, 'k') + std::to_string(i),
             std::string(random() % 100, 'v'), 1);
    }
    const auto counters = cache.counters();
    EXPECT_GE(counters.inserted, counters.rows);
    EXPECT_EQ(counters.rows, counters.inserted - counters.evicted);
    EXPECT_GT(counters.rows, std::min(rows, bytes / 200));
  }
  RowCache off(0);
  insert(off, "a", "1", 1);
  EXPECT_EQ(find(off, "a", 1), "unknown");
  EXPECT_EQ(off.memory(), 0U);
  Memtable buffer;
  off.flushed(kStorage, buffer, all_of(1));
}

TEST_F(EngineCache, LeavesOutWhatIsTooLarge) {
  RowCache cache(64 << 10);
  insert(cache, "a", std::string(30'000, 'x'), 1);
  EXPECT_EQ(find(cache, "a", 1), "unknown");
  insert(cache, "b", "small", 1);
  Memtable buffer;
  put(buffer, "b", std::string(30'000, 'x'), 2);
  cache.flushed(kStorage, buffer, all_of(2));
  EXPECT_EQ(find(cache, "b", 2), "unknown");  // and the old value is gone
  RowCache large(256 << 20);
  insert(large, std::string(65'536, 'k'), "v", 1);
  insert(large, "code", std::string(24'576, 'c'), 1);
  EXPECT_EQ(find(large, "code", 1).size(), 24'577U);
}

TEST_F(EngineCache, AScanDoesNotPushOutWhatIsUsed) {
  RowCache cache(2 << 20);
  const auto hot = [](int i) { return "hot" + std::to_string(i); };
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 2000; ++i) {
      if (find(cache, hot(i), 1) == "unknown") insert(cache, hot(i), std::string(32, 'h'), 1);
    }
  }
  for (int i = 0; i < 200'000; ++i) {  // ten times what the cache holds
    insert(cache, "scanned" + std::to_string(i), std::string(32, 's'), 1);
    if (i % 50 == 0) find(cache, hot(i / 50 % 2000), 1);
  }
  int kept = 0;
  for (int i = 0; i < 2000; ++i) kept += find(cache, hot(i), 1) != "unknown";
  EXPECT_GT(kept, 1800);
}

/// Every answer must agree with a model, whatever is evicted.
TEST_F(EngineCache, NeverGivesAWrongRow) {
  for (const std::size_t bytes : {std::size_t{64} << 10, std::size_t{1} << 20}) {
    RowCache cache(bytes);
    std::map<std::string, Value> database;  // as of the last flush
    std::mt19937 random(17);
    std::size_t hits = 0;
    Stamp stamp = 1;
    const auto random_value = [&]() -> Value {
      if (random() % 4 == 0) return std::nullopt;
      return std::string(random() % (random() % 20 == 0 ? 1500 : 80), static_cast<char>(random()));
    };
    for (int round = 0; round < 60; ++round) {
      for (int i = 0; i < 1500; ++i) {
        const std::string key = "key" + std::to_string(random() % 3000 * (random() % 3000) / 3000);
        const Value& right = database[key];
        const std::string got = find(cache, key, stamp);
        if (got == "unknown") {
          insert(cache, key, right, stamp);
        } else {
          ++hits;
          ASSERT_EQ(got, right ? "=" + *right : "absent");
        }
      }
      Memtable buffer;
      ++stamp;
      for (int i = 0; i < 400; ++i) {
        const std::string key = "key" + std::to_string(random() % 3000);
        database[key] = random_value();
        put(buffer, key, database[key], stamp);
      }
      cache.flushed(kStorage, buffer, all_of(stamp));
    }
    EXPECT_GT(hits, 10'000U);
    EXPECT_GT(cache.counters().evicted, 0U);
  }
}

/// Readers of the current state and of views beside a writer whose buffers are flushed: a key's
/// value names the stamp that wrote it, so a stale answer is detected.
// docs/hazards.md#stale-cache-entry
TEST_F(EngineCache, ReadersBesideFlushesNeverSeeAStaleRow) {
  constexpr int kKeys = 500;
  constexpr Stamp kCommits = 300;
  struct TestState {
    Stamp stamp = 0;
    std::shared_ptr<Memtable> frozen;                    // null: none
    std::shared_ptr<const std::vector<Stamp>> database;  // who wrote each key, as of the flush
  };
  const auto name = [](int key) { return "key" + std::to_string(key); };
  std::mutex mutex;
  TestState current{0, nullptr, std::make_shared<std::vector<Stamp>>(kKeys, 0)};
  const auto load = [&] {
    const std::lock_guard lock(mutex);
    return current;
  };
  RowCache cache(64 << 10);  // small, so that rows come and go
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::atomic<std::uint64_t> hits = 0;
  std::vector<std::jthread> readers;
  for (unsigned thread = 0; thread < 3; ++thread) {
    readers.emplace_back([&, thread] {
      std::mt19937 random(thread);
      memory::Arena arena;
      TestState state = load();
      while (!done) {
        if (random() % 64 == 0) state = load();  // so it is often an older one
        const int key = static_cast<int>(random() % kKeys);
        const std::string text_key = name(key);
        const std::uint64_t hash = memory::key_hash(as_bytes(text_key));
        if (state.frozen &&
            state.frozen->find(as_bytes(text_key), hash, all_of(state.stamp)).presence !=
                Presence::unknown) {
          continue;
        }
        const Stamp wrote = (*state.database)[static_cast<std::size_t>(key)];
        arena.clear();
        const Lookup found = cache.find(kStorage, as_bytes(text_key), hash, state.stamp, arena);
        if (found.presence == Presence::unknown) {
          const std::string value = std::to_string(wrote);
          if (random() % 8 == 0) std::this_thread::yield();
          cache.insert(kStorage, as_bytes(text_key), hash, state.stamp,
                       wrote == 0 ? std::nullopt : std::optional(as_bytes(value)));
        } else {
          ++hits;
          const Stamp got =
              found.presence == Presence::absent ? 0 : std::stoull(rocks::text(found.value));
          if (got != wrote) ++wrong;
        }
      }
    });
  }
  std::mt19937 random(99);
  auto database = std::make_shared<std::vector<Stamp>>(*current.database);
  for (Stamp stamp = 1; stamp <= kCommits; ++stamp) {
    auto buffer = std::make_shared<Memtable>();
    database = std::make_shared<std::vector<Stamp>>(*database);
    for (int i = 0; i < 60; ++i) {
      const int key = static_cast<int>(random() % kKeys);
      put(*buffer, name(key), std::to_string(stamp), stamp);
      (*database)[static_cast<std::size_t>(key)] = stamp;
    }
    {
      const std::lock_guard lock(mutex);  // the commit: the buffer is part of the state
      current.stamp = stamp;
      current.frozen = buffer;
    }
    if (stamp % 3 == 0) std::this_thread::yield();
    cache.flushed(kStorage, *buffer, all_of(stamp));
    const std::lock_guard lock(mutex);  // the flush: the database has the rows
    current.frozen = nullptr;
    current.database = database;
  }
  done = true;
  readers.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(hits, 0U);
}

}  // namespace
}  // namespace flatkv::memtable
