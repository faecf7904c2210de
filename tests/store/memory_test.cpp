// SPDX-License-Identifier: Apache-2.0
// What an exceptionally large block costs: its old values are never all in memory at once, and its
// memory is released afterwards. Each case runs in its own process, so that no other test has
// touched the memory.
#include <sys/wait.h>

#include <cstring>
#include <fstream>

#include "support/child.hpp"
#include "support/store_fixture.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FLATKV_SANITIZED
#elif defined(__has_feature)  // Clang, which has no such macros
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FLATKV_SANITIZED
#endif
#endif

namespace flatkv::test {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::size_t kLargeBytes = std::size_t{16} << 20;
constexpr std::uint64_t kLargeValues = 40;
/// The old values that a block keeps, one more, and those in flight, with a generous margin.
constexpr std::int64_t kBudget = 320 * kMiB;
static_assert(kBudget < static_cast<std::int64_t>(kLargeBytes * kLargeValues) * 6 / 10);

/// "VmRSS" or "VmHWM" of this process, in bytes; resets the latter.
std::int64_t resident(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::int64_t kilobytes = 0;
  while (status >> word) {
    if (word == field + ":") status >> kilobytes;
  }
  std::ofstream("/proc/self/clear_refs") << 5;
  return kilobytes * 1024;
}

Options memory_options() {
  Options options = small_options();
  options.create_if_missing = true;
  options.cache.row_cache_bytes = 0;
  options.cache.block_cache_bytes = 8 << 20;
  options.flush.write_buffer_bytes = 8 << 20;
  options.flush.max_lag_bytes = 1ULL << 40;
  options.flush.level0_limit = 100;
  return options;
}

Bytes large_value(std::uint64_t number) {
  Bytes value(kLargeBytes);
  Random random(number);
  for (std::size_t i = 0; i < value.size(); i += 8) {
    const std::uint64_t word = random();
    std::memcpy(value.data() + i, &word, sizeof word);
  }
  return value;
}

Address large_address(std::uint64_t number) { return address(1000 + number); }

/// Writes rows with huge values, and gets them into tables.
void make_large(const std::string& path) {
  Options options = memory_options();
  auto store = CommitStore::open(path, options);
  ASSERT_OK(store);
  for (std::uint64_t i = 0; i < kLargeValues;) {
    for (int n = 0; n < 14 && i < kLargeValues; ++n, ++i) {
      ASSERT_OK(store->apply(Changes().code(large_address(i), large_value(i))));
    }
    ASSERT_OK(store->commit(store->version() + 1));
  }
  ASSERT_OK(store->close());
}

enum class How : std::uint8_t { one_apply, many_applies, scrubbed, replayed };

/// Applies a block that deletes all of these rows except one, which it writes anew.
Status delete_large(CommitStore& store, How how) {
  Changes all;
  for (std::uint64_t i = 1; i < kLargeValues; ++i) {
    Changes one;
    (how == How::many_applies ? one : all).remove(code_key(large_address(i)));
    if (how != How::many_applies) continue;
    if (Status applied = store.apply(one); !applied) return applied;
  }
  all.code(large_address(0), Bytes(100, 1));
  return store.apply(all);
}

Status ordinary_blocks(CommitStore& store, int count) {
  for (int i = 0; i < count; ++i) {
    Changes changes;
    const auto version = static_cast<std::uint64_t>(store.version() + 1);
    for (std::uint64_t n = 0; n < 50; ++n) changes.storage(address(n), slot(version), word(n + 1));
    if (Status applied = store.apply(changes); !applied) return applied;
    if (auto done = store.commit(store.version() + 1); !done) {
      return std::unexpected(done.error());
    }
  }
  return {};
}

/// Arguments: store, how. Reports the resident memory before (b), at most during (p) and after (a).
int delete_mode(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const auto how = static_cast<How>(std::stoi(arguments.at(1)));
  Options options = memory_options();
  if (how == How::scrubbed) options.scrub.mode = Scrub::by_hand;
  const std::int64_t before_open = resident("VmHWM");
  auto store = CommitStore::open(arguments.at(0), options);
  if (!store) return 2;
  if (how == How::replayed) {
    reporter.say('b', before_open);
    reporter.say('p', resident("VmHWM"));
  } else {
    if (how == How::scrubbed) {
      // The front is among the rows to delete, and moves on while the block is pending.
      for (int i = 0; i < 4; ++i) {
        if (!store->scrub(8)) return 3;
      }
    }
    reporter.say('b', (resident("VmHWM"), resident("VmRSS")));
    if (!delete_large(*store, how)) return 4;
    if (how == How::scrubbed && !store->scrub(8)) return 3;
    static_cast<void>(store->working_roots());
    reporter.say('p', resident("VmHWM"));
    if (how == How::scrubbed && !store->scrub(8)) return 3;
    if (!store->commit(store->version() + 1)) return 5;
  }
  if (!ordinary_blocks(*store, 100)) return 6;
  reporter.say('a', resident("VmRSS"));
  if (arguments.size() > 2) ::_exit(0);  // ends like a killed process
  if (how == How::scrubbed) {
    while (store->scrub_status().value()->progress.round == 1) {
      if (!store->scrub(1000)) return 3;
    }
    if (!store->scrub_status().value()->findings.empty()) return 7;
  }
  const auto verified = store->verify();
  return verified && verified->good() && store->close() ? 0 : 8;
}
const RegisterChild kDeleteMode("delete large values", delete_mode);

class Memory : public StoreFixture {
 protected:
  void SetUp() override {
#ifdef FLATKV_SANITIZED
    GTEST_SKIP() << "a sanitizer's memory is resident, too";
#endif
  }
  void run(How how) {
    Child child =
        Child::start("delete large values", {path(), std::to_string(static_cast<int>(how))});
    const int status = child.wait();
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    const std::int64_t before = child.last('b').value();
    EXPECT_LT(child.last('p').value() - before, kBudget);
    EXPECT_LT(child.last('a').value() - before, 64 * kMiB);
  }
};

TEST_F(Memory, HugeOldValuesAreNotAllInMemoryAtOnce) {
  make_large(path());
  run(How::one_apply);
}

TEST_F(Memory, NorOverManyApplies) {
  make_large(path());
  run(How::many_applies);
}

TEST_F(Memory, NorBesideAScrub) {
  make_large(path());
  run(How::scrubbed);
}

TEST_F(Memory, NorInReplay) {
  make_large(path());
  Child child =
      Child::start("delete large values",
                   {path(), std::to_string(static_cast<int>(How::many_applies)), "and is killed"});
  ASSERT_EQ(child.wait(), 0);
  run(How::replayed);
}

/// So many old values that the last ones are released early, although each is small.
class ManyOldValues : public StoreFixture, public ::testing::WithParamInterface<Scrub> {};

TEST_P(ManyOldValues, AreLetGoAndTheRootIsRight) {
  constexpr std::uint64_t kRows = 60'000;
  const auto key = [](std::uint64_t number) {
    Bytes name = text("legacy key ");
    for (int byte = 0; byte < 3; ++byte) {
      name.push_back(static_cast<std::uint8_t>(number >> (8 * (2 - byte))));
    }
    return name;
  };
  const auto value = [](std::uint64_t number) {
    return Bytes(number % 3 == 0 ? 3000 : 900, static_cast<std::uint8_t>(number));
  };
  options_ = memory_options();
  options_.scrub.mode = GetParam();
  open();
  for (std::uint64_t i = 0; i < kRows;) {
    Changes changes;
    for (std::uint64_t n = 0; n < 10'000; ++n, ++i) changes.set(key(i), value(i));
    block({changes});
  }
  ASSERT_OK(store_->flush());
  Changes first;
  Changes second;
  for (std::uint64_t i = 0; i < kRows; ++i) {
    if (i % 4 == 0) first.remove(key(i));
    if (i % 4 == 1) first.set(key(i), value(i + 1));
    if (i % 4 == 2) first.set(key(i), value(i));  // unchanged
    if (i % 8 == 0) second.set(key(i), value(i));
    if (i % 8 == 1) second.remove(key(i));
  }
  if (GetParam() != Scrub::off) {
    while (store_->scrub_status().value()->progress.database != Database::legacy) {
      ASSERT_OK(store_->scrub(1000));
    }
    ASSERT_OK(store_->scrub(kRows / 3));
  }
  block({first, second});
  if (GetParam() != Scrub::off) {
    while (store_->scrub_status().value()->progress.round == 1) ASSERT_OK(store_->scrub(10'000));
    EXPECT_TRUE(store_->scrub_status().value()->findings.empty());
  }
  check();
}

INSTANTIATE_TEST_SUITE_P(Memory, ManyOldValues, ::testing::Values(Scrub::off, Scrub::by_hand));

}  // namespace
}  // namespace flatkv::test
