// SPDX-License-Identifier: Apache-2.0
// SCRUB over restarts: when a scrub continues where it was, when it must not, and that nothing
// depends on the file (invariant S2 of docs/recovery.md).
#include <gtest/gtest.h>

#include "base/failpoint.hpp"
#include "scrub/scrub_fixture.hpp"

namespace flatkv::test {
namespace {

class ScrubRestart : public ScrubFixture {
 protected:
  void SetUp() override {
    open();
    blocks(40);
  }
  std::uint64_t all_rows() const {
    std::uint64_t rows = 0;
    for (const Database database : kDataDatabases) rows += rows_of(database).size();
    return rows;
  }
  /// The continued round proves everything, and reads only rows that it had not read.
  void expect_resumed(std::uint64_t rows_before) {
    ASSERT_TRUE(store_);
    EXPECT_TRUE(status().resumed);
    EXPECT_EQ(status().begun_anew, "");
    EXPECT_EQ(status().progress.version, model_.version());
    const std::uint64_t round = status().progress.round;
    const ScrubStatus now = finish_round(25);
    EXPECT_TRUE(all_good(now, round));
    EXPECT_LE(now.rows, all_rows() - rows_before);
    EXPECT_TRUE(all_good(finish_round(500), round + 1));
  }
  /// Everything, or the database, is read from its first row.
  void expect_anew(std::uint64_t round, const std::string& why) {
    ASSERT_TRUE(store_);
    EXPECT_FALSE(status().resumed);
    EXPECT_NE(status().begun_anew.find(why), std::string::npos) << status().begun_anew;
    EXPECT_EQ(status().progress.rows, 0U);
    EXPECT_EQ(status().progress.round, round);
    const ScrubStatus now = finish_round(25);
    EXPECT_EQ(now.findings.size(), 0U);
    EXPECT_TRUE(all_good(finish_round(500), round + 1));
  }
};

TEST_F(ScrubRestart, AfterACleanClose) {
  go_to(Database::storage, 30);
  const std::uint64_t before =
      rows_of(Database::account).size() + rows_of(Database::code).size() + 30;
  reopen();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_EQ(status().progress.database, Database::storage);
  expect_resumed(before);
}

TEST_F(ScrubRestart, InEveryDatabaseWithBlocksOnBothSides) {
  for (const Database database : kDataDatabases) {
    SCOPED_TRACE(to_string(database));
    finish_round(100);
    go_to(database, 6);
    const std::uint64_t rows = status().progress.rows;
    blocks(2);
    reopen();
    EXPECT_TRUE(status().resumed);
    EXPECT_EQ(status().progress.database, database);
    EXPECT_GT(status().progress.rows + 60, rows);
    blocks(2);
  }
  EXPECT_TRUE(status().findings.empty());
  const std::uint64_t round = status().progress.round;
  EXPECT_TRUE(all_good(finish_round(100), round));
}

TEST_F(ScrubRestart, AfterAKillWithBlocksToReplay) {
  ASSERT_OK(store_->flush());
  blocks(5);
  go_to(Database::storage, 30);
  blocks(7);  // not in SCRUB: replay adds them
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 12);
  expect_resumed(30);
}

TEST_F(ScrubRestart, AKillBeforeAnythingWasFlushed) {
  go_to(Database::legacy, 10);
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 40);
  expect_resumed(rows_of(Database::storage).size());
}

TEST_F(ScrubRestart, AFlushBringsTheFileAlong) {
  go_to(Database::storage, 30);
  blocks(6);
  EXPECT_EQ(scrub_json().at("version"), 40);
  ASSERT_OK(store_->flush());
  EXPECT_EQ(scrub_json().at("version"), 46);
  image("killed");
  close();
  restore("killed");
  open();
  expect_resumed(30);
}

TEST_F(ScrubRestart, AtTheVersionWhereTheLogBegins) {
  options_.segment_bytes = 1;
  reopen();
  go_to(Database::storage, 30);
  ASSERT_OK(store_->flush());
  blocks(2);
  image("killed");
  close();
  restore("killed");
  EXPECT_EQ(scrub_json().at("version"), 40);
  for (const std::string& segment : segments(path())) {
    if (stdfs::path(segment).stem().string() < "00000000000000000041") stdfs::remove(segment);
  }
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 2);
  expect_resumed(30);
}

TEST_F(ScrubRestart, DatabasesFlushedAtDifferentVersions) {
  ASSERT_OK(store_->flush());
  image("older");
  go_to(Database::storage, 30);
  blocks(9);
  ASSERT_OK(store_->flush());
  image("killed");
  close();
  // Account far behind the others, storage at its own version.
  restore("killed");
  copy_tree(working(aside("older"), "account"), working(path(), "account"));
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 9);
  expect_resumed(30);
  close();
  // The scrub's own database is behind: blocks that SCRUB includes already are not added again.
  restore("killed");
  copy_tree(working(aside("older"), "storage"), working(path(), "storage"));
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 9);
  expect_resumed(30);
}

TEST_F(ScrubRestart, FlushedAboveTheFileBeginsTheDatabaseAnew) {
  finish_round(100);
  go_to(Database::storage, 30);
  const Bytes old = read_file(scrub_file());
  blocks(6);
  ASSERT_OK(store_->flush());
  image("killed");
  close();
  restore("killed");
  write_file(scrub_file(), old);
  open();
  EXPECT_EQ(status().progress.database, Database::storage) << "rounds and verdicts are kept";
  EXPECT_EQ(status().progress.verdicts[Database::legacy]->round, 1U);
  expect_anew(2, "is flushed at 46");
}

TEST_F(ScrubRestart, AHandleThatDidNotScrub) {
  go_to(Database::storage, 30);
  close();
  options_.scrub.mode = Scrub::off;
  open();
  blocks(3);
  close();
  options_.scrub.mode = Scrub::by_hand;
  open();
  expect_anew(1, "not on this log's chain, which ends at 43");
}

TEST_F(ScrubRestart, AHandleThatDidNotScrubButWasKilled) {
  go_to(Database::storage, 30);
  close();
  options_.scrub.mode = Scrub::off;
  open();
  blocks(3);
  image("killed");
  close();
  restore("killed");
  options_.scrub.mode = Scrub::by_hand;
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 3);
  expect_resumed(30);
}

TEST_F(ScrubRestart, ASuffixThatWasLostAndOtherBlocksInItsPlace) {
  go_to(Database::account, 6);
  image("power cut");
  const Model at_40 = model_;
  blocks(5);
  step(1);
  ASSERT_EQ(scrub_json().at("version"), 45);
  const Bytes ahead = read_file(scrub_file());
  close();
  // The log lost 41 to 45; SCRUB did not.
  restore("power cut");
  write_file(scrub_file(), ahead);
  model_ = at_40;
  open();
  expect_anew(1, "SCRUB is of version 45 and not on this log's chain, which ends at 40");
  // Other blocks with the same numbers, and a kill.
  restore("power cut");
  model_ = at_40;
  seed_ = 99;
  open();
  blocks(8);
  image("killed");
  close();
  restore("killed");
  write_file(scrub_file(), ahead);
  open();
  expect_anew(1, "SCRUB is of version 45 and not on this log's chain, which ends at 48");
}

TEST_F(ScrubRestart, RollbackBeginsAnewAndTheOldFileIsWorthNothing) {
  ASSERT_OK(store_->snapshot());
  const Model at_40 = model_;
  go_to(Database::storage, 30);
  const Bytes old = read_file(scrub_file());
  blocks(3);
  ASSERT_OK(store_->rollback(40));
  model_ = at_40;
  EXPECT_EQ(status().begun_anew, "");
  EXPECT_EQ(status().progress.rows, 0U);
  EXPECT_EQ(status().progress.database, Database::account);
  EXPECT_TRUE(all_good(finish_round(40), 1));
  close();
  write_file(scrub_file(), old);
  open();
  expect_anew(1, "of another generation, gen-00000001");
  close();
}

TEST_F(ScrubRestart, TheFileOfAnotherStore) {
  go_to(Database::storage, 30);
  close();
  const Bytes old = read_file(scrub_file());
  copy_tree(path(), aside("first"));
  remove_tree(path());
  model_ = Model();
  open();
  blocks(40);  // the same blocks under another id
  close();
  write_file(scrub_file(), old);
  open();
  expect_anew(1, "not on this log's chain");
}

TEST_F(ScrubRestart, ADamagedFileIsReportedAndWorthNothing) {
  go_to(Database::storage, 30);
  close();
  copy_tree(path(), aside("good"));
  const Bytes good = read_file(scrub_file());
  std::vector<Bytes> bad = {{}, Bytes(good.begin(), good.end() - 1), text("{}\n"), Bytes(300'000)};
  for (std::size_t at = 0; at < good.size(); at += good.size() / 12) {
    bad.push_back(good);
    bad.back()[at] ^= 4;
  }
  for (const Bytes& one : bad) {
    restore("good");
    write_file(scrub_file(), one);
    open();
    EXPECT_TRUE(store_->open_report().clean) << "a bad SCRUB does not matter to the open";
    EXPECT_FALSE(status().resumed);
    EXPECT_NE(status().begun_anew.find("corruption"), std::string::npos) << status().begun_anew;
    step(5);
    close();
    EXPECT_EQ(scrub_json().at("database"), "account") << "a right one again";
  }
  // Not even a file in its place: it can be neither read nor written, and nothing else is affected.
  restore("good");
  stdfs::remove(scrub_file());
  stdfs::create_directory(scrub_file());
  open();
  EXPECT_NE(status().begun_anew, "");
  step(5);
  EXPECT_EQ(status().failed_saves, 1U);
  blocks(2);
  ASSERT_OK(store_->flush());
  EXPECT_TRUE(all_good(finish_round(100), 1));
  check_and_go_on();
  close();
  EXPECT_TRUE(all_flushed_at(model_.version()));
}

#ifdef FLATKV_FAILPOINTS

TEST_F(ScrubRestart, AFailureToSaveFailsNothing) {
  for (const char* site :
       {"scrub.before_save", "fs.replace_file.after_create", "fs.replace_file.after_write",
        "fs.replace_file.after_sync", "fs.replace_file.after_rename", "scrub.saved"}) {
    SCOPED_TRACE(site);
    go_to(Database::storage, 20);
    blocks(4);
    const std::uint64_t failed = status().failed_saves;
    // Each of the four databases tries to write it.
    failpoint::arm(site, [] { return Status(fail(ErrorCode::no_space, "injected")); }, 1, 0);
    ASSERT_OK(store_->flush());
    failpoint::disarm_all();
    EXPECT_EQ(status().failed_saves, failed + 4);
    EXPECT_OK(store_->commit(store_->version() + 1));
    model_.commit();
    image("killed");
    const std::uint64_t rows = status().progress.rows;
    close();
    restore("killed");
    open();
    // Either file may be on disk, and the open can tell which.
    const bool written = std::string_view(site) == "fs.replace_file.after_rename" ||
                         std::string_view(site) == "scrub.saved";
    EXPECT_EQ(status().resumed, written);
    EXPECT_EQ(status().progress.rows, written ? rows : 0U);
    EXPECT_EQ(status().progress.database, Database::storage);
    const std::uint64_t round = status().progress.round;
    const ScrubStatus now = finish_round(30);
    EXPECT_TRUE(now.findings.empty());
    EXPECT_EQ(now.progress.round, round + 1);
  }
  check_and_go_on();
}

#endif

}  // namespace
}  // namespace flatkv::test
