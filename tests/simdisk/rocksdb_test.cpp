// SPDX-License-Identifier: Apache-2.0
// SimDisk under RocksDB: what the store relies on holds on this disk, and unsynced data is really
// lost.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <cerrno>

#include "fs/files.hpp"
#include "simdisk/simdisk.hpp"

namespace flatkv::simdisk {
namespace {

constexpr int kRows = 500;

std::string key(int block, int row) {
  std::string number = std::to_string(row);
  return std::to_string(block) + "/" + std::string(6 - number.size(), '0') + number;
}

rocksdb::Options options_on(SimDisk& disk) {
  rocksdb::Options options;
  options.env = disk.env();
  options.max_background_jobs = 1;
  options.disable_auto_compactions = true;
  options.info_log_level = rocksdb::ERROR_LEVEL;
  options.compression = rocksdb::kNoCompression;
  return options;
}

struct Opened {
  rocksdb::Status status;
  std::unique_ptr<rocksdb::DB> db;
};

Opened open(SimDisk& disk, bool create = false) {
  rocksdb::Options options = options_on(disk);
  options.create_if_missing = create;
  rocksdb::DB* db = nullptr;
  Opened opened;
  opened.status = rocksdb::DB::Open(options, "/store/db", &db);
  opened.db.reset(db);
  return opened;
}

/// Makes "/store" and "/store/flush", durably.
void prepare(SimDisk& disk) {
  ASSERT_TRUE(fs::ensure_directory(disk.files(), "/store").has_value());
  ASSERT_TRUE(fs::ensure_directory(disk.files(), "/store/flush").has_value());
}

rocksdb::Status write_table(SimDisk& disk, int block) {
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options_on(disk));
  rocksdb::Status status = writer.Open("/store/flush/table.sst");
  for (int row = 0; row < kRows && status.ok(); ++row) {
    status = writer.Put(key(block, row), std::string(100, static_cast<char>('a' + block)));
  }
  return status.ok() ? writer.Finish() : status;
}

/// A miniature flush of the store: a table beside the database, moved into it.
rocksdb::Status ingest(SimDisk& disk, rocksdb::DB& db, int block) {
  static_cast<void>(disk.files().unlink("/store/flush/table.sst"));
  if (rocksdb::Status status = write_table(disk, block); !status.ok()) return status;
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;
  return db.IngestExternalFile({"/store/flush/table.sst"}, options);
}

/// The number of rows of a block with the right value; -1 if one is wrong.
int rows(rocksdb::DB& db, int block) {
  int found = 0;
  for (int row = 0; row < kRows; ++row) {
    std::string value;
    const rocksdb::Status status = db.Get({}, key(block, row), &value);
    if (status.IsNotFound()) continue;
    if (!status.ok() || value != std::string(100, static_cast<char>('a' + block))) return -1;
    ++found;
  }
  return found;
}

TEST(SimDiskRocksDB, IngestedTablesAreDurable) {
  SimDisk disk;
  prepare(disk);
  Opened opened = open(disk, true);
  ASSERT_TRUE(opened.status.ok()) << opened.status.ToString();
  // RocksDB does not sync the parent of its directory.
  ASSERT_TRUE(disk.files().sync_directory("/store").has_value());
  const rocksdb::Status status = ingest(disk, *opened.db, 1);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(rows(*opened.db, 1), kRows);
  disk.crash(CrashMode::drop_unsynced);
  opened.db.reset();
  for (int round = 0; round < 3; ++round) {
    opened = open(disk);
    ASSERT_TRUE(opened.status.ok()) << opened.status.ToString();
    EXPECT_EQ(rows(*opened.db, 1), kRows);
    EXPECT_TRUE(opened.db->VerifyChecksum().ok());
    opened.db.reset();
  }
}

TEST(SimDiskRocksDB, WithoutASyncOfTheDirectoryAboveTheDatabaseIsGone) {
  SimDisk disk;
  prepare(disk);
  Opened opened = open(disk, true);
  ASSERT_TRUE(ingest(disk, *opened.db, 1).ok());
  disk.crash(CrashMode::drop_unsynced);
  opened.db.reset();
  EXPECT_FALSE(fs::exists(disk.files(), "/store/db", fs::FileType::directory).value());
  EXPECT_FALSE(open(disk).status.ok());
}

TEST(SimDiskRocksDB, UnsyncedRowsAreLostAndSyncedOnesAreNot) {
  SimDisk disk;
  prepare(disk);
  Opened opened = open(disk, true);
  ASSERT_TRUE(disk.files().sync_directory("/store").has_value());
  rocksdb::WriteOptions synced;
  synced.sync = true;
  ASSERT_TRUE(opened.db->Put(synced, "synced", "1").ok());
  ASSERT_TRUE(opened.db->Put({}, "unsynced", "1").ok());
  const auto process_died = disk.clone();
  disk.crash(CrashMode::drop_unsynced);
  opened.db.reset();
  std::string value;
  opened = open(disk);
  ASSERT_TRUE(opened.status.ok()) << opened.status.ToString();
  EXPECT_TRUE(opened.db->Get({}, "synced", &value).ok());
  EXPECT_TRUE(opened.db->Get({}, "unsynced", &value).IsNotFound());
  opened.db.reset();
  opened = open(*process_died);
  EXPECT_TRUE(opened.db->Get({}, "unsynced", &value).ok());
  opened.db.reset();  // before its disk
}

// docs/hazards.md#checkpoint-fails-but-looks-complete
TEST(SimDiskRocksDB, ACheckpointNeedsASyncOfItsParent) {
  SimDisk disk;
  prepare(disk);
  Opened opened = open(disk, true);
  ASSERT_TRUE(ingest(disk, *opened.db, 1).ok());
  rocksdb::Checkpoint* made = nullptr;
  ASSERT_TRUE(rocksdb::Checkpoint::Create(opened.db.get(), &made).ok());
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  ASSERT_TRUE(checkpoint->CreateCheckpoint("/store/copy", UINT64_MAX).ok());
  const auto synced = disk.clone();
  ASSERT_TRUE(synced->files().sync_directory("/store").has_value());
  disk.crash(CrashMode::drop_unsynced);
  opened.db.reset();
  EXPECT_TRUE(disk.tree("/store/copy").empty());

  synced->crash(CrashMode::drop_unsynced);
  rocksdb::DB* copy = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(options_on(*synced), "/store/copy", &copy);
  ASSERT_TRUE(status.ok()) << status.ToString();
  const std::unique_ptr<rocksdb::DB> own(copy);
  EXPECT_EQ(rows(*copy, 1), kRows);
}

TEST(SimDiskRocksDB, FaultsReachTheCaller) {
  SimDisk disk;
  prepare(disk);
  Opened opened = open(disk, true);
  ASSERT_TRUE(ingest(disk, *opened.db, 1).ok());
  disk.inject({.operation = Operation::append, .suffix = ".sst", .error = ENOSPC});
  const rocksdb::Status full = ingest(disk, *opened.db, 2);
  EXPECT_TRUE(full.IsNoSpace()) << full.ToString();
  disk.inject({.operation = Operation::sync, .suffix = ".sst"});
  EXPECT_TRUE(ingest(disk, *opened.db, 2).IsIOError());
  EXPECT_TRUE(ingest(disk, *opened.db, 2).ok());
  opened.db.reset();

  rocksdb::Options options = options_on(disk);
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, "/store/db", &db).ok());
  opened.db.reset(db);
  disk.inject({.operation = Operation::read, .suffix = ".sst"});
  std::string value;
  const rocksdb::Status status = db->Get({}, key(1, 7), &value);
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  EXPECT_EQ(disk.injected(), 3U);
  EXPECT_EQ(rows(*db, 1) + rows(*db, 2), 2 * kRows);
}

TEST(SimDiskRocksDB, TheOldInstanceCannotReachTheNewDisk) {
  SimDisk disk;
  prepare(disk);
  Opened old = open(disk, true);
  ASSERT_TRUE(ingest(disk, *old.db, 1).ok());
  EXPECT_TRUE(open(disk).status.IsIOError()) << "locked";
  disk.crash(CrashMode::process);
  Opened fresh = open(disk);
  ASSERT_TRUE(fresh.status.ok()) << fresh.status.ToString();
  const auto before = disk.tree();
  EXPECT_FALSE(ingest(disk, *old.db, 2).ok());
  static_cast<void>(disk.files().unlink("/store/flush/table.sst"));
  old.db.reset();
  EXPECT_EQ(disk.tree(), before);
  EXPECT_EQ(rows(*fresh.db, 1), kRows);
}

/// Every changing operation of an ingest fails in turn, once or from then on, with both errors. If
/// it fails after its record is in the MANIFEST, RocksDB removes the table that the record names:
/// the database does not open again, and the store must rebuild it.
TEST(SimDiskRocksDB, AnIngestThatFailsIsAllOrNothingOrRefusedAfterReopening) {
  SimDisk base;
  prepare(base);
  {
    Opened opened = open(base, true);
    ASSERT_TRUE(base.files().sync_directory("/store").has_value());
    ASSERT_TRUE(ingest(base, *opened.db, 1).ok());
  }
  unsigned failed = 0;
  unsigned there = 0;
  unsigned refused = 0;
  for (const int error : {EIO, ENOSPC}) {
    for (const unsigned times : {1U, 0U}) {
      for (unsigned nth = 1;; ++nth) {
        const auto disk = base.clone();
        Opened opened = open(*disk);
        ASSERT_TRUE(opened.status.ok());
        const std::uint64_t before = disk->injected();
        disk->inject({.error = error, .nth = nth, .times = times});
        const rocksdb::Status status = ingest(*disk, *opened.db, 2);
        const bool hit = disk->injected() > before;
        opened.db.reset();
        disk->clear_faults();
        opened = open(*disk);
        if (!opened.status.ok()) {
          ASSERT_TRUE(opened.status.IsCorruption()) << nth << ": " << opened.status.ToString();
          ASSERT_FALSE(status.ok()) << nth;
          ++refused;
          continue;
        }
        ASSERT_EQ(rows(*opened.db, 1), kRows) << nth;
        const int second = rows(*opened.db, 2);
        ASSERT_TRUE(second == 0 || second == kRows) << nth << ": " << second;
        ASSERT_TRUE(second == kRows || !status.ok()) << nth;
        failed += status.ok() ? 0U : 1U;
        there += !status.ok() && second == kRows ? 1U : 0U;
        if (!hit) break;
        ASSERT_LT(nth, 200U);
      }
    }
  }
  EXPECT_GE(failed, 20U);
  EXPECT_GE(refused, 1U) << "RocksDB handles this now: the store may do without the rebuilding";
  std::cout << "failed " << failed << ", there after reopening " << there << ", refused " << refused
            << '\n';
}

/// Power loss at every operation of an ingest: the rows are all there or none.
class IngestCrash : public ::testing::TestWithParam<CrashMode> {};

TEST_P(IngestCrash, IsAllOrNothingAtEveryOperation) {
  SimDisk base;
  prepare(base);
  {
    Opened opened = open(base, true);
    ASSERT_TRUE(base.files().sync_directory("/store").has_value());
    ASSERT_TRUE(ingest(base, *opened.db, 1).ok());
  }
  unsigned none = 0;
  unsigned all = 0;
  unsigned refused = 0;
  const std::uint64_t seeds = GetParam() == CrashMode::random ? 6 : 1;
  bool crashed = true;
  for (std::uint64_t nth = 1; crashed; ++nth) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      const auto disk = base.clone();
      Opened opened = open(*disk);
      ASSERT_TRUE(opened.status.ok());
      disk->crash_at(nth, GetParam(), seed * 1000 + nth);
      const rocksdb::Status status = ingest(*disk, *opened.db, 2);
      crashed = disk->crashes() > 0;
      if (!crashed) disk->crash(GetParam(), seed);
      opened.db.reset();
      opened = open(*disk);
      if (!opened.status.ok()) {
        // A torn last record of the MANIFEST: refused, and the store rebuilds the database.
        EXPECT_TRUE(opened.status.IsCorruption()) << opened.status.ToString();
        EXPECT_EQ(GetParam(), CrashMode::random);
        ++refused;
        continue;
      }
      ASSERT_EQ(rows(*opened.db, 1), kRows) << nth << " seed " << seed;
      const int second = rows(*opened.db, 2);
      ASSERT_TRUE(second == 0 || second == kRows) << nth << " seed " << seed << ": " << second;
      ASSERT_TRUE(second == kRows || (crashed && !status.ok())) << nth << " seed " << seed;
      ++(second == 0 ? none : all);
    }
  }
  EXPECT_GE(none, 5U);
  EXPECT_GE(all, 1U);
  RecordProperty("none", static_cast<int>(none));
  RecordProperty("all", static_cast<int>(all));
  RecordProperty("refused", static_cast<int>(refused));
  std::cout << "before " << none << ", after " << all << ", refused " << refused << '\n';
}

std::string mode_name(const ::testing::TestParamInfo<CrashMode>& which) {
  constexpr std::array<const char*, 4> kNames = {"Process", "KeepAll", "DropUnsynced", "Random"};
  return kNames[static_cast<std::size_t>(which.param)];
}

INSTANTIATE_TEST_SUITE_P(Modes, IngestCrash,
                         ::testing::Values(CrashMode::process, CrashMode::keep_all,
                                           CrashMode::drop_unsynced, CrashMode::random),
                         mode_name);

}  // namespace
}  // namespace flatkv::simdisk
