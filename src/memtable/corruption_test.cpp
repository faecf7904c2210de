// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <fstream>

#include "memtable/memtable.hpp"
#include "memtable/merging_cursor.hpp"
#include "rocks/rocks.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::rocks {
namespace {

/// Fails the operations that a test chooses.
class FaultyFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "faulty"; }

  std::atomic<bool> no_new_tables = false;
  std::atomic<bool> full = false;

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override {
    if (no_new_tables && name.ends_with(".sst")) {
      return full ? rocksdb::IOStatus::NoSpace("injected") : rocksdb::IOStatus::IOError("injected");
    }
    return target()->NewWritableFile(name, options, result, debug);
  }
};

class EngineFault : public testing::Test {
 protected:
  EngineFault() {
    Rows rows;
    std::mt19937 random(3);
    for (int i = 0; i < 400; ++i) {
      std::string value(50, '\0');  // not compressible, so that the table has several blocks
      for (char& byte : value) byte = static_cast<char>(random());
      rows["key" + std::to_string(1000 + i)] = value;
    }
    auto db = open_db(path_, Db::Mode::create);
    ingest_rows(*db, dir_ / "t.sst", rows, {{"local", "L"}});
    rows_ = rows;
  }
  /// Flips one bit of the only table.
  void flip(std::size_t at) {
    const auto tables = files_with(path_, ".sst");
    ASSERT_EQ(tables.size(), 1U);
    std::fstream file(tables.front(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }

  fs::TestDirectory dir_;
  std::string path_ = dir_ / "db";
  Rows rows_;
};

// docs/hazards.md#error-as-not-found
// docs/hazards.md#error-as-end-of-rows
TEST_F(EngineFault, AFlippedBitIsAnErrorOnEveryWayOfReading) {
  flip(3000);  // in the first data block
  auto db = open_db(path_, Db::Mode::read_only);
  const auto snapshot = must(db->snapshot());

  const auto got = snapshot->get(as_bytes("key1001"));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::corruption) << got.error().to_string();
  EXPECT_EQ(got.error().path, path_);
  EXPECT_EQ(got.error().database, Database::storage);
  EXPECT_FALSE(snapshot->get_meta("local"));

  const std::vector<ByteView> keys = {as_bytes("key1001"), as_bytes("key1399")};
  for (const auto at_once : {PinnedDatabase::AtOnce::many, PinnedDatabase::AtOnce::one}) {
    const auto many = snapshot->multi_get(keys, at_once, [](auto, auto) {});
    ASSERT_FALSE(many);
    EXPECT_EQ(many.error().code, ErrorCode::corruption);
  }

  const auto cursor = snapshot->cursor({});
  cursor->seek_to_first();
  EXPECT_FALSE(cursor->valid());
  ASSERT_FALSE(cursor->status());
  EXPECT_EQ(cursor->status().error().code, ErrorCode::corruption);

  cursor->seek_to_last();
  std::size_t seen = 0;
  for (; cursor->valid(); cursor->previous()) ++seen;
  EXPECT_LT(seen, rows_.size());
  EXPECT_FALSE(cursor->status());  // a scan that stops early does not look like the end

  // The same through a merge: the error ends it although another layer has more rows.
  auto buffer = std::make_shared<memtable::Memtable>();
  for (const char* key : {"a", "key1000", "z"}) {
    buffer->insert({as_bytes(key), memory::key_hash(as_bytes(key)), false, as_bytes("new"), false},
                   1);
  }
  const auto merged = memtable::merging_cursor({}, {{buffer, {1}, true}}, snapshot, {});
  merged->seek_to_first();
  EXPECT_FALSE(merged->valid());
  EXPECT_FALSE(merged->status());
  merged->seek_to_last();
  while (merged->valid()) merged->previous();
  EXPECT_FALSE(merged->status());
}

TEST_F(EngineFault, NoFlippedBitAnywhereGivesAWrongAnswer) {
  const auto size = std::filesystem::file_size(files_with(path_, ".sst").front());
  const std::string kept = dir_ / "kept";
  std::filesystem::copy(path_, kept);
  for (std::size_t at = 0; at < size; at += 97) {
    flip(at);
    if (const auto db = Db::open(options_for(path_), Db::Mode::read_only)) {
      const auto snapshot = must((*db)->snapshot());
      for (const char* key : {"key1000", "key1200", "key1399"}) {
        const auto value = snapshot->get(as_bytes(key));
        if (value) {
          ASSERT_TRUE(*value) << "absent after a flip at " << at;
          EXPECT_EQ(text(**value), *rows_.at(key));
        }
      }
      const auto cursor = snapshot->cursor({});
      std::size_t rows = 0;
      for (cursor->seek_to_first(); cursor->valid(); cursor->next()) ++rows;
      if (cursor->status()) {
        EXPECT_EQ(rows, rows_.size()) << at;
      }
    }
    flip(at);
  }
}

TEST_F(EngineFault, ATruncatedTableOrManifestIsRefused) {
  const std::string table = files_with(path_, ".sst").front();
  const std::string manifest = files_with(path_, "MANIFEST").front();
  const std::string copy = dir_ / "copy";
  for (const std::string& file : {table, manifest}) {
    std::filesystem::copy(path_, copy);
    const std::string name = std::filesystem::path(file).filename().string();
    std::filesystem::resize_file(copy + "/" + name, name.ends_with(".sst") ? 1000 : 0);
    const auto opened = Db::open(options_for(copy), Db::Mode::read_only);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, ErrorCode::corruption) << opened.error().to_string();
    std::filesystem::remove_all(copy);
  }
}

TEST_F(EngineFault, ATableReplacedByAnotherOneIsRefused) {
  const std::string table = files_with(path_, ".sst").front();
  const auto size = std::filesystem::file_size(table);
  std::filesystem::remove(table);
  write_table(table, rows_, {{"local", "M"}});  // same size, other content, valid by itself
  ASSERT_EQ(std::filesystem::file_size(table), size);
  EXPECT_FALSE(Db::open(options_for(path_), Db::Mode::read_only));
}

class BackgroundError : public EngineFault, public testing::WithParamInterface<bool> {};

TEST_P(BackgroundError, IsLatchedReportedOnceAndNotRecoveredFrom) {
  auto faulty = std::make_shared<FaultyFileSystem>();
  const auto env = rocksdb::NewCompositeEnv(faulty);
  std::atomic<int> reports = 0;
  Error reported;
  DbOptions options = options_for(path_);
  options.env = env.get();
  options.on_background_error = [&](const Error& error) {
    if (reports++ == 0) reported = error;
  };
  auto db = must(Db::open(options, Db::Mode::read_write));
  must(db->background_status());
  faulty->full = GetParam();
  std::vector<std::string> tables;
  for (int i = 0; i < 20; ++i) {
    tables.push_back(dir_ / ("table" + std::to_string(i) + ".sst"));
    write_table(tables.back(), {{"key1000", "n"}, {"key1399", "n"}});
  }
  faulty->no_new_tables = true;  // the first compaction will fail
  Status ingested;
  for (const auto& table : tables) {
    ingested = db->ingest({table});
    if (!ingested) break;
  }
  for (int wait = 0; wait < 6000 && reports == 0; ++wait) ::usleep(10'000);
  ASSERT_EQ(reports, 1);
  EXPECT_EQ(reported.code, GetParam() ? ErrorCode::no_space : ErrorCode::io)
      << reported.to_string();
  EXPECT_EQ(reported.database, Database::storage);
  faulty->no_new_tables = false;
  ::usleep(50'000);  // a recovery would start now
  ASSERT_FALSE(db->background_status());
  EXPECT_EQ(db->background_status().error().code, reported.code);
  EXPECT_EQ(reports, 1);
  EXPECT_FALSE(db->checkpoint(fs::posix(), dir_ / "copy"));
  EXPECT_EQ(get(*must(db->snapshot()), "key1001"), rows_.at("key1001"));  // reads go on
}

INSTANTIATE_TEST_SUITE_P(Engine, BackgroundError, testing::Bool());

TEST(EngineErrors, AreMappedByWhatTheyMean) {
  const auto code = [](const rocksdb::Status& status) {
    return rocks_error(status, "doing", "/p", Database::code).code;
  };
  EXPECT_EQ(code(rocksdb::Status::Corruption("x")), ErrorCode::corruption);
  EXPECT_EQ(code(rocksdb::Status::NoSpace("x")), ErrorCode::no_space);
  EXPECT_EQ(code(rocksdb::Status::PathNotFound("x")), ErrorCode::corruption);
  EXPECT_EQ(code(rocksdb::Status::IOError("x", "Permission denied")), ErrorCode::permission);
  EXPECT_EQ(code(rocksdb::Status::IOError("x", "Read-only file system")), ErrorCode::permission);
  EXPECT_EQ(code(rocksdb::Status::IOError("x", "Input/output error")), ErrorCode::io);
  EXPECT_EQ(code(rocksdb::Status::NotSupported("x")), ErrorCode::unsupported);
  EXPECT_EQ(code(rocksdb::Status::Busy("x")), ErrorCode::io);
  const Error error =
      rocks_error(rocksdb::Status::Corruption("bad block"), "doing", "/p", Database::code);
  EXPECT_EQ(error.path, "/p");
  EXPECT_EQ(error.database, Database::code);
  EXPECT_NE(error.message.find("bad block"), std::string::npos);
}

}  // namespace
}  // namespace flatkv::rocks
