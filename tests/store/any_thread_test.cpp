// SPDX-License-Identifier: Apache-2.0
// What any thread may call beside everything that the writer does, and what a callback may call.
// Small enough for ThreadSanitizer, under which scripts/nightly runs it.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

Options any_options() {
  Options options = small_options();
  options.create_if_missing = true;
  options.durability = Durability::group;
  options.group_blocks = 4;
  options.flush.write_buffer_bytes = 16U << 10;
  options.scrub.mode = Scrub::by_hand;
  return options;
}

struct Reading {
  const char* name;
  std::function<void(CommitStore&)> call;
};

std::vector<Reading> readings() {
  return {
      {"version", [](CommitStore& store) { EXPECT_GE(store.version(), 0); }},
      {"options",
       [](CommitStore& store) {
         EXPECT_EQ(store.initial_version(), 1);
         EXPECT_EQ(store.account_rows(), AccountRows::keep);
       }},
      {"committed_roots",
       [](CommitStore& store) { EXPECT_NE(store.committed_roots().root, Digest{}); }},
      {"view",
       [](CommitStore& store) {
         const auto view = store.view();
         if (view) {
           EXPECT_OK(view->get(nonce_key(address(1))));
         } else {
           EXPECT_TRUE(fails(view, ErrorCode::store_failed));  // closed
         }
       }},
      {"durable_version", [](CommitStore& store) { EXPECT_GE(store.durable_version(), 0); }},
      {"wait_durable",
       [](CommitStore& store) { static_cast<void>(store.wait_durable(store.durable_version())); }},
      {"verify", [](CommitStore& store) { static_cast<void>(store.verify()); }},
      {"scrub", [](CommitStore& store) { static_cast<void>(store.scrub(100)); }},
      {"scrub_status", [](CommitStore& store) { EXPECT_OK(store.scrub_status()); }},
      {"changes",
       [](CommitStore& store) {
         auto reader = store.changes(1, store.version());
         while (reader) {
           const auto block = reader->next();
           if (!block || !*block) break;  // rolled back or closed meanwhile, or at the end
         }
       }},
      {"subscribe",
       [](CommitStore& store) {
         SubscribeOptions options;
         options.name = "reader";
         auto subscription = store.subscribe(options);
         if (subscription) {
           static_cast<void>(subscription->next(std::chrono::milliseconds(0)));
         }
         const auto names = store.named_cursors();
         if (!names) {
           EXPECT_TRUE(fails(names, ErrorCode::store_failed));  // closed
         }
         static_cast<void>(store.drop_cursor("reader"));
       }},
      {"overlay",
       [](CommitStore& store) {
         auto overlay = store.overlay();
         if (!overlay) {
           EXPECT_TRUE(fails(overlay, ErrorCode::store_failed));  // closed
           return;
         }
         static_cast<void>(overlay->apply(Changes().nonce(address(1), 1)));
         static_cast<void>(overlay->working_roots());
         static_cast<void>(overlay->child());
       }},
      {"prefetch",
       [](CommitStore& store) {
         const AccountKey key = nonce_key(address(1));
         const ByteView asked = key;
         const Status done = store.prefetch({&asked, 1});
         EXPECT_TRUE(done || fails(done, ErrorCode::store_failed));  // closed
       }},
      {"metrics", [](CommitStore& store) { EXPECT_GE(store.metrics().buffer_memory, 0U); }},
      {"last_timings", [](CommitStore& store) { static_cast<void>(store.last_timings()); }},
  };
}

class AnyThread : public ::testing::TestWithParam<std::size_t> {
 protected:
  Status blocks(CommitStore& store, int count) {
    for (int i = 0; i < count; ++i) {
      const std::int64_t version = store.version() + 1;
      for (const Changes& changes : script_block(77, version)) {
        FLATKV_TRY(store.apply(changes.sets()));
      }
      FLATKV_TRY(store.commit(version));
    }
    return {};
  }
  TempDir directory_;
};

TEST_P(AnyThread, BesideAllThatTheWriterDoes) {
  auto store = CommitStore::open(directory_.path("store"), any_options());
  ASSERT_OK(store);
  ASSERT_OK(store->snapshot());
  const Reading reading = readings().at(GetParam());
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> calls = 0;
  std::jthread reader([&] {
    while (!stop) {
      reading.call(*store);
      ++calls;
    }
  });
  // Makes sure that the other thread calls during or right after even the shortest step.
  const auto beside = [&](const auto& step) {
    const std::uint64_t before = calls;
    EXPECT_OK(step());
    while (calls < before + 2) std::this_thread::yield();
  };
  for (int round = 0; round < 3; ++round) {
    beside([&] { return blocks(*store, 12); });
    beside([&] { return store->flush(); });
    beside([&] { return store->snapshot(); });
    beside([&] { return blocks(*store, 3); });
    beside([&] { return store->rollback(store->version() - 2); });
    beside([&] {
      store->discard();
      return Status{};
    });
  }
  beside([&] { return store->close(); });
  stop = true;
}

INSTANTIATE_TEST_SUITE_P(Readings, AnyThread, ::testing::Range<std::size_t>(0, readings().size()),
                         [](const auto& test) {
                           return std::string(readings().at(test.param).name);
                         });

/// A rollback that builds a generation retires what these work on, and closes nothing.
TEST(AnyThreadBesideRollbacks, NothingSaysThatTheStoreIsClosed) {
  TempDir directory;
  auto store = CommitStore::open(directory.path("store"), any_options());
  ASSERT_OK(store);
  std::atomic<bool> done = false;
  std::atomic<int> closed = 0;
  const auto repeat = [&](const auto& call) {
    return std::jthread([&, call] {
      while (!done) {
        const auto result = call();
        if (!result && result.error().code == ErrorCode::store_failed) ++closed;
      }
    });
  };
  {
    const std::jthread cursors = repeat([&] { return store->named_cursors(); });
    const std::jthread scrub = repeat([&] { return store->scrub(1); });
    const std::jthread changes = repeat([&] { return store->changes(1, 0); });
    const std::jthread wait = repeat([&] { return store->wait_durable(0); });
    const std::jthread verify = repeat([&] { return store->verify(); });
    for (int i = 0; i < 5; ++i) {
      EXPECT_OK(store->commit(1));
      EXPECT_OK(store->rollback(0));
    }
    done = true;
  }
  EXPECT_EQ(closed, 0);
}

/// A callback that calls everything it may, while the writer waits for the callback's thread.
TEST(Callbacks, MayCallWhatAnyThreadMay) {
  TempDir directory;
  std::atomic<CommitStore*> store = nullptr;
  std::atomic<int> told = 0;
  std::atomic<int> refused = 0;
  const auto look = [&] {
    CommitStore* own = store;
    if (own == nullptr) return;
    static_cast<void>(own->version());
    static_cast<void>(own->committed_roots());
    static_cast<void>(own->durable_version());
    static_cast<void>(own->metrics());
    static_cast<void>(own->last_timings());
    static_cast<void>(own->scrub_status());
    static_cast<void>(own->view());
    ++told;
  };
  Options options = any_options();
  options.log = [&](LogLevel, std::string_view) { look(); };
  options.on_durable = [&](std::int64_t) {
    look();
    CommitStore* own = store;
    if (own == nullptr) return;
    const auto says_so = [&](const auto& result) {
      if (!result && result.error().code == ErrorCode::invalid_argument) ++refused;
    };
    says_so(own->close());
    says_so(own->rollback(1));
    says_so(own->flush());
    says_so(own->wait_durable(1));
  };
  auto opened = CommitStore::open(directory.path("store"), options);
  ASSERT_OK(opened);
  store = &*opened;
  for (std::int64_t version = 1; version <= 3; ++version) {
    ASSERT_OK(opened->apply(Changes().nonce(address(1), 1)));
    ASSERT_OK(opened->commit(version));
  }
  ASSERT_OK(opened->rollback(1));  // waits for the thread, which takes a view
  EXPECT_EQ(opened->version(), 1);
  ASSERT_OK(opened->commit(2));
  ASSERT_OK(opened->close());
  EXPECT_GT(told, 0);
  EXPECT_GE(refused, 4);
  EXPECT_EQ(refused % 4, 0);
}

TEST(Callbacks, OnDurableMayDestroyTheStore) {
  TempDir directory;
  Options options = any_options();
  std::mutex mutex;
  std::unique_ptr<CommitStore> store;
  std::atomic<bool> destroyed{false};
  options.on_durable = [&](std::int64_t) {
    const std::lock_guard lock(mutex);
    store.reset();
    destroyed = true;
  };
  {
    const std::lock_guard lock(mutex);
    auto opened = CommitStore::open(directory.path("store"), options);
    ASSERT_OK(opened);
    store = std::make_unique<CommitStore>(*std::move(opened));
    ASSERT_OK(store->commit(1));
  }
  while (!destroyed) std::this_thread::yield();
  options.on_durable = {};
  const auto again = CommitStore::open(directory.path("store"), options);  // waits for the lock
  ASSERT_OK(again);
  EXPECT_EQ(again->version(), 1);
}

/// As a garbage collector does that comes upon a forgotten handle while a callback runs: here on
/// the thread of the scrub, which cannot wait for its own end.
TEST(Callbacks, TheLogMayDestroyTheStore) {
  TempDir directory;
  Options options = any_options();
  options.scrub.mode = Scrub::in_background;
  options.scrub.pause_seconds = 0;
  std::mutex mutex;
  std::unique_ptr<CommitStore> store;
  std::atomic<bool> destroyed{false};
  std::optional<Status> flushed;
  options.log = [&](LogLevel, std::string_view message) {
    if (!message.starts_with("scrub: round")) return;
    const std::lock_guard lock(mutex);
    if (!store) return;
    flushed = store->flush();
    store.reset();
    destroyed = true;
  };
  auto opened = CommitStore::open(directory.path("store"), options);
  ASSERT_OK(opened);
  ASSERT_OK(opened->commit(1));
  {
    const std::lock_guard lock(mutex);  // which no call of the store may wait for
    store = std::make_unique<CommitStore>(*std::move(opened));
  }
  while (!destroyed) std::this_thread::yield();
  EXPECT_TRUE(fails(*flushed, ErrorCode::invalid_argument));
  const auto again =
      CommitStore::open(directory.path("store"), any_options());  // waits for the lock
  ASSERT_OK(again);
  EXPECT_EQ(again->version(), 1);
}

/// The system gives a new thread the number of one that has ended.
TEST(Callbacks, AThreadThatCameLaterIsNoCallback) {
  TempDir directory;
  auto store = CommitStore::open(directory.path("store"), any_options());
  ASSERT_OK(store);
  ASSERT_OK(store->commit(1));
  ASSERT_OK(store->close());
  std::mutex writer;
  std::latch begun(32);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&] {
      begun.arrive_and_wait();  // all at once, so that each number is given
      const std::lock_guard lock(writer);
      EXPECT_OK(store->close());
    });
  }
}

TEST(Callbacks, AnExceptionOfOnDurableFailsTheStore) {
  TempDir directory;
  Options options = any_options();
  options.on_durable = [](std::int64_t) { throw std::runtime_error("the caller's"); };
  {
    auto store = CommitStore::open(directory.path("store"), options);
    ASSERT_OK(store);
    ASSERT_OK(store->commit(1));
    while (store->commit(store->version() + 1)) {
    }
    EXPECT_TRUE(fails(store->commit(store->version() + 1), ErrorCode::store_failed));
  }
  options.on_durable = {};
  const auto store = CommitStore::open(directory.path("store"), options);
  ASSERT_OK(store);
  EXPECT_GE(store->version(), 1);
}

TEST(Callbacks, AnExceptionOfTheLogIsDropped) {
  TempDir directory;
  Options options = any_options();
  options.log = [](LogLevel, std::string_view) { throw std::runtime_error("the caller's"); };
  auto store = CommitStore::open(directory.path("store"), options);
  ASSERT_OK(store);
  ASSERT_OK(store->commit(1));
  ASSERT_OK(store->snapshot());
  ASSERT_OK(store->close());
}

}  // namespace
}  // namespace flatkv::test
