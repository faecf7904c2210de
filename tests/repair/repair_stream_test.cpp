// SPDX-License-Identifier: Apache-2.0
// A database rebuilt from an exported state, and streams that do not belong to this store.
#include <algorithm>

#include "base/bytes.hpp"
#include "flatkv/tools/inspect.hpp"
#include "repair/repair_fixture.hpp"
#include "support/repair_one.hpp"

namespace flatkv::test {
namespace {

class Source : public ByteSource {
 public:
  explicit Source(ByteView bytes) : rest_(bytes) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    const std::size_t count = std::min({into.size(), rest_.size(), std::size_t{999}});
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  ByteView rest_;
};

class Sink : public ByteSink {
 public:
  Status write(ByteView more) override {
    append(bytes, more);
    return {};
  }
  Bytes bytes;
};

Bytes exported(const CommitStore& store) {
  Sink sink;
  const auto view = store.view();
  EXPECT_OK(view);
  EXPECT_OK(export_state(*view, sink));
  return std::move(sink.bytes);
}

class RepairFromStream : public RepairFixture {
 protected:
  /// Snapshots at 10 and 20 that share all tables of the first flush; exports at 8, 14 and 20.
  void SetUp() override {
    RepairFixture::SetUp();
    options_.snapshot.keep = 1;
    open();
    blocks(8);
    streams_[8] = exported(*store_);
    blocks(2);
    ASSERT_OK(store_->snapshot());
    blocks(4);
    streams_[14] = exported(*store_);
    blocks(6);
    ASSERT_OK(store_->snapshot());
    streams_[20] = exported(*store_);
    close();
    ASSERT_EQ(snapshots(path()).size(), 2U);
  }

  void damage_all(Database database) {
    for (const auto& [inode, file] : tables(snapshots(path()).front(), database)) {
      flip_bit(file, 8 * (stdfs::file_size(file) / 4));
    }
    expect_refused(database, ErrorCode::corruption, repair_options(), {"hard links"});
  }

  Result<RepairReport> from(ByteView bytes, Database database = Database::storage) {
    Source source(bytes);
    RepairOptions options = repair_options();
    options.stream = &source;
    return repair_one(path(), database, options);
  }

  /// Damages the database, live and in every snapshot, so that it does not open: the last byte of a
  /// table belongs to its magic.
  void unmake(Database database) {
    std::map<std::uint64_t, std::string> all = live_tables(database);
    for (const std::string& copy : snapshots(path())) all.merge(tables(copy, database));
    for (const auto& [inode, file] : all) flip_bit(file, 8 * (stdfs::file_size(file) - 1));
  }

  void refuses(ByteView bytes, ErrorCode code, const std::string& word) {
    const auto before = tree_state(path());
    const auto done = from(bytes);
    EXPECT_TRUE(fails(done, code));
    if (!done) {
      EXPECT_NE(done.error().to_string().find(word), std::string::npos) << done.error().to_string();
    }
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
  }

  std::map<std::int64_t, Bytes> streams_;
};

TEST_F(RepairFromStream, EachDatabaseFromEachVersionThatTheLogReaches) {
  copy_tree(path(), aside("good"));
  // copy_tree breaks hard links, so the following damages one file at a time: live and in
  // snapshots.
  for (const Database database : kDataDatabases) {
    for (const std::int64_t version : {14, 20}) {
      SCOPED_TRACE(std::string(to_string(database)) + " from " + std::to_string(version));
      copy_tree(aside("good"), path());
      change_row(database);
      for (const std::string& snapshot : snapshots(path())) {
        const auto there = tables(snapshot, database);
        flip_bit(there.begin()->second, 8 * (stdfs::file_size(there.begin()->second) / 4));
      }
      const auto done = from(streams_[version], database);
      ASSERT_OK(done);
      EXPECT_TRUE(done->repaired());
      EXPECT_EQ(done->source, RepairSource::stream);
      EXPECT_EQ(done->source_version, version);
      EXPECT_EQ(done->kept_snapshots, std::vector<std::int64_t>{20});
      EXPECT_EQ(done->dropped_snapshots, (std::vector<std::int64_t>{10, 20}));
      auto opened = CommitStore::open(path(), options_);
      ASSERT_OK(opened);
      EXPECT_TRUE(store_is(*opened, model_.committed()));
      Model model = model_;
      EXPECT_TRUE(commit_both(*opened, model, script_block(seed_, 21)));
      ASSERT_OK(opened->close());
    }
  }
  count_fault("S10", Came::recovered, 8);
}

TEST_F(RepairFromStream, WithHardLinksThatAreDamagedTogether) {
  damage_all(Database::storage);
  const auto file = aside("state.flatkv");
  write_file(file, streams_[20]);
  const auto done = repair_one(path(), Database::storage, with_file(repair_options(), file));
  ASSERT_OK(done);
  EXPECT_EQ(done->dropped_snapshots, (std::vector<std::int64_t>{10, 20}));
  open();
  check_and_go_on();
}

/// Two databases do not open, and the snapshots share the damage: each repair and each message
/// leads to the same command.
TEST_F(RepairFromStream, TwoDatabasesThatNoSnapshotHas) {
  unmake(Database::account);
  unmake(Database::storage);
  EXPECT_TRUE(fails(try_open(), ErrorCode::corruption));
  const std::string both = "flatkv repair " + path() + " --db account --db storage";
  for (const Database one : {Database::account, Database::storage}) {
    expect_refused(one, ErrorCode::corruption, repair_options(), {"`" + both + "`"});
    Source source(streams_[14]);
    RepairOptions options = repair_options();
    options.stream = &source;
    expect_refused(one, ErrorCode::corruption, options, {"`" + both + " --from STREAM`"});
  }
  const std::vector<Database> databases = {Database::account, Database::storage};
  const auto alone = repair_databases(path(), databases, repair_options());
  ASSERT_TRUE(fails(alone, ErrorCode::corruption));
  for (const std::string& word : {std::string("hard links"), "`" + both + " --from STREAM`"}) {
    EXPECT_NE(alone.error().message.find(word), std::string::npos) << alone.error().message;
  }
  const auto info = inspect_store(path());
  ASSERT_OK(info);
  for (const std::string& remedy : {both, both + " --from STREAM"}) {
    EXPECT_NE(std::ranges::find(info->remedies, remedy), info->remedies.end()) << remedy;
  }

  Source source(streams_[14]);
  RepairOptions options = repair_options();
  options.stream = &source;
  const auto done = repair_databases(path(), databases, options);
  ASSERT_OK(done);
  for (const RepairReport& one : *done) {
    EXPECT_TRUE(one.repaired());
    EXPECT_EQ(one.source, RepairSource::stream);
    EXPECT_EQ(one.source_version, 14);
    EXPECT_EQ(one.dropped_snapshots, (std::vector<std::int64_t>{10, 20}));
  }
  open();
  EXPECT_TRUE(store_->verify()->good());
  check_and_go_on();
  count_fault("S10", Came::recovered);
}

TEST_F(RepairFromStream, StreamsThatAreNotThisStates) {
  change_row(Database::storage);
  refuses(streams_[8], ErrorCode::log_gap, "does not lead on from version 8");
  refuses(ByteView(streams_[20]).first(streams_[20].size() - 1), ErrorCode::corruption, "stream");
  Bytes flipped = streams_[14];
  flipped[flipped.size() / 2] ^= 4;
  refuses(flipped, ErrorCode::corruption, "stream");
  refuses(text("no stream at all"), ErrorCode::corruption, "stream");
  refuses({}, ErrorCode::corruption, "stream");

  const auto other_state = [&](std::uint64_t seed, std::int64_t version, AccountRows rows) {
    Options options = options_;
    options.create_if_missing = true;
    options.create.account_rows = rows;
    remove_tree(aside("other"));
    auto other = CommitStore::open(aside("other"), options);
    EXPECT_OK(other);
    Model model(rows);
    for (std::int64_t v = 1; v <= version; ++v) {
      EXPECT_TRUE(commit_both(*other, model, script_block(seed, v)));
    }
    return exported(*other);
  };
  refuses(other_state(99, 20, AccountRows::keep), ErrorCode::foreign_store, "another state");
  refuses(other_state(99, 14, AccountRows::keep), ErrorCode::foreign_store, "another state");
  refuses(other_state(seed_, 21, AccountRows::keep), ErrorCode::version_mismatch, "later version");
  refuses(other_state(seed_, 20, AccountRows::prune_empty), ErrorCode::foreign_store,
          "another mode of account rows");
  // The same chain in another store is accepted: the state is proven, not its owner.
  const auto done = from(other_state(seed_, 14, AccountRows::keep));
  ASSERT_OK(done);
  open();
  check_and_go_on();
}

/// The log is longer than what phase 1 reads of it: it leads on from below every snapshot.
TEST_F(RepairFromStream, OfAVersionBelowTheSnapshots) {
  remove_tree(path());
  model_ = Model();
  RepairFixture::SetUp();
  build(true);
  for (int i = 0; i < 2; ++i) remove_tree(snapshots(path()).front());
  ASSERT_EQ(snapshots(path()).size(), 1U);
  change_row(Database::storage);
  const auto done = from(streams_[8]);
  ASSERT_OK(done);
  EXPECT_EQ(done->source, RepairSource::stream);
  EXPECT_EQ(done->source_version, 8);
  EXPECT_EQ(done->version, 20);
  open();
  EXPECT_TRUE(store_->verify()->good());
  check_and_go_on();
}

/// A stream at the tip is proven by its roots alone, so something here must have them.
TEST_F(RepairFromStream, OfATipWhoseRootsOnlyTheDatabasesHave) {
  keep_only_the_databases_at_the_tip();
  change_row(Database::storage);
  // The metadata database may be repaired in the same run, so its roots count for nothing.
  Source source(streams_[20]);
  RepairOptions options = repair_options();
  options.stream = &source;
  const auto before = tree_state(path());
  const auto both = repair_databases(
      path(), std::vector<Database>{Database::storage, Database::metadata}, options);
  ASSERT_TRUE(fails(both, ErrorCode::version_mismatch));
  EXPECT_EQ(both.error().version, 20);
  EXPECT_EQ(both.error().path, path());
  EXPECT_NE(both.error().message.find("roots of the stream's version are unknown here"),
            std::string::npos)
      << both.error().message;
  EXPECT_EQ(tree_difference(before, tree_state(path())), "");

  Options other_options = options_;
  other_options.create_if_missing = true;
  {
    auto other = CommitStore::open(aside("other"), other_options);
    ASSERT_OK(other);
    Model model;
    for (std::int64_t v = 1; v <= 20; ++v) {
      ASSERT_TRUE(commit_both(*other, model, script_block(99, v)));
    }
    refuses(exported(*other), ErrorCode::foreign_store, "another state");
  }
  const auto done = from(streams_[20]);
  ASSERT_OK(done);
  EXPECT_EQ(done->source, RepairSource::stream);
  EXPECT_EQ(done->source_version, 20);
  EXPECT_EQ(done->checksum, model_.committed().roots().storage);
  open();
  EXPECT_TRUE(store_->verify()->good());
  check_and_go_on();
}

TEST_F(RepairFromStream, AStreamAndAFileAreOneTooMany) {
  const auto before = tree_state(path());
  write_file(aside("state.flatkv"), streams_[20]);
  Source source(streams_[20]);
  RepairOptions options = with_file(repair_options(), aside("state.flatkv"));
  options.stream = &source;
  const auto done = repair_one(path(), Database::storage, options);
  ASSERT_TRUE(fails(done, ErrorCode::invalid_argument));
  EXPECT_NE(done.error().message.find("a stream and a file"), std::string::npos);
  EXPECT_EQ(tree_difference(before, tree_state(path())), "");
}

TEST_F(RepairFromStream, NotForMetadata) {
  EXPECT_TRUE(fails(from(streams_[20], Database::metadata), ErrorCode::invalid_argument));
}

}  // namespace
}  // namespace flatkv::test
