// SPDX-License-Identifier: Apache-2.0
// Verify on a running store: what it names, that damage to one database does not hide others, and
// that no one has to stop (rows V1, V2 and S9 of docs/recovery.md).
#include <gtest/gtest.h>

#include <atomic>
#include <stop_token>
#include <thread>

#include "base/failpoint.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class Verify : public StoreFixture {
 protected:
  static const DatabaseVerdict& of(const VerifyReport& report, Database database) {
    return report.databases.at(static_cast<std::size_t>(database));
  }
  /// This database is the only one that is not good.
  static void expect_only(const VerifyReport& report, Database database) {
    EXPECT_FALSE(report.good());
    ASSERT_EQ(report.databases.size(), 4U);
    for (const Database one : kDataDatabases) {
      EXPECT_EQ(of(report, one).good(), one != database) << to_string(one);
    }
  }
  /// Writes rows enough for tables with many blocks, and damages some blocks.
  void damage_blocks(const std::vector<const char*>& databases) {
    Random random(3);
    Changes many;
    for (std::uint64_t i = 0; i < 3000; ++i) {
      Bytes value(64);
      for (auto& byte : value) byte = static_cast<std::uint8_t>(random());
      many.storage(address(1), slot(i), value).code(address(i), value);
    }
    block({many});
    blocks(10);
    close();
    for (const char* name : databases) {
      int damaged = 0;
      for (const std::string& table : names(working(path(), name), "", ".sst")) {
        Bytes content = read_file(working(path(), name) + "/" + table);
        if (content.size() < 150'000) continue;
        for (std::size_t at = 100'000; at < 100'100; ++at) content[at] ^= 0x10;
        write_file(working(path(), name) + "/" + table, content);
        ++damaged;
      }
      ASSERT_GT(damaged, 0) << name;
    }
    open();
  }
};

TEST_F(Verify, ARowChangedThroughRocksDbIsNamedWithBothChecksums_V1) {
  open();
  blocks(40);
  close();
  image("good");
  for (const Database database : kDataDatabases) {
    SCOPED_TRACE(to_string(database));
    restore("good");
    State damaged = model_.committed();
    auto row = std::next(damaged.rows[database].begin(), 3);
    Bytes value = row->second;
    if (database == Database::account) {
      value[30] ^= 1;  // still a valid account, with another balance
    } else {
      value.push_back(9);
    }
    tamper(working(path(), to_string(database)), {{row_key(row->first), value}});
    row->second = value;
    open();
    const auto report = store_->verify();
    ASSERT_OK(report);
    expect_only(*report, database);
    EXPECT_FALSE(report->sum_good);
    const Roots by_scan = damaged.roots_by_scan();
    const Roots stated = model_.committed().roots();
    EXPECT_EQ(of(*report, database).found, by_scan.of(database));
    EXPECT_EQ(of(*report, database).expected, stated.of(database));
    EXPECT_NE(by_scan.of(database), stated.of(database));
    EXPECT_EQ(report->version, 40);
    if (!HasFailure()) count_fault("V1", Came::refused);
    store_.reset();
  }
}

TEST_F(Verify, CountsDifferThoughTheHashDoesNot) {
  open();
  blocks(20);
  close();
  tamper(working(path(), "legacy"), {{row_key(text("surplus")), Bytes()}});
  open();
  const auto report = store_->verify();
  ASSERT_OK(report);
  expect_only(*report, Database::legacy);
  EXPECT_TRUE(report->sum_good);
  const DatabaseVerdict& verdict = of(*report, Database::legacy);
  EXPECT_EQ(verdict.expected, verdict.found);
  EXPECT_EQ(verdict.expected_stats.rows + 1, verdict.found_stats.rows);
  EXPECT_EQ(verdict.expected_stats.key_bytes + 7, verdict.found_stats.key_bytes);
  EXPECT_EQ(verdict.expected_stats.value_bytes, verdict.found_stats.value_bytes);
}

TEST_F(Verify, ADamagedBlockDoesNotHideTheOthers_S9) {
  open();
  damage_blocks({"code"});
  auto report = store_->verify();
  ASSERT_OK(report);
  expect_only(*report, Database::code);
  ASSERT_TRUE(of(*report, Database::code).error);
  EXPECT_EQ(of(*report, Database::code).error->code, ErrorCode::corruption);
  EXPECT_EQ(of(*report, Database::code).error->database, Database::code);
  EXPECT_TRUE(report->sum_good) << "of what could be read, and of what is known of the rest";
  count_fault("S9", Came::refused);
  // And a row of another database: both must be named.
  close();
  const Rows& rows = model_.committed().rows[Database::legacy];
  tamper(working(path(), "legacy"), {{row_key(rows.begin()->first), text("changed")}});
  open();
  report = store_->verify();
  ASSERT_OK(report);
  EXPECT_TRUE(of(*report, Database::account).good());
  EXPECT_TRUE(of(*report, Database::code).error);
  EXPECT_TRUE(of(*report, Database::storage).good());
  EXPECT_FALSE(of(*report, Database::legacy).good());
  EXPECT_FALSE(of(*report, Database::legacy).error);
  VerifyOptions one;
  one.database = Database::storage;
  const auto alone = store_->verify(one);
  ASSERT_OK(alone);
  EXPECT_TRUE(alone->good());
  EXPECT_EQ(alone->databases.size(), 1U);
}

TEST_F(Verify, EveryDatabaseThatCannotBeReadIsNamed_S9) {
  open();
  damage_blocks({"code", "storage"});
  const auto report = store_->verify();
  ASSERT_OK(report);
  EXPECT_TRUE(of(*report, Database::account).good());
  EXPECT_TRUE(of(*report, Database::code).error);
  EXPECT_TRUE(of(*report, Database::storage).error);
  EXPECT_TRUE(of(*report, Database::legacy).good());
}

TEST_F(Verify, PendingWritesAreNotInItAndAFailedStoreRefuses_V2) {
  open();
  blocks(20);
  ASSERT_OK(store_->apply(Changes().nonce(address(77), 5).set(text("pending"), text("x"))));
  const auto report = store_->verify();
  ASSERT_OK(report);
  EXPECT_TRUE(report->good());
  EXPECT_EQ(report->version, 20);
  EXPECT_TRUE(same_roots(report->roots, model_.committed().roots()));
  EXPECT_TRUE(store_->has_pending());
  count_fault("V2", Came::recovered);
#ifdef FLATKV_FAILPOINTS
  const auto view = store_->view();
  failpoint::arm("commit.appended", [] { return Status(fail(ErrorCode::io, "injected")); });
  EXPECT_FALSE(store_->commit(21));
  failpoint::disarm_all();
  EXPECT_TRUE(fails(store_->verify(), ErrorCode::store_failed));
  // A view can still prove what was committed.
  const auto still = verify(*view);
  ASSERT_OK(still);
  EXPECT_TRUE(still->good());
  count_fault("V2", Came::failed);
#endif
}

TEST_F(Verify, OfAViewWhileTheWriterGoesOn) {
  options_.flush.write_buffer_bytes = 32 << 10;
  open();
  blocks(30);
  std::atomic<bool> stop{false};
  std::atomic<int> proved{0};
  std::atomic<int> wrong{0};
  std::thread prover([&] {
    while (!stop) {
      const auto view = store_->view();
      VerifyOptions options;
      options.threads = 2;
      const auto report = verify(*view, options);
      if (!report || !report->good() || report->version != view->version()) ++wrong;
      ++proved;
    }
  });
  for (int i = 0; (i < 30 || proved < 5) && i < 3000; ++i) blocks(2);
  stop = true;
  prover.join();
  EXPECT_GE(proved, 5);
  EXPECT_EQ(wrong, 0);
  check();
}

// docs/hazards.md#verification-nobody-runs
TEST_F(Verify, ProgressRateAndCancelling) {
  open();
  blocks(40);
  std::uint64_t rows = 0;
  for (const Database database : kDataDatabases) {
    rows += model_.committed().rows[database].size();
  }
  VerifyOptions options;
  std::uint64_t last = 0;
  options.progress = [&](std::string_view, std::uint64_t now, std::uint64_t total) {
    EXPECT_GE(now, last);
    EXPECT_EQ(total, rows);
    last = now;
  };
  ASSERT_OK(store_->verify(options));
  EXPECT_EQ(last, rows);
  // Much slower than the test may take: it ends because it is cancelled.
  std::stop_source cancel;
  options.progress = {};
  options.rows_per_second = 1;
  options.stop = cancel.get_token();
  std::thread interrupter([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    cancel.request_stop();
  });
  EXPECT_TRUE(fails(store_->verify(options), ErrorCode::cancelled));
  interrupter.join();
}

}  // namespace
}  // namespace flatkv::test
