// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "base/failpoint.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::rocks {
namespace {

class EngineCheckpoint : public testing::Test {
 protected:
  void ingest(const Rows& rows) {
    ingest_rows(*db_, dir_ / "t.sst", rows, {{"local", "L" + std::to_string(++rounds_)}});
  }
  fs::TestDirectory dir_;
  std::string path_ = dir_ / "db";
  std::shared_ptr<Db> db_ = open_db(path_, Db::Mode::create);
  int rounds_ = 0;
};

TEST_F(EngineCheckpoint, EqualsItsSourceAndSurvivesItsChanges) {
  Rows rows;
  for (int i = 0; i < 500; ++i) rows["k" + std::to_string(i)] = "v" + std::to_string(i);
  ingest(rows);
  ingest({{"k1", std::nullopt}, {"new", ""}});
  rows["k1"] = std::nullopt;
  rows["new"] = "";
  must(db_->checkpoint(fs::posix(), dir_ / "copy"));
  EXPECT_TRUE(files_with(dir_ / "copy", ".log").empty());
  EXPECT_TRUE(files_with(dir_ / "copy", "LOCK").empty());
  for (const auto& table : files_with(dir_ / "copy", ".sst")) {
    struct ::stat info{};
    ASSERT_EQ(::stat(table.c_str(), &info), 0);
    EXPECT_EQ(info.st_nlink, 2U) << table;  // linked, not copied
  }
  const auto before = fingerprint(dir_ / "copy");
  for (int i = 0; i < 20; ++i) ingest({{"k1", "again"}, {"k499", "changed"}});
  for (int wait = 0; wait < 6000 && db_->compaction_bytes_written() == 0; ++wait) ::usleep(10'000);
  ASSERT_GT(db_->compaction_bytes_written(), 0U);
  db_.reset();
  std::filesystem::remove_all(path_);
  EXPECT_EQ(fingerprint(dir_ / "copy"), before);

  auto copy = open_db(dir_ / "copy", Db::Mode::read_only);
  EXPECT_EQ(all_rows(*copy), live(rows));
  EXPECT_EQ(text(*must(must(copy->snapshot())->get_meta("local"))), "L2");
  EXPECT_EQ(fingerprint(dir_ / "copy"), before);
}

TEST_F(EngineCheckpoint, OfAnEmptyDatabase) {
  must(db_->checkpoint(fs::posix(), dir_ / "copy"));
  EXPECT_TRUE(all_rows(*open_db(dir_ / "copy", Db::Mode::read_only)).empty());
}

TEST_F(EngineCheckpoint, RefusesADirectoryThatExists) {
  std::filesystem::create_directory(dir_ / "copy");
  EXPECT_FALSE(db_->checkpoint(fs::posix(), dir_ / "copy"));
  EXPECT_FALSE(db_->checkpoint(fs::posix(), dir_ / "no/copy"));
  ingest({{"a", "1"}});  // the failed checkpoints have not hurt the database
  must(db_->checkpoint(fs::posix(), dir_ / "other"));
}

TEST_F(EngineCheckpoint, CloneIsWritableAndLeavesItsSource) {
  ingest({{"a", "1"}, {"b", "2"}});
  ingest({{"a", "3"}});
  must(db_->checkpoint(fs::posix(), dir_ / "snapshot"));
  const auto before = fingerprint(dir_ / "snapshot");
  must(clone_closed(fs::posix(), dir_ / "snapshot", dir_ / "clone"));
  {
    auto clone = open_db(dir_ / "clone", Db::Mode::read_write);
    EXPECT_EQ(all_rows(*clone), (RowList{{"a", "3"}, {"b", "2"}}));
    for (int i = 0; i < 20; ++i) {
      ingest_rows(*clone, dir_ / "u.sst", {{"a", std::to_string(i)}, {"b", std::nullopt}});
    }
    for (int wait = 0; wait < 6000 && clone->compaction_bytes_written() == 0; ++wait) {
      ::usleep(10'000);
    }
    ASSERT_GT(clone->compaction_bytes_written(), 0U);
    EXPECT_EQ(all_rows(*clone), (RowList{{"a", "19"}}));
  }
  EXPECT_EQ(fingerprint(dir_ / "snapshot"), before);
  EXPECT_EQ(all_rows(*open_db(dir_ / "snapshot", Db::Mode::read_only)),
            (RowList{{"a", "3"}, {"b", "2"}}));
  must(clone_closed(fs::posix(), dir_ / "clone", dir_ / "third"));  // of a closed working copy
  EXPECT_EQ(all_rows(*open_db(dir_ / "third", Db::Mode::read_write)), (RowList{{"a", "19"}}));
}

TEST_F(EngineCheckpoint, CloneRefusesWhatIsNoDatabase) {
  EXPECT_EQ(clone_closed(fs::posix(), dir_ / "none", dir_ / "clone").error().code,
            ErrorCode::not_found);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "clone"));
  must(db_->checkpoint(fs::posix(), dir_ / "snapshot"));
  std::filesystem::create_directory_symlink("/", dir_ / "snapshot/link");
  EXPECT_EQ(clone_closed(fs::posix(), dir_ / "snapshot", dir_ / "clone").error().code,
            ErrorCode::corruption);
}

TEST_F(EngineCheckpoint, CloneRefusesRowsInRocksDbsLog) {
  must(db_->checkpoint(fs::posix(), dir_ / "snapshot"));
  must(fs::write_file(fs::posix(), dir_ / "snapshot/000042.log", as_bytes("rows")));
  EXPECT_EQ(clone_closed(fs::posix(), dir_ / "snapshot", dir_ / "clone").error().code,
            ErrorCode::corruption);
}

#ifdef FLATKV_FAILPOINTS
TEST_F(EngineCheckpoint, AFailureLeavesTheDatabaseUsable) {
  ingest({{"a", "1"}});
  for (const char* site :
       {"engine.checkpoint.directory", "engine.checkpoint.file", "engine.checkpoint.synced"}) {
    failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected")); });
    const std::string to = dir_ / site;
    EXPECT_FALSE(db_->checkpoint(fs::posix(), to));
    must(db_->checkpoint(fs::posix(), to + "-again"));
  }
  ingest({{"b", "1"}});
  must(db_->background_status());
}
#endif

}  // namespace
}  // namespace flatkv::rocks
