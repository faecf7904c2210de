// SPDX-License-Identifier: Apache-2.0
// The metadata database, rebuilt from the LocalMeta of the four others.
#include "repair/repair_fixture.hpp"
#include "support/repair_one.hpp"

namespace flatkv::test {
namespace {

class RepairMetadata : public RepairFixture {
 protected:
  void edit(const std::string& name, std::size_t byte) {
    Bytes value = peek(working(path(), "metadata"), meta_key(name)).value();
    value.at(byte) ^= 1;
    tamper(working(path(), "metadata"), {{meta_key(name), value}});
  }

  void swap_hashes() {
    const std::string directory = working(path(), "metadata");
    const Bytes account = peek(directory, meta_key("_meta/hash/account")).value();
    const Bytes code = peek(directory, meta_key("_meta/hash/code")).value();
    tamper(directory,
           {{meta_key("_meta/hash/account"), code}, {meta_key("_meta/hash/code"), account}});
  }

  /// Makes the store of another chain, of `blocks` blocks, at aside("other").
  void build_other(std::int64_t blocks) {
    Options options = options_;
    options.create_if_missing = true;
    auto other = CommitStore::open(aside("other"), options);
    ASSERT_OK(other);
    Model model;
    for (std::int64_t v = 1; v <= blocks; ++v) {
      ASSERT_TRUE(commit_both(*other, model, script_block(5, v)));
    }
    ASSERT_OK(other->close());
  }
};

TEST_F(RepairMetadata, EachWrongValue) {
  build();
  copy_tree(path(), aside("good"));
  for (const char* name : {"_meta/hash", "_meta/hash/account", "_meta/hash/code",
                           "_meta/hash/storage", "_meta/hash/legacy"}) {
    SCOPED_TRACE(name);
    copy_tree(aside("good"), path());
    edit(name, 7);
    EXPECT_TRUE(fails(try_open(), ErrorCode::corruption));
    // The four are right; each repair says so, and that the store does not open.
    const auto account = repair_one(path(), Database::account, repair_options());
    ASSERT_OK(account);
    EXPECT_FALSE(account->repaired());
    EXPECT_TRUE(account->refusal);
    const auto done = repair_one(path(), Database::metadata, repair_options());
    ASSERT_OK(done);
    EXPECT_TRUE(done->repaired());
    EXPECT_EQ(done->source, RepairSource::local_meta);
    EXPECT_EQ(done->kept_snapshots, (std::vector<std::int64_t>{0, 10, 20}));
    EXPECT_EQ(done->checksum, model_.committed().roots().root);
    auto opened = CommitStore::open(path(), options_);
    ASSERT_OK(opened);
    EXPECT_TRUE(store_is(*opened, model_.committed()));
    ASSERT_OK(opened->close());
  }
  count_fault("C15", Came::recovered, 5);
}

/// Hashes that change places add up to the same root.
TEST_F(RepairMetadata, HashesInEachOthersPlace) {
  build();
  swap_hashes();
  EXPECT_TRUE(fails(try_open(), ErrorCode::corruption));
  const RepairReport report = expect_repaired(Database::metadata, RepairSource::local_meta);
  ASSERT_TRUE(report.damage);
  EXPECT_EQ(report.damage->code, ErrorCode::corruption);
  EXPECT_EQ(report.damage->version, 20);
  EXPECT_NE(report.damage->message.find("for account, expected"), std::string::npos)
      << report.damage->message;
}

/// The hashes of the other four are all there is, and each of those is only what it says itself.
TEST_F(RepairMetadata, OfLocalMetasThatNothingConfirms) {
  build();
  keep_only_the_databases_at_the_tip();
  const auto good = repair_one(path(), Database::metadata, repair_options());
  ASSERT_OK(good);
  EXPECT_FALSE(good->repaired());
  EXPECT_EQ(good->checksum, model_.committed().roots().root);
  copy_tree(path(), aside("good"));
  swap_hashes();
  const std::vector<std::string> words = {"nothing confirms the database's LocalMeta", "account",
                                          "version 20"};
  expect_refused(Database::metadata, ErrorCode::corruption, repair_options(), words);
  copy_tree(aside("good"), path());
  remove_tree(working(path(), "metadata"));
  expect_refused(Database::metadata, ErrorCode::corruption, repair_options(), words);
}

/// Phase 1 stops at the metadata database; what is durable is still held against the log.
TEST_F(RepairMetadata, ALogThatLacksDurableBlocks) {
  build();
  edit("_meta/hash", 7);
  copy_tree(path(), aside("good"));
  stdfs::remove(segments(path()).back());
  expect_refused(Database::metadata, ErrorCode::log_behind, repair_options(),
                 {"but version 20 is known to be durable; `flatkv info " + path() + "`"});

  copy_tree(aside("good"), path());
  const std::string last = segments(path()).back();
  resize_file(last, stdfs::file_size(last) - 100);
  expect_refused(Database::metadata, ErrorCode::log_behind, repair_options(),
                 {"but version 20 is known to be durable; a bad record is in the way: "});

  copy_tree(aside("good"), path());
  for (const std::string& segment : segments(path())) stdfs::remove(segment);
  expect_refused(Database::metadata, ErrorCode::corruption, repair_options(),
                 {"there is no changelog, and nothing is repaired without it",
                  live_generation(path()) + "/changelog"});
  count_fault("C6", Came::refused, 3);
}

TEST_F(RepairMetadata, MissingOrWithoutAValue) {
  build();
  copy_tree(path(), aside("good"));
  remove_tree(working(path(), "metadata"));
  ASSERT_OK(repair_one(path(), Database::metadata, repair_options()));
  EXPECT_TRUE(all_flushed_at(20));
  for (const char* name : {"_meta/version", "_meta/hash", "_meta/hash/code"}) {
    copy_tree(aside("good"), path());
    tamper(working(path(), "metadata"), {{meta_key(name), std::nullopt}});
    const auto done = repair_one(path(), Database::metadata, repair_options());
    ASSERT_OK(done);
    EXPECT_TRUE(done->repaired());
    EXPECT_TRUE(all_flushed_at(20));
  }
  open();
  check_and_go_on();
  count_fault("C16", Came::recovered, 4);
}

TEST_F(RepairMetadata, AStrangers) {
  build();
  ASSERT_NO_FATAL_FAILURE(build_other(20));
  copy_tree(path(), aside("good"));
  copy_tree(working(aside("other"), "metadata"), working(path(), "metadata"));
  expect_repaired(Database::metadata, RepairSource::local_meta);
  // An open then takes all five for foreign.
  copy_tree(aside("good"), path());
  copy_tree(working(aside("other"), "metadata"), working(path(), "metadata"));
  const auto storage = repair_one(path(), Database::storage, repair_options());
  ASSERT_OK(storage);
  EXPECT_FALSE(storage->repaired());
  auto opened = try_open();
  ASSERT_OK(opened);
  EXPECT_TRUE(opened->open_report().rebuilt_working_copy);
  EXPECT_EQ(opened->version(), 20);
}

TEST_F(RepairMetadata, AWholeCopyOfAnotherStoreIsForAnOpen) {
  build();
  ASSERT_NO_FATAL_FAILURE(build_other(25));
  copy_tree(live_generation(aside("other")) + "/working", live_generation(path()) + "/working");
  for (const Database database : {Database::storage, Database::metadata}) {
    expect_refused(database, ErrorCode::corruption, repair_options(),
                   {"another store's", "an open repairs", "flatkv snapshot"});
  }
  open();
  check_and_go_on();
}

TEST_F(RepairMetadata, AnOldOneWithWrongHashesIsFound) {
  build();
  copy_tree(snapshots(path()).at(1) + "/metadata", working(path(), "metadata"));
  remove_clean(path());
  edit("_meta/hash/storage", 99);  // at version 10, at which an open compares no database
  expect_repaired(Database::metadata, RepairSource::local_meta);
}

TEST_F(RepairMetadata, OnlyOfWhatSomethingConfirms) {
  build();
  Bytes local = peek(working(path(), "code"), meta_key("local")).value();
  local[100] ^= 1;
  tamper(working(path(), "code"), {{meta_key("local"), local}});
  remove_tree(working(path(), "metadata"));
  expect_refused(Database::metadata, ErrorCode::corruption, repair_options(),
                 {"another database", "--db code"});
}

}  // namespace
}  // namespace flatkv::test
