// SPDX-License-Identifier: Apache-2.0
#include "rocks/db.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>

#include "base/failpoint.hpp"
#include "rocks/slow_tables.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::rocks {
namespace {

class EngineDb : public testing::Test {
 protected:
  std::string table() { return dir_ / ("table" + std::to_string(++tables_) + ".sst"); }
  std::shared_ptr<Db> create() { return open_db(path_, Db::Mode::create); }

  fs::TestDirectory dir_;
  std::string path_ = dir_ / "db";
  int tables_ = 0;
};

TEST_F(EngineDb, AnEmptyDatabaseHasNoRowsAndNoMetadata) {
  auto db = create();
  EXPECT_TRUE(all_rows(*db).empty());
  const auto snapshot = must(db->snapshot());
  EXPECT_EQ(must(snapshot->get_meta(kLocalKey)), std::nullopt);
  EXPECT_EQ(get(*snapshot, "a"), std::nullopt);
}

TEST_F(EngineDb, IngestedRowsAndMetadataAreReadAndSurviveReopening) {
  const Rows rows = {{"a", "1"}, {"b", ""}, {std::string("\0\xff", 2), "bin"}};
  {
    auto db = create();
    ingest_rows(*db, table(), rows, {{"local", "L"}, {"stats", "S"}});
    EXPECT_EQ(all_rows(*db), live(rows));
  }
  for (const auto mode : {Db::Mode::read_only, Db::Mode::read_write}) {
    auto db = open_db(path_, mode);
    EXPECT_EQ(all_rows(*db), live(rows));
    const auto snapshot = must(db->snapshot());
    EXPECT_EQ(text(*must(snapshot->get_meta(kLocalKey))), "L");
    EXPECT_EQ(text(*must(snapshot->get_meta(kStatsKey))), "S");
    EXPECT_EQ(must(snapshot->get_meta("other")), std::nullopt);
  }
}

// docs/hazards.md#ingest-reads
TEST_F(EngineDb, ATableThatCannotBeReadWhileItIsIngestedIsRefused) {
  unsigned refused = 0;
  // Rows for several blocks: the first and the last row are read by themselves.
  Rows rows;
  for (int i = 0; i < 500; ++i) rows["a" + std::to_string(1000 + i)] = std::string(100, 'v');
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    SlowTables tables;
    DbOptions options = options_for(dir_ / ("db" + std::to_string(nth)));
    options.env = tables.env();
    auto db = must(Db::open(options, Db::Mode::create));
    ingest_rows(*db, table(), {{"a1000", "1"}, {"b", "1"}}, {{"local", "one"}});
    const std::string second = table();
    write_table(second, rows, {{"local", "two"}});
    const std::uint64_t before = tables.reads();
    tables.before_read([&](std::uint64_t, std::size_t) {
      return tables.reads() == before + nth ? rocksdb::IOStatus::IOError("injected")
                                            : rocksdb::IOStatus::OK();
    });
    const Status ingested = db->ingest({second});
    const bool read_failed = tables.reads() >= before + nth;
    tables.before_read({});
    if (ingested) {
      EXPECT_EQ(all_rows(*db).size(), 501U) << "its rows are not found";
      if (!read_failed) break;
      continue;
    }
    ++refused;
    EXPECT_EQ(ingested.error().code, ErrorCode::io) << ingested.error().to_string();
    EXPECT_EQ(db->ingest({second}).error().code, ErrorCode::store_failed);
    db.reset();
    const auto again = Db::open(options, Db::Mode::read_only);
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(all_rows(**again), (RowList{{"a1000", "1"}, {"b", "1"}}));
  }
  EXPECT_GT(refused, 3U);
}

TEST_F(EngineDb, EmptyAbsentAndDeletedAreKeptApart) {
  auto db = create();
  ingest_rows(*db, table(), {{"deleted", "x"}, {"empty", ""}, {"gone", "y"}});
  ingest_rows(*db, table(), {{"deleted", std::nullopt}, {"gone", std::nullopt}});
  ingest_rows(*db, table(), {{"gone", ""}});
  const auto snapshot = must(db->snapshot());
  EXPECT_EQ(get(*snapshot, "empty"), "");
  EXPECT_EQ(get(*snapshot, "absent"), std::nullopt);
  EXPECT_EQ(get(*snapshot, "deleted"), std::nullopt);
  EXPECT_EQ(get(*snapshot, "gone"), "");

  const std::vector<std::string> names = {"absent", "deleted", "empty", "gone"};
  std::vector<ByteView> keys;
  for (const auto& name : names) keys.push_back(as_bytes(name));
  const auto values = get_many(*snapshot, keys);
  EXPECT_FALSE(values[0]);
  EXPECT_FALSE(values[1]);
  ASSERT_TRUE(values[2]);
  EXPECT_TRUE(values[2]->empty());
  ASSERT_TRUE(values[3]);
  EXPECT_TRUE(values[3]->empty());
}

// docs/hazards.md#metadata-among-rows
TEST_F(EngineDb, UserKeysThatLookLikeMetadataAreRows) {
  auto db = create();
  const Rows rows = {{std::string("\0local", 6), "mine"},
                     {std::string("\0", 1), "nul"},
                     {"_meta/hash", "also mine"},
                     {"local", "user"},
                     {"stats", "user too"},
                     {std::string("\x02\xff", 2), "behind"},
                     {std::string("\xff\xff\xff", 3), "last"}};
  ingest_rows(*db, table(), rows, {{"local", "LOCAL"}, {"stats", "STATS"}});
  const auto snapshot = must(db->snapshot());
  for (const auto& [key, value] : rows) EXPECT_EQ(get(*snapshot, key), value);
  EXPECT_EQ(text(*must(snapshot->get_meta("local"))), "LOCAL");
  EXPECT_EQ(text(*must(snapshot->get_meta("stats"))), "STATS");
  const auto cursor = snapshot->cursor({});
  EXPECT_EQ(walk(*cursor), live(rows));
  auto backward = walk_back(*cursor);
  std::ranges::reverse(backward);
  EXPECT_EQ(backward, live(rows));
}

// docs/hazards.md#unpinned-view
TEST_F(EngineDb, ASnapshotDoesNotSeeWhatIsIngestedLater) {
  auto db = create();
  ingest_rows(*db, table(), {{"a", "1"}, {"b", "1"}}, {{"local", "one"}});
  const auto before = must(db->snapshot());
  ingest_rows(*db, table(), {{"a", "2"}, {"b", std::nullopt}, {"c", "2"}}, {{"local", "two"}});
  const auto after = must(db->snapshot());

  EXPECT_EQ(walk(*before->cursor({})), (RowList{{"a", "1"}, {"b", "1"}}));
  EXPECT_EQ(get(*before, "b"), "1");
  EXPECT_EQ(text(*must(before->get_meta("local"))), "one");
  const std::vector<ByteView> keys = {as_bytes("a"), as_bytes("b"), as_bytes("c")};
  const auto values = get_many(*before, keys);
  EXPECT_EQ(values[0], "1");
  EXPECT_EQ(values[1], "1");
  EXPECT_FALSE(values[2]);

  EXPECT_EQ(walk(*after->cursor({})), (RowList{{"a", "2"}, {"c", "2"}}));
  EXPECT_EQ(text(*must(after->get_meta("local"))), "two");
}

TEST_F(EngineDb, ASnapshotOfTheEmptyDatabaseStaysEmpty) {
  auto db = create();
  const auto before = must(db->snapshot());
  ingest_rows(*db, table(), {{"a", "1"}});
  EXPECT_TRUE(walk(*before->cursor({})).empty());
  EXPECT_EQ(get(*before, "a"), std::nullopt);
}

TEST_F(EngineDb, ASnapshotAndACursorKeepTheDatabaseOpen) {
  std::unique_ptr<Cursor> cursor;
  {
    auto db = create();
    ingest_rows(*db, table(), {{"a", "1"}, {"b", "2"}});
    cursor = must(db->snapshot())->cursor({});
  }
  EXPECT_EQ(walk(*cursor).size(), 2U);
  EXPECT_FALSE(Db::open(options_for(path_), Db::Mode::read_write));  // still open, so refused
  cursor.reset();
  EXPECT_EQ(all_rows(*open_db(path_, Db::Mode::read_write)).size(), 2U);
}

TEST_F(EngineDb, SeveralTablesEnterInOneStep) {
  auto db = create();
  const std::string first = table();
  const std::string second = table();
  write_table(first, {{"a", "1"}}, {{"local", "L"}});
  write_table(second, {{"b", "2"}});
  must(db->ingest({first, second}));
  EXPECT_EQ(all_rows(*db), (RowList{{"a", "1"}, {"b", "2"}}));
}

TEST_F(EngineDb, AFailedIngestChangesNothingThatIsReadAndRefusesTheNext) {
  auto db = create();
  ingest_rows(*db, table(), {{"a", "1"}}, {{"local", "one"}});
  const std::string good = table();
  const std::string bad = table();
  write_table(good, {{"a", "2"}}, {{"local", "two"}});
  must(fs::write_file(fs::posix(), bad,
                      as_bytes("not a table, but long enough to be looked at as one")));
  const Status failed = db->ingest({good, bad});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().database, Database::storage);
  EXPECT_EQ(failed.error().path, path_);
  EXPECT_EQ(all_rows(*db), (RowList{{"a", "1"}}));
  EXPECT_FALSE(db->background_status());

  const Status next = db->ingest({good});
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, ErrorCode::store_failed);
  EXPECT_EQ(db->checkpoint(fs::posix(), dir_ / "copy").error().code, ErrorCode::store_failed);
}

TEST_F(EngineDb, IngestLinksTheTableAndFailsWhereItCannot) {
  auto db = create();
  const std::string file = table();
  write_table(file, {{"a", "1"}});
  struct ::stat before{};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  must(db->ingest({file}));
  const auto tables = files_with(path_, ".sst");
  ASSERT_EQ(tables.size(), 1U);
  struct ::stat after{};
  ASSERT_EQ(::stat(tables.front().c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);  // never written to again
  db.reset();

  // As on another file system: no copy is made.
  class NoLinks : public rocksdb::FileSystemWrapper {
   public:
    NoLinks() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "no links"; }
    rocksdb::IOStatus LinkFile(const std::string&, const std::string&, const rocksdb::IOOptions&,
                               rocksdb::IODebugContext*) override {
      return rocksdb::IOStatus::NotSupported("no links");
    }
  };
  const auto env = rocksdb::NewCompositeEnv(std::make_shared<NoLinks>());
  DbOptions options = options_for(path_);
  options.env = env.get();
  const auto linkless = must(Db::open(options, Db::Mode::read_write));
  const std::string other = table();
  write_table(other, {{"b", "1"}});
  EXPECT_FALSE(linkless->ingest({other}));
  EXPECT_EQ(files_with(path_, ".sst"), tables);
  EXPECT_EQ(all_rows(*linkless), (RowList{{"a", "1"}}));
}

TEST_F(EngineDb, MissingTableIsAnError) {
  auto db = create();
  EXPECT_FALSE(db->ingest({dir_ / "nothing.sst"}));
}

TEST_F(EngineDb, CreateRefusesWhatIsThere) {
  {
    auto db = create();
  }
  const auto again = Db::open(options_for(path_), Db::Mode::create);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::invalid_argument);

  std::filesystem::create_directory(dir_ / "other");
  must(fs::write_file(fs::posix(), dir_ / "other/file", as_bytes("x")));
  EXPECT_FALSE(Db::open(options_for(dir_ / "other"), Db::Mode::create));
  std::filesystem::create_directory(dir_ / "empty");
  EXPECT_TRUE(Db::open(options_for(dir_ / "empty"), Db::Mode::create));
}

// docs/hazards.md#lost-store-created-anew
TEST_F(EngineDb, OpenNeverMakesADatabase) {
  std::filesystem::create_directory(dir_ / "empty");
  for (const auto mode : {Db::Mode::read_only, Db::Mode::read_write}) {
    for (const std::string& where : {dir_ / "nothing", dir_ / "empty"}) {
      const auto opened = Db::open(options_for(where), mode);
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code, ErrorCode::not_found) << opened.error().to_string();
      EXPECT_EQ(opened.error().path, where);
    }
    EXPECT_FALSE(std::filesystem::exists(dir_ / "nothing"));
    EXPECT_TRUE(std::filesystem::is_empty(dir_ / "empty"));
  }
}

// docs/hazards.md#damage-without-error
TEST_F(EngineDb, ALostFileIsAnErrorNeverAnEmptyDatabase) {
  {
    auto db = create();
    ingest_rows(*db, table(), {{"a", "1"}});
    ingest_rows(*db, table(), {{"b", "1"}});
  }
  for (const char* part : {"CURRENT", "MANIFEST", ".sst"}) {
    for (const auto mode : {Db::Mode::read_only, Db::Mode::read_write}) {
      const std::string copy = dir_ / "copy";
      std::filesystem::copy(path_, copy);
      const auto files = files_with(copy, part);
      ASSERT_FALSE(files.empty());
      std::filesystem::remove(files.front());
      const auto opened = Db::open(options_for(copy), mode);
      ASSERT_FALSE(opened) << part;
      EXPECT_EQ(opened.error().code, ErrorCode::corruption) << opened.error().to_string();
      EXPECT_EQ(opened.error().database, Database::storage);
      std::filesystem::remove_all(copy);
    }
  }
}

// docs/hazards.md#damage-without-error
TEST_F(EngineDb, ALogThatIsNotEmptyIsRefused) {
  {
    auto db = create();
  }
  must(fs::write_file(fs::posix(), dir_ / "db/000099.log", as_bytes("rows of somebody else")));
  for (const auto mode : {Db::Mode::read_only, Db::Mode::read_write}) {
    const auto opened = Db::open(options_for(path_), mode);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::corruption);
  }
}

TEST_F(EngineDb, OpeningLeavesNoLogOfAnEarlierOpening) {
  {
    auto db = create();
    ingest_rows(*db, table(), {{"a", "1"}});
  }
  for (int opened = 0; opened < 5; ++opened) {
    auto db = open_db(path_, Db::Mode::read_write);
    EXPECT_EQ(all_rows(*db).size(), 1U);
    const auto names = must(fs::posix().list(path_));
    EXPECT_EQ(std::ranges::count_if(names,
                                    [](const auto& entry) { return entry.name.ends_with(".log"); }),
              1);
  }
}

TEST_F(EngineDb, ReadOnlyChangesNothingOnDisk) {
  {
    auto db = create();
    ingest_rows(*db, table(), {{"a", "1"}, {"b", "2"}}, {{"local", "L"}});
  }
  const auto before = fingerprint(path_);
  {
    auto db = open_db(path_, Db::Mode::read_only);
    EXPECT_EQ(all_rows(*db).size(), 2U);
    EXPECT_EQ(get(*must(db->snapshot()), "a"), "1");
    const std::string file = table();
    write_table(file, {{"c", "3"}});
    EXPECT_EQ(db->ingest({file}).error().code, ErrorCode::unsupported);
    EXPECT_EQ(db->checkpoint(fs::posix(), dir_ / "x").error().code, ErrorCode::unsupported);
  }
  EXPECT_EQ(fingerprint(path_), before);
}

TEST_F(EngineDb, ReadOnlyWorksInADirectoryThatCannotBeWritten) {
  {
    auto db = create();
    ingest_rows(*db, table(), {{"a", "1"}});
  }
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    std::filesystem::permissions(entry.path(), std::filesystem::perms(0444));
  }
  std::filesystem::permissions(path_, std::filesystem::perms(0555));
  EXPECT_EQ(fs::in_child([&] {
              if (!fs::become_nobody()) return false;
              const auto db = Db::open(options_for(path_), Db::Mode::read_only);
              return db && get(**(*db)->snapshot(), "a") == "1";
            }),
            0);
  EXPECT_EQ(fs::in_child([&] {
              if (!fs::become_nobody()) return false;
              const auto db = Db::open(options_for(path_), Db::Mode::read_write);
              return !db && db.error().code == ErrorCode::permission;
            }),
            0);
  std::filesystem::permissions(path_, std::filesystem::perms(0755));
}

TEST_F(EngineDb, FilesAreTheOwnersAlone) {
  auto db = create();
  const std::string file = table();
  write_table(file, {{"a", "1"}});
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  must(db->ingest({file}));
  EXPECT_EQ(std::filesystem::status(path_).permissions(), std::filesystem::perms(0700));
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    const auto status = entry.status();
    // A thread of RocksDB removes the MANIFEST before the last one.
    if (!std::filesystem::exists(status)) continue;
    EXPECT_EQ(status.permissions(), std::filesystem::perms(0600)) << entry.path();
  }
}

TEST_F(EngineDb, StoppingBackgroundWorkLeavesReads) {
  auto db = create();
  ingest_rows(*db, table(), {{"a", "1"}});
  const auto snapshot = must(db->snapshot());
  db->stop_background();
  EXPECT_EQ(get(*snapshot, "a"), "1");
  EXPECT_EQ(walk(*snapshot->cursor({})).size(), 1U);
  const std::vector<ByteView> keys = {as_bytes("a"), as_bytes("b")};
  const auto values = get_many(*snapshot, keys);
  EXPECT_TRUE(values[0]);
  EXPECT_FALSE(values[1]);
  const std::string file = table();
  write_table(file, {{"b", "1"}});
  EXPECT_EQ(db->ingest({file}).error().code, ErrorCode::store_failed);
}

TEST_F(EngineDb, CompactionKeepsRowsAndSnapshots) {
  auto db = create();
  ingest_rows(*db, table(), {{"a", "0"}, {"z", "0"}});
  const auto first = must(db->snapshot());
  for (int round = 1; round <= 20; ++round) {
    ingest_rows(*db, table(), {{"a", std::to_string(round)}, {"z", std::nullopt}});
  }
  for (int wait = 0; wait < 6000 && db->compaction_bytes_written() == 0; ++wait) ::usleep(10'000);
  EXPECT_GT(db->compaction_bytes_written(), 0U);
  EXPECT_GT(db->table_bytes(), 0U);
  EXPECT_EQ(all_rows(*db), (RowList{{"a", "20"}}));
  EXPECT_EQ(walk(*first->cursor({})), (RowList{{"a", "0"}, {"z", "0"}}));
  must(db->background_status());
}

TEST_F(EngineDb, PressureCountsLevelZeroFiles) {
  DbOptions options = options_for(path_);
  options.background_compaction = false;
  auto db = must(Db::open(options, Db::Mode::create));
  EXPECT_EQ(db->pressure().level0_files, 0U);
  for (int i = 0; i < 20; ++i) ingest_rows(*db, table(), {{"a", "1"}, {"b", "2"}});
  // The first tables go to deeper levels as long as one of them is empty.
  const std::uint64_t files = db->pressure().level0_files;
  EXPECT_GE(files, 10U);
  ingest_rows(*db, table(), {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(db->pressure().level0_files, files + 1);
}

TEST_F(EngineDb, MultiGetOfManyKeysEqualsGet) {
  auto db = create();
  Rows rows;
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    rows["key" + std::to_string(random() % 100'000)] = std::string(random() % 100, 'v');
  }
  ingest_rows(*db, table(), rows);
  std::vector<std::string> names;
  for (int i = 0; i < 100'000; i += 37) names.push_back("key" + std::to_string(i));
  for (const auto& [key, value] : rows) names.push_back(key);
  std::ranges::sort(names);
  std::vector<ByteView> keys;
  for (const auto& name : names) keys.push_back(as_bytes(name));
  for (const auto at_once : {PinnedDatabase::AtOnce::many, PinnedDatabase::AtOnce::one}) {
    const auto values = get_many(*must(db->snapshot()), keys, at_once);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto found = rows.find(names[i]);
      ASSERT_EQ(values[i], found != rows.end() ? found->second : std::nullopt) << names[i];
    }
  }
}

TEST_F(EngineDb, MultiGetOfLargeValuesHasFewOfThemAtATime) {
  constexpr std::size_t kLarge = std::size_t{1} << 20;
  SlowTables reads;
  DbOptions options = options_for(path_);
  options.env = reads.env();
  options.block_cache = make_block_cache(1);  // a value is in memory while it is shown
  auto db = must(Db::open(options, Db::Mode::create));
  Rows rows;
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) {
    const std::string key = "key" + std::to_string(1000 + i);
    names.push_back(key);
    // Some are absent; in two tables, since RocksDB goes through a batch table by table.
    if (i % 3 != 0)
      rows[key] = std::string(i % 5 == 0 ? 10 : kLarge, static_cast<char>('a' + i % 26));
  }
  Rows half;
  for (const auto& [key, value] : rows) {
    if (key.back() < '5') half[key] = value;
  }
  ingest_rows(*db, table(), rows);
  ingest_rows(*db, table(), half);
  std::vector<ByteView> keys;
  for (const auto& name : names) keys.push_back(as_bytes(name));
  const auto snapshot = must(db->snapshot());
  const auto values = get_many(*snapshot, keys);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = rows.find(names[i]);
    ASSERT_EQ(values[i], found != rows.end() ? found->second : std::nullopt) << names[i];
  }

  // How much of all that is read is read before the first value is shown.
  std::atomic<std::uint64_t> bytes = 0;
  std::uint64_t before = 0;
  reads.before_read([&](std::uint64_t, std::size_t size) {
    bytes += size;
    return rocksdb::IOStatus::OK();
  });
  must(snapshot->multi_get(keys, PinnedDatabase::AtOnce::many, [&](std::size_t, auto value) {
    if (value && before == 0) before = bytes;
  }));
  reads.before_read({});
  EXPECT_GT(before, 0U) << "they were in a cache";
  EXPECT_LT(before, bytes / 2);
}

TEST_F(EngineDb, TableWriterRefusesNothingAndDisorder) {
  const std::string empty = table();
  {
    auto writer = must(TableWriter::create(options_for(empty), empty));
    const auto finished = writer.finish();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_FALSE(std::filesystem::exists(empty));
  {
    auto writer = must(TableWriter::create(options_for(empty), empty));
    must(writer.put(as_bytes("b"), as_bytes("1")));
    EXPECT_EQ(writer.put(as_bytes("b"), as_bytes("2")).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(writer.remove(as_bytes("a")).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(writer.put_meta("local", as_bytes("L")).error().code, ErrorCode::invalid_argument);
  }
  EXPECT_FALSE(std::filesystem::exists(empty));  // an unfinished table is removed
  EXPECT_EQ(TableWriter::create(options_for(empty), dir_ / "no/table.sst").error().code,
            ErrorCode::not_found);
  write_table(empty, {{"a", "1"}});
  EXPECT_EQ(TableWriter::create(options_for(empty), empty).error().code,
            ErrorCode::invalid_argument);
  EXPECT_TRUE(std::filesystem::exists(empty));
}

#ifdef FLATKV_FAILPOINTS
TEST_F(EngineDb, FailpointsBeforeAndAfterIngest) {
  auto db = create();
  const auto broken = [] { return Status(fail(ErrorCode::io, "injected")); };
  const std::string file = table();
  write_table(file, {{"a", "1"}});
  failpoint::arm("engine.ingest.before", broken);
  EXPECT_FALSE(db->ingest({file}));
  EXPECT_TRUE(all_rows(*db).empty());
  failpoint::arm("engine.ingest.after", broken);
  EXPECT_FALSE(db->ingest({file}));
  EXPECT_EQ(all_rows(*db).size(), 1U);
  const std::string next = table();
  auto writer = must(TableWriter::create(options_for(next), next));
  must(writer.put(as_bytes("b"), as_bytes("1")));
  failpoint::arm("engine.table.before_finish", broken);
  EXPECT_FALSE(writer.finish());
  failpoint::disarm_all();
}
#endif

}  // namespace
}  // namespace flatkv::rocks
