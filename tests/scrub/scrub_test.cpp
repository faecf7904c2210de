// SPDX-License-Identifier: Apache-2.0
// Rounds of the scrub: with blocks in between, and what they find of damage made behind the store's
// back (invariant S1 and row V1 of docs/recovery.md).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/failpoint.hpp"
#include "flatkv/tools/inspect.hpp"
#include "scrub/scrub_fixture.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {
namespace {

class ScrubRounds : public ScrubFixture {};

TEST_F(ScrubRounds, ARoundProvesEveryDatabase) {
  open();
  blocks(30);
  std::uint64_t rows = 0;
  for (const Database database : kDataDatabases) rows += rows_of(database).size();
  double fraction = 0;
  ScrubStatus now = finish_round(7, [&] {
    EXPECT_GE(status().fraction, fraction);
    fraction = status().fraction;
  });
  EXPECT_TRUE(all_good(now, 1));
  EXPECT_EQ(now.rows, rows);
  EXPECT_GT(fraction, 0.5);
  for (const auto& verdict : now.progress.verdicts) EXPECT_EQ(verdict->version, 30);
  now = finish_round(1000);
  EXPECT_TRUE(all_good(now, 2));
  EXPECT_EQ(now.rows, 2 * rows);
  EXPECT_FALSE(now.resumed);
  EXPECT_EQ(now.begun_anew, "");
}

TEST_F(ScrubRounds, AnEmptyStore) {
  open();
  for (int i = 0; i < 4; ++i) step(1);
  EXPECT_TRUE(all_good(status(), 1));
  blocks(5);
  EXPECT_TRUE(all_good(finish_round(2), 2));
}

/// Whatever a writer can do between slices, in both forms of account rows.
void random_life(std::uint64_t seed, AccountRows rows, Options options, const std::string& path) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  options.create.account_rows = rows;
  options.create_if_missing = true;
  options.flush.write_buffer_bytes = 16 << 10;
  auto store = CommitStore::open(path, options);
  ASSERT_OK(store);
  Model model(rows);
  Random random(seed);
  Pools pools;
  const auto commit = [&] {
    ASSERT_TRUE(commit_both(*store, model, {random_changes(random, pools, 40)}));
  };
  for (int i = 0; i < 20; ++i) commit();
  std::uint64_t proved = 0;
  for (int i = 0; i < 700 && !::testing::Test::HasFailure(); ++i) {
    switch (below(random, 12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        commit();
        break;
      case 4: {  // hashed before the slice, committed after it
        const Changes changes = random_changes(random, pools, 60);
        ASSERT_OK(store->apply(changes));
        ASSERT_TRUE(model.apply(changes));
        static_cast<void>(store->root_hash());
        break;
      }
      case 5:
        ASSERT_OK(store->apply(random_changes(random, pools, 20)));
        static_cast<void>(store->root_hash());
        store->discard();
        model.discard();
        break;
      case 6:
        ASSERT_OK(store->flush());
        break;
      case 7:
        if (one_in(random, 4)) {
          ASSERT_OK(store->snapshot());
        }
        break;
      case 8:
        if (!one_in(random, 4)) break;
        ASSERT_OK(store->close());
        store = CommitStore::open(path, options);
        ASSERT_OK(store);
        model.discard();
        ASSERT_EQ(store->scrub_status().value()->begun_anew, "");
        break;
      default: {
        const auto stepped = store->scrub(1 + below(random, 60));
        ASSERT_OK(stepped);
        ASSERT_TRUE(stepped->findings.empty()) << to_string(stepped->findings[0].verdict.database)
                                               << " at " << stepped->findings[0].version;
        ASSERT_EQ(stepped->progress.version, model.version());
        proved = stepped->progress.round - 1;
      }
    }
  }
  EXPECT_GE(proved, 2U) << "too few rounds to mean anything";
  ASSERT_TRUE(store_is(*store, model.committed()));
}

TEST_F(ScrubRounds, BlocksOfEveryKindInBetween) {
  for (std::uint64_t seed = 1; seed <= environment("FLATKV_SCRUB_SEEDS", 4); ++seed) {
    random_life(seed, seed % 2 == 0 ? AccountRows::prune_empty : AccountRows::keep, options_,
                aside(std::to_string(seed)));
    if (HasFailure()) return;
  }
}

/// Above 64 MiB a block keeps no old values: of a long one, which the front may still pass, it
/// keeps the element.
TEST_F(ScrubRounds, ABlockTooLargeForItsOldValues) {
  constexpr std::uint64_t kRows = 120;
  std::uint8_t now = 0;
  const auto rows = [&] {
    ++now;
    Changes changes;
    for (std::uint64_t i = 0; i < kRows; ++i) {
      const Bytes value(i % 3 == 0 ? 40 : 3000 + i, now);
      if ((i + now) % 5 == 0) {
        changes.remove(code_key(address(i))).remove(storage_key(address(1), slot(i)));
      } else {
        changes.code(address(i), value).storage(address(1), slot(i), value);
      }
    }
    return changes;
  };
  const auto large = [&] {
    return Changes()
        .set(text("large"), Bytes(48 << 20, now))
        .set(text("too"), Bytes(24 << 20, now));
  };
  open();
  block({rows()});
  ASSERT_OK(store_->flush());
  for (const Database database : {Database::storage, Database::code}) {
    for (const bool slice_between : {false, true}) {
      SCOPED_TRACE(std::string(to_string(database)) + (slice_between ? ", a slice between" : ""));
      const std::uint64_t round = status().progress.round;
      go_to(database, kRows / 3);
      if (slice_between) {
        const std::vector<Changes> both = {large(), rows()};
        for (const Changes& changes : both) {
          ASSERT_OK(store_->apply(changes));
          ASSERT_TRUE(model_.apply(changes));
          static_cast<void>(store_->root_hash());
          EXPECT_EQ(step(kRows / 6).progress.database, database);
        }
        ASSERT_OK(store_->commit(model_.version() + 1));
        model_.commit();
      } else {
        block({large(), rows()});
      }
      ASSERT_OK(store_->flush());
      EXPECT_TRUE(all_good(finish_round(1000), round));
    }
  }
  check();
}

TEST_F(ScrubRounds, BlocksWhileASliceIsRead) {
#ifndef FLATKV_FAILPOINTS
  GTEST_SKIP() << "needs failpoints";
#else
  open();
  blocks(20);
  int committed = 0;
  bool busy = false;  // a commit inside a commit's failpoint would recurse for ever
  for (const char* site : {"scrub.slice_read", "scrub.front_moved"}) {
    failpoint::arm(
        site,
        [&, site]() -> Status {
          if (busy) return {};
          busy = true;
          if (std::string_view(site) == "scrub.front_moved" || committed % 3 != 2) blocks(1);
          ++committed;
          busy = false;
          return {};
        },
        1, 0);
  }
  const ScrubStatus now = finish_round(4, [&] {
    if (committed % 5 == 0) {
      ASSERT_OK(store_->flush());
    }
  });
  failpoint::disarm_all();
  EXPECT_TRUE(all_good(now, 1));
  EXPECT_GT(committed, 50);
  check();
#endif
}

TEST_F(ScrubRounds, DamageBeforeARoundIsFoundInIt) {
  open();
  blocks(40);
  close();
  copy_tree(path(), aside("good"));
  for (const Database database : kDataDatabases) {
    const Rows& rows = rows_of(database);
    ASSERT_GT(rows.size(), 5U);
    const Bytes key = std::next(rows.begin(), static_cast<std::ptrdiff_t>(rows.size() / 2))->first;
    const std::string directory = working(path(), to_string(database));
    for (const int kind : {0, 1, 2}) {
      SCOPED_TRACE(std::string(to_string(database)) + " kind " + std::to_string(kind));
      restore("good");
      if (kind == 0) damage(database, key);
      if (kind == 1) tamper(directory, {{row_key(key), std::nullopt}});
      // A row with an empty value: only the counts show it.
      if (kind == 2) tamper(directory, {{row_key(text("surplus")), Bytes()}});
      open();
      const std::int64_t version = store_->version();
      const ScrubStatus now = finish_round(11);
      EXPECT_TRUE(found_in(now, 1, database));
      ASSERT_EQ(now.findings.size(), 1U);
      const DatabaseVerdict& verdict = now.findings[0].verdict;
      EXPECT_FALSE(verdict.error);
      EXPECT_EQ(now.findings[0].version, version);
      EXPECT_EQ(verdict.expected == verdict.found, kind == 2);
      EXPECT_EQ(verdict.expected_stats.rows + (kind == 2 ? 1U : 0U) - (kind == 1 ? 1U : 0U),
                verdict.found_stats.rows);
      if (!HasFailure()) count_fault("V1", Came::refused);
      // A finding does not poison the store.
      EXPECT_OK(store_->commit(version + 1));
      store_.reset();
    }
  }
}

/// Closes in the middle of storage, damages a row before or after the scrub's position, and
/// reopens.
class ScrubDamage : public ScrubFixture {
 protected:
  void SetUp() override {
    options_.cache.row_cache_bytes = 0;
    open();
    blocks(60);
    go_to(Database::storage, 40);
    close();
  }
  /// The `n`th row before or after the scrub's position.
  Bytes key(bool below, std::ptrdiff_t n) const {
    const Rows& rows = rows_of(Database::storage);
    const auto at = rows.lower_bound(front());
    return below ? std::prev(at, n)->first : std::next(at, n)->first;
  }
  void go_on() {
    open();
    ASSERT_TRUE(status().resumed);
    ASSERT_GE(status().progress.rows, 40U);
  }
  static Bytes storage_external(const Bytes& internal) {
    Bytes key = {0x03};
    key.insert(key.end(), internal.begin(), internal.end());
    return key;
  }
};

TEST_F(ScrubDamage, AboveTheFrontIsFoundInThisRound) {
  damage(Database::storage, key(false, 5));
  go_on();
  EXPECT_TRUE(found_in(finish_round(20), 1, Database::storage));
}

TEST_F(ScrubDamage, BelowTheFrontIsFoundInTheNextRound) {
  damage(Database::storage, key(true, 5));
  go_on();
  EXPECT_TRUE(all_good(finish_round(20), 1)) << "the round had already read the row";
  EXPECT_TRUE(found_in(finish_round(20), 2, Database::storage));
}

TEST_F(ScrubDamage, AboveTheFrontAndWrittenByABlockBeforeItsSlice) {
  const Bytes row = key(false, 5);
  damage(Database::storage, row);
  go_on();
  // The old value is read from the damaged row, so the root is wrong from here on.
  ASSERT_OK(store_->apply(Changes().set(storage_external(row), bytes({7, 7}))));
  ASSERT_OK(store_->commit(store_->version() + 1));
  EXPECT_TRUE(found_in(finish_round(20), 1, Database::storage));
}

TEST_F(ScrubDamage, BelowTheFrontAndWrittenByABlock) {
  const Bytes row = key(true, 5);
  damage(Database::storage, row);
  go_on();
  ASSERT_OK(store_->apply(Changes().set(storage_external(row), bytes({7, 7}))));
  const auto roots = store_->commit(store_->version() + 1);
  ASSERT_OK(roots);
  // Why it is not found (docs/recovery.md#scrub): the same wrong old value is in both sums.
  EXPECT_TRUE(all_good(finish_round(20), 1));
  EXPECT_TRUE(found_in(finish_round(20), 2, Database::storage));
}

TEST_F(ScrubDamage, BelowTheFrontAndDeletedByABlock) {
  const Bytes row = key(true, 9);
  damage(Database::storage, row);
  go_on();
  ASSERT_OK(store_->apply(Changes().remove(storage_external(row))));
  ASSERT_OK(store_->commit(store_->version() + 1));
  ASSERT_OK(store_->flush());
  EXPECT_TRUE(all_good(finish_round(20), 1));
  EXPECT_TRUE(found_in(finish_round(20), 2, Database::storage));
}

TEST_F(ScrubDamage, AbsentBelowTheFrontMadeUpBehindTheStore) {
  Bytes row = key(true, 5);
  row.back() ^= 0x55;
  ASSERT_FALSE(rows_of(Database::storage).contains(row));
  tamper(working(path(), "storage"), {{row_key(row), bytes({1, 2, 3})}});
  go_on();
  EXPECT_TRUE(all_good(finish_round(20), 1));
  EXPECT_TRUE(found_in(finish_round(20), 2, Database::storage));
}

TEST_F(ScrubRounds, ABlockThatCannotBeReadIsAFindingAndTheOthersGoOn) {
  std::mutex mutex;
  std::string errors;
  options_.log = [&](LogLevel level, std::string_view message) {
    const std::lock_guard lock(mutex);
    if (level == LogLevel::error) errors += std::string(message) + "\n";
  };
  open();
  Random random(3);
  Changes many;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    Bytes value(64);
    for (auto& byte : value) byte = static_cast<std::uint8_t>(random());
    many.storage(address(1), slot(i), value);
  }
  block({many});
  blocks(20);
  close();
  const std::string database = working(path(), "storage");
  for (const std::string& name : names(database, "", ".sst")) {
    Bytes content = read_file(database + "/" + name);
    if (content.size() < 150'000) continue;
    for (std::size_t at = 100'000; at < 100'100; ++at) content[at] ^= 0x10;
    write_file(database + "/" + name, content);
  }
  open();
  const ScrubStatus now = finish_round(100);
  EXPECT_TRUE(found_in(now, 1, Database::storage));
  ASSERT_EQ(now.findings.size(), 1U);
  ASSERT_TRUE(now.findings[0].verdict.error);
  EXPECT_EQ(now.findings[0].verdict.error->code, ErrorCode::corruption);
  EXPECT_EQ(now.findings[0].verdict.error->database, Database::storage);
  EXPECT_NE(errors.find("database storage at version 21 cannot be read"), std::string::npos)
      << errors;
  EXPECT_FALSE(now.progress.verdicts[Database::storage]->good);
  blocks(3);
  EXPECT_TRUE(found_in(finish_round(100), 2, Database::storage));
  count_fault("S9", Came::refused);
}

TEST_F(ScrubRounds, InTheBackground) {
  options_.scrub.mode = Scrub::in_background;
  options_.scrub.rows_per_second = 1'000'000;
  options_.scrub.pause_seconds = 0;
  options_.flush.write_buffer_bytes = 64 << 10;
  open();
  ScrubStatus now;
  for (int i = 0; i < 3000 && now.progress.round < 3 && !HasFailure(); ++i) {
    blocks(3);
    if (i % 10 == 0) {
      ASSERT_OK(store_->flush());
    }
    now = status();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_GE(now.progress.round, 3U);
  EXPECT_TRUE(now.findings.empty());
  EXPECT_OK(store_->scrub(10)) << "by hand beside the thread";
  close();
  // It continues where it was, or begins a round.
  open();
  EXPECT_EQ(status().begun_anew, "");
  EXPECT_GE(status().progress.round, now.progress.round);
  check();
}

TEST_F(ScrubRounds, TheRateIsKept) {
  open();
  blocks(30);
  close();
  options_.scrub.mode = Scrub::in_background;
  options_.scrub.rows_per_second = 40;
  const auto start = std::chrono::steady_clock::now();
  open();
  while (status().rows < 12) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const std::uint64_t rows = status().rows;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  // A slice is a tenth of a second's rows; the scrub waits after reading it.
  EXPECT_LE(static_cast<double>(rows), seconds.count() * 40 + 4);
  EXPECT_EQ(status().progress.round, 1U);
  close();  // does not wait for the next slice
}

TEST_F(ScrubRounds, OffClosedAndFailed) {
  options_.scrub.mode = Scrub::off;
  open();
  blocks(5);
  EXPECT_TRUE(fails(store_->scrub(5), ErrorCode::unsupported));
  EXPECT_FALSE(store_->scrub_status().value());
  close();
  EXPECT_FALSE(stdfs::exists(scrub_file()));
  options_.scrub.mode = Scrub::by_hand;
  open();
  EXPECT_TRUE(fails(store_->scrub(0), ErrorCode::invalid_argument));
  step(3);
  EXPECT_TRUE(stdfs::exists(scrub_file()));
  ASSERT_OK(store_->close());
  EXPECT_TRUE(fails(store_->scrub(5), ErrorCode::store_failed));
  EXPECT_EQ(store_->scrub(5).error().message, "the store is closed");
  EXPECT_EQ(store_->scrub_status().value()->rows, 3U);
  open();
#ifdef FLATKV_FAILPOINTS
  failpoint::arm("commit.appended", [] { return Status(fail(ErrorCode::io, "injected")); });
  EXPECT_FALSE(store_->commit(store_->version() + 1));
  failpoint::disarm_all();
  EXPECT_TRUE(fails(store_->scrub(5), ErrorCode::store_failed));
  EXPECT_TRUE(store_->scrub_status().value());
#endif
}

TEST_F(ScrubRounds, AViewOutlivesIt) {
  open();
  blocks(20);
  step(5);
  std::optional<ReadView> view(*store_->view());
  const auto expected = model_.committed();
  ASSERT_OK(store_->close());
  EXPECT_TRUE(view_is(*view, expected));
  view.reset();
  open();
  EXPECT_TRUE(store_->open_report().clean) << "a slice must not keep the databases open";
  EXPECT_TRUE(status().resumed);
}

TEST_F(ScrubRounds, InfoShowsIt) {
  open();
  blocks(30);
  EXPECT_FALSE(inspect_store(path())->scrub);
  finish_round(50);
  go_to(Database::storage, 5);
  const ScrubProgress wanted = status().progress;
  for (const bool locked : {true, false}) {
    const auto info = inspect_store(path());
    ASSERT_OK(info);
    EXPECT_EQ(info->locked, locked);
    ASSERT_TRUE(info->scrub);
    EXPECT_EQ(info->scrub->round, 2U);
    EXPECT_EQ(info->scrub->database, Database::storage);
    EXPECT_EQ(info->scrub->rows, wanted.rows);
    EXPECT_EQ(info->scrub->version, 30);
    EXPECT_TRUE(info->scrub->verdicts[Database::legacy]->good);
    close();
  }
  write_file(scrub_file(), text("nonsense"));
  const auto info = inspect_store(path());
  ASSERT_OK(info);
  EXPECT_FALSE(info->scrub);
  EXPECT_TRUE(info->problems.empty()) << "SCRUB holds progress only";
}

}  // namespace
}  // namespace flatkv::test
