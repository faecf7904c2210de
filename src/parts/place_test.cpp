// SPDX-License-Identifier: Apache-2.0
// Snapshots in a directory: which one is meant, and what is refused before anything counts as put.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "flatkv/cluster/snapshots.hpp"
#include "layout/sealed_json.hpp"
#include "rocks/db.hpp"
#include "rocks/table_writer.hpp"
#include "store/test_store.hpp"

namespace flatkv {
namespace {

namespace stdfs = std::filesystem;
using store::Block;
using store::must;
using store::open_new;
using store::TempDir;
using store::tree_digest;

const std::string kFirst = "snapshot-00000000000000000001";
const std::string kSecond = "snapshot-00000000000000000002";

class StoredSnapshots : public ::testing::Test {
 protected:
  StoredSnapshots() : to_("file:" + (dir_ / "there")) {}

  CommitStore make_store() const {
    CommitStore store = open_new(dir_ / "s");
    Block block;
    for (unsigned i = 0; i < 100; ++i) block.slot(i % 7, i, i + 1);
    must(block.commit(store));
    return store;
  }

  std::string there(const std::string& name) const { return dir_ / ("there/" + name); }

  TempDir dir_;
  std::string to_;
};

TEST_F(StoredSnapshots, TheOneThatIsMeant) {
  const CommitStore store = make_store();
  const SnapshotExport put = must(export_snapshot(must(store.view()), to_));
  EXPECT_EQ(put.snapshot.roots, store.committed_roots());
  const std::string named = to_ + "/" + kFirst;
  EXPECT_EQ(must(find_stored_snapshot({to_, {}})).version, 1);
  EXPECT_EQ(must(find_stored_snapshot({named, 1})).version, 1);
  const auto another = find_stored_snapshot({named, 2});
  ASSERT_FALSE(another);
  EXPECT_EQ(another.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(another.error().message, named + " is the snapshot of version 1, not of version 2");

  // Whoever renamed it cannot make it one of another version.
  stdfs::rename(there(kFirst), there(kSecond));
  for (const SnapshotChoice& choice : {SnapshotChoice{to_, {}}, SnapshotChoice{to_, 2}}) {
    const auto renamed = find_stored_snapshot(choice);
    ASSERT_FALSE(renamed);
    EXPECT_EQ(renamed.error().code, ErrorCode::corruption);
    EXPECT_EQ(renamed.error().message, "the manifest is that of another version");
    EXPECT_EQ(renamed.error().path, to_ + "/" + kSecond);
    EXPECT_EQ(renamed.error().version, 1);
  }
  EXPECT_FALSE(import_stored_snapshot({to_, {}}, dir_ / "imported", {}, {}, {}));
  EXPECT_EQ(CommitStore::open(dir_ / "imported").error().code, ErrorCode::not_found);
}

TEST_F(StoredSnapshots, OptionsOutOfRange) {
  const CommitStore store = make_store();
  const ReadView view = must(store.view());
  const auto refused = [&](unsigned parallel, unsigned stall_seconds, std::string_view message) {
    PartsOptions options;
    options.parallel = parallel;
    options.stall_seconds = stall_seconds;
    const auto done = export_snapshot(view, to_, 0, options);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(done.error().message, message);
    EXPECT_FALSE(stdfs::exists(dir_ / "there"));
  };
  refused(65, 30, "at most 64 parts can be on their way at once");
  refused(1, 0, "a transfer may stall for 1 to 3600 seconds");
  refused(1, 3601, "a transfer may stall for 1 to 3600 seconds");
}

/// A row changed behind the store's back: its snapshot would have other roots.
TEST_F(StoredSnapshots, RowsThatAreNotThoseOfTheRootsLine) {
  const std::string storage = dir_ / "s/gen-00000001/working/storage";
  Bytes key;
  Bytes value;
  {
    CommitStore store = make_store();
    const RowIterator row = must(store.iterate(Database::storage));
    key = to_bytes(row.key());
    value = to_bytes(row.value());
    value.back() ^= 1;
  }
  {
    rocks::DbOptions options;
    options.path = storage;
    options.which = Database::storage;
    auto table = must(rocks::TableWriter::create(options, dir_ / "changed.sst"));
    must(table.put(key, value));
    must(table.finish());
    const auto database = must(rocks::Db::open(options, rocks::Db::Mode::read_write));
    must(database->ingest({dir_ / "changed.sst"}));
  }
  const CommitStore store = must(CommitStore::open(dir_ / "s"));
  const auto done = export_snapshot(must(store.view()), to_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::corruption);
  EXPECT_TRUE(done.error().message.starts_with("the rows of the store are not those of its roots"))
      << done.error().message;
  EXPECT_EQ(done.error().version, 1);
  EXPECT_FALSE(stdfs::exists(there(kFirst + "/manifest.json")));
  EXPECT_TRUE(must(list_stored_snapshots(to_)).empty());
}

/// The snapshot there is of a newer program: it is not overwritten.
TEST_F(StoredSnapshots, AManifestOfANewerFormatStays) {
  const CommitStore store = make_store();
  const ReadView view = must(store.view());
  must(export_snapshot(view, to_));
  const std::string manifest = there(kFirst + "/manifest.json");
  {
    std::ifstream in(manifest);
    nlohmann::ordered_json object = nlohmann::ordered_json::parse(in);
    object.erase("digest");
    object["format"] = 2;
    std::string text = object.dump(2);
    text.resize(text.size() - 2);  // the line feed and the closing brace
    const Bytes sealed = layout::seal_text(text + ",\n");
    std::ofstream(manifest, std::ios::binary) << as_chars(sealed);
  }
  const std::string before = tree_digest(dir_ / "there");
  const auto again = export_snapshot(view, to_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::format_too_new);
  EXPECT_EQ(again.error().path, to_ + "/" + kFirst + "/manifest.json");
  EXPECT_EQ(tree_digest(dir_ / "there"), before);
}

/// The last row was sent when the stop came: the parts are there, the snapshot is not.
TEST_F(StoredSnapshots, AStopAfterTheLastPart) {
  const CommitStore store = make_store();
  std::stop_source stop;
  PartsOptions options;
  options.stop = stop.get_token();
  options.progress = [&](std::string_view, std::uint64_t done, std::uint64_t total) {
    if (done == total) stop.request_stop();
  };
  const auto stopped = export_snapshot(must(store.view()), to_, 0, options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  EXPECT_TRUE(must(list_stored_snapshots(to_)).empty());
  const SnapshotExport done = must(export_snapshot(must(store.view()), to_));
  EXPECT_EQ(done.work.moved_parts, 0U) << "they were there";
  EXPECT_EQ(done.snapshot.roots, store.committed_roots());
}

}  // namespace
}  // namespace flatkv
