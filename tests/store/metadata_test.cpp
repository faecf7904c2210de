// SPDX-License-Identifier: Apache-2.0
// What the databases record about themselves: LocalMeta, stats, `_meta/*`; and what an open does
// when these are missing, of the old form, or wrong (docs/specification.md#opening).
#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "flatkv/flatkv.h"
#include "flatkv/tools/inspect.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

Bytes version_bytes(std::int64_t version) {
  Bytes all(8);
  store_be(all.data(), static_cast<std::uint64_t>(version));
  return all;
}

Bytes local_meta(std::int64_t version, const PlainLtHash& hash) {
  Bytes all = version_bytes(version);
  append(all, hash.serialized());
  return all;
}

class Metadata : public StoreFixture {
 protected:
  void SetUp() override {
    open();
    blocks(12);
    close();
  }

  std::optional<Bytes> meta(std::string_view database, std::string_view name) const {
    return peek(working(path(), database), meta_key(name));
  }
  void edit(std::string_view database, std::vector<Edit> edits) {
    tamper(working(path(), database), std::move(edits));
  }
  /// Writes a LocalMeta of 8 bytes, as it was before hashes were kept.
  void make_old_form(std::string_view database) {
    edit(database, {{meta_key("local"), version_bytes(12)}, {meta_key("stats"), {}}});
  }
  void expect_refused(ErrorCode code) {
    const auto before = tree_state(path());
    const auto opened = try_open();
    EXPECT_TRUE(fails(opened, code));
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
  }
  bool backfilled(Database database) const {
    const auto& all = store_->open_report().backfilled;
    return std::find(all.begin(), all.end(), database) != all.end();
  }
};

TEST_F(Metadata, PerDatabaseHashesPersistedInTheMetadataDatabase) {
  ASSERT_TRUE(all_flushed_at(12));
  PlainLtHash sum;
  for (const Database database : kDataDatabases) {
    const std::string name(to_string(database));
    const PlainLtHash& hash = model_.committed().hashes[database];
    sum += hash;
    const Bytes wanted = to_bytes(hash.serialized());
    EXPECT_EQ(meta("metadata", "_meta/hash/" + name), wanted) << name;
    // LocalMeta, in its new form, agrees.
    EXPECT_EQ(meta(name, "local"), local_meta(12, hash)) << name;
    const DatabaseStats stats = model_.committed().stats(database);
    Bytes text = version_bytes(12);
    for (const std::uint64_t n : {stats.rows, stats.key_bytes, stats.value_bytes}) {
      append(text, version_bytes(static_cast<std::int64_t>(n)));
    }
    EXPECT_EQ(meta(name, "stats"), text) << name;
    EXPECT_EQ(count_keys(working(path(), name)), stats.rows + 2);
  }
  EXPECT_EQ(meta("metadata", "_meta/hash"), to_bytes(sum.serialized()));
  EXPECT_EQ(meta("metadata", "_meta/version"), version_bytes(12));
}

TEST_F(Metadata, TheMetadataDatabaseSaysWhoseItIs) {
  const auto id = meta("metadata", "_meta/store");
  ASSERT_TRUE(id);
  const auto info = inspect_store(path());
  ASSERT_OK(info);
  EXPECT_EQ(to_hex(*id), info->store_id);
  EXPECT_EQ(count_keys(working(path(), "metadata")), 7U);  // version, five hashes, store id
  // A store without a store id there opens as usual, and the next flush writes it.
  edit("metadata", {{meta_key("_meta/store"), {}}});
  reopen();
  EXPECT_TRUE(store_->open_report().clean);
  check_and_go_on();
  close();
  EXPECT_EQ(meta("metadata", "_meta/store"), id);
}

TEST_F(Metadata, LocalMetaNewForm) {
  for (const Database database : kDataDatabases)
    EXPECT_EQ(meta(std::string(to_string(database)), "local")->size(), 2056U);
  open();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_TRUE(store_->open_report().backfilled.empty());
  check_and_go_on();
}

TEST_F(Metadata, LocalMetaOldFormIsBackfilled) {
  make_old_form("storage");
  open();
  EXPECT_TRUE(backfilled(Database::storage));
  EXPECT_FALSE(backfilled(Database::account));
  check_and_go_on();
  close();
  EXPECT_EQ(meta("storage", "local")->size(), 2056U);
}

TEST_F(Metadata, LocalMetaOldFormIsBackfilledAfterAnUncleanClose) {
  for (const char* name : {"account", "code", "storage", "legacy"}) make_old_form(name);
  remove_clean(path());
  open();
  EXPECT_EQ(store_->open_report().backfilled.size(), 4U);
  check_and_go_on();
}

TEST_F(Metadata, TheCInterfaceSaysWhichDatabasesWereBackfilled) {
  make_old_form("storage");
  make_old_form("legacy");
  flatkv_store* store = nullptr;
  ASSERT_EQ(flatkv_open(path().c_str(), nullptr, &store), nullptr);
  flatkv_open_report report{};
  report.size = sizeof report;
  ASSERT_EQ(flatkv_open_report_get(store, &report), nullptr);
  EXPECT_EQ(report.backfilled, 1U << FLATKV_STORAGE | 1U << FLATKV_LEGACY);
  EXPECT_EQ(report.clean, 0U);
  EXPECT_EQ(report.replayed_blocks, 0);
  flatkv_free(store);
}

TEST_F(Metadata, BackfillComesBeforeReplay) {
  // A database of the old form that is behind: first its hash at its own version, then the log.
  save_database("storage");
  open();
  blocks(9);
  close();
  restore_database("storage");
  make_old_form("storage");
  open();
  EXPECT_TRUE(backfilled(Database::storage));
  EXPECT_EQ(store_->open_report().replayed_blocks, 9);
  check_and_go_on();
}

TEST_F(Metadata, MissingStatsAreBackfilled) {
  edit("legacy", {{meta_key("stats"), {}}});
  open();
  check_and_go_on();
  close();
  EXPECT_EQ(meta("legacy", "stats")->size(), 32U);
}

TEST_F(Metadata, StatsOfAnotherVersionCountAsMissing) {
  Bytes stats = *meta("legacy", "stats");
  stats[7] ^= 1;
  stats[15] ^= 1;
  edit("legacy", {{meta_key("stats"), stats}});
  remove_clean(path());
  open();
  EXPECT_TRUE(backfilled(Database::legacy));
  check_and_go_on();
}

TEST_F(Metadata, LocalMetaOfInvalidLengthIsNeverTaken) {
  const Bytes good = *meta("code", "local");
  const std::vector<std::size_t> lengths = {0, 1, 7, 9, 2048, 2055, 2057, 4112};
  copy_tree(path(), aside("good"));
  for (const std::size_t length : lengths) {
    SCOPED_TRACE(length);
    restore("good");
    Bytes wrong = good;
    wrong.resize(length);
    edit("code", {{meta_key("local"), wrong}});
    remove_clean(path());
    const auto before = tree_state(path());
    auto opened = try_open();
    if (!opened) {
      EXPECT_TRUE(fails(opened, ErrorCode::corruption));
      EXPECT_EQ(tree_difference(before, tree_state(path())), "");
      continue;
    }
    // Or it is no valid LocalMeta: the working copy is unusable and was rebuilt.
    EXPECT_TRUE(opened->open_report().rebuilt_working_copy);
    EXPECT_TRUE(store_is(*opened, model_.committed()));
  }
}

TEST_F(Metadata, LocalMetaVersionAboveInt64IsNeverTaken) {
  Bytes wrong = *meta("code", "local");
  wrong[0] = 0x80;
  edit("code", {{meta_key("local"), wrong}});
  remove_clean(path());
  const auto opened = try_open();
  if (opened) {
    EXPECT_TRUE(opened->open_report().rebuilt_working_copy);
    EXPECT_TRUE(store_is(*opened, model_.committed()));
  } else {
    EXPECT_TRUE(fails(opened, ErrorCode::corruption));
  }
}

// docs/hazards.md#missing-hashes-as-zero
TEST_F(Metadata, MissingHashesOnAStoreWithRowsAreNeverZero) {
  // The databases hold no hash at all: LocalMeta has the old form, and the metadata database is
  // empty. The next block must build on the sum of the rows; starting from zero, every later root
  // would be wrong.
  for (const char* name : {"account", "code", "storage", "legacy"}) make_old_form(name);
  edit("metadata", {{meta_key("_meta/hash/account"), {}},
                    {meta_key("_meta/hash/code"), {}},
                    {meta_key("_meta/hash/storage"), {}},
                    {meta_key("_meta/hash/legacy"), {}},
                    {meta_key("_meta/hash"), {}},
                    {meta_key("_meta/version"), {}}});
  open();
  EXPECT_EQ(store_->open_report().backfilled.size(), 4U);
  EXPECT_TRUE(store_->open_report().rebuilt_metadata);
  EXPECT_NE(to_hex(store_->committed_roots().storage).substr(0, 8), "be2a8de3");
  check_and_go_on();
  close();
  ASSERT_TRUE(all_flushed_at(model_.version()));
  EXPECT_EQ(meta("metadata", "_meta/hash/storage"),
            to_bytes(model_.committed().hashes[Database::storage].serialized()));
}

// docs/hazards.md#missing-hashes-as-zero
TEST_F(Metadata, MissingPerDatabaseHashesAlone) {
  // Like a store from before per-database hashes: only the global hash and version are there.
  for (const char* name : {"account", "code", "storage", "legacy"}) make_old_form(name);
  edit("metadata", {{meta_key("_meta/hash/account"), {}},
                    {meta_key("_meta/hash/code"), {}},
                    {meta_key("_meta/hash/storage"), {}},
                    {meta_key("_meta/hash/legacy"), {}}});
  remove_clean(path());
  open();
  EXPECT_EQ(store_->open_report().backfilled.size(), 4U);
  check_and_go_on();
}

// docs/hazards.md#missing-hashes-as-zero
TEST_F(Metadata, BackfillThatMeetsAChangedRowIsRefused) {
  // The scan is compared with the record of that version, so the hash of wrong rows is not used.
  const auto& rows = model_.committed().rows[Database::storage];
  ASSERT_FALSE(rows.empty());
  make_old_form("storage");
  edit("storage", {{row_key(rows.begin()->first), text("not what was written")}});
  remove_clean(path());
  expect_refused(ErrorCode::corruption);
}

TEST_F(Metadata, ScanForMissingStatsThatMeetsAChangedRowIsRefused) {
  const auto& rows = model_.committed().rows[Database::storage];
  edit("storage",
       {{row_key(rows.begin()->first), text("not what was written")}, {meta_key("stats"), {}}});
  remove_clean(path());
  const auto opened = try_open();
  ASSERT_TRUE(fails(opened, ErrorCode::corruption));
  EXPECT_EQ(opened.error().path, working(path(), "storage"));
  EXPECT_EQ(opened.error().database, Database::storage);
  EXPECT_EQ(opened.error().version, 12);
  EXPECT_NE(
      opened.error().message.find("LocalMeta has " + to_hex(model_.committed().roots().storage)),
      std::string::npos)
      << opened.error().message;
}

TEST_F(Metadata, MetadataDatabaseWithoutItsKeysIsFilledFromLocalMeta) {
  edit("metadata", {{meta_key("_meta/hash/code"), {}}});
  open();
  EXPECT_TRUE(store_->open_report().rebuilt_metadata);
  check_and_go_on();
  close();
  EXPECT_EQ(meta("metadata", "_meta/hash/code"),
            to_bytes(model_.committed().hashes[Database::code].serialized()));
}

TEST_F(Metadata, HashThatDiffersFromLocalMetaAtTheSameVersionIsRefused) {
  Bytes wrong = *meta("metadata", "_meta/hash/storage");
  wrong[100] ^= 1;
  edit("metadata", {{meta_key("_meta/hash/storage"), wrong}});
  remove_clean(path());
  expect_refused(ErrorCode::corruption);
}

TEST_F(Metadata, GlobalHashThatIsNotTheSumIsRefused) {
  Bytes wrong = *meta("metadata", "_meta/hash");
  wrong[0] ^= 1;
  edit("metadata", {{meta_key("_meta/hash"), wrong}});
  remove_clean(path());
  expect_refused(ErrorCode::corruption);
}

TEST_F(Metadata, LocalMetaThatMatchesNoRecordIsAStrangers) {
  PlainLtHash wrong = model_.committed().hashes[Database::storage];
  wrong.add(text("x"), text("y"));
  edit("storage", {{meta_key("local"), local_meta(12, wrong)}});
  remove_clean(path());
  const auto opened = try_open();
  ASSERT_OK(opened);
  EXPECT_TRUE(opened->open_report().rebuilt_working_copy);
  EXPECT_TRUE(store_is(*opened, model_.committed()));
}

TEST_F(Metadata, DatabaseOfAnotherStoreIsNotTaken) {
  TempDir other;
  {
    auto made = CommitStore::open(other.path("store"), options_);
    ASSERT_OK(made);
    for (std::int64_t v = 1; v <= 12; ++v) {
      for (const Changes& changes : script_block(99, v)) ASSERT_OK(made->apply(changes));
      ASSERT_OK(made->commit(v));
    }
    ASSERT_OK(made->close());
  }
  copy_tree(working(other.path("store"), "storage"), working(path(), "storage"));
  remove_clean(path());
  const auto opened = try_open();
  ASSERT_OK(opened);
  EXPECT_TRUE(opened->open_report().rebuilt_working_copy);
  EXPECT_TRUE(store_is(*opened, model_.committed()));
}

TEST_F(Metadata, VerifyFindsARowChangedBehindTheStore) {
  const auto& rows = model_.committed().rows[Database::legacy];
  ASSERT_FALSE(rows.empty());
  edit("legacy", {{row_key(rows.rbegin()->first), text("changed")}});
  open();  // the open scans nothing: the metadata is right
  const auto report = store_->verify();
  ASSERT_OK(report);
  EXPECT_FALSE(report->good());
  for (const DatabaseVerdict& verdict : report->databases) {
    EXPECT_EQ(verdict.good(), verdict.database != Database::legacy);
    if (verdict.database == Database::legacy) {
      EXPECT_NE(verdict.expected, verdict.found);
    }
  }
  if (!HasFailure()) count_fault("V1", Came::refused);
}

TEST_F(Metadata, VerifyFindsARowTooManyAndARowTooFew) {
  // Its value is empty, so the hash does not show it.
  edit("code", {{row_key(text("surplus")), Bytes()}});
  const auto& rows = model_.committed().rows[Database::storage];
  edit("storage", {{row_key(rows.begin()->first), {}}});
  open();
  ASSERT_TRUE(store_->open_report().clean) << "the damage is gone";
  const auto report = store_->verify();
  ASSERT_OK(report);
  EXPECT_FALSE(report->good());
  for (const DatabaseVerdict& verdict : report->databases) {
    const bool touched =
        verdict.database == Database::code || verdict.database == Database::storage;
    EXPECT_EQ(verdict.good(), !touched) << to_string(verdict.database);
  }
  if (!HasFailure()) count_fault("V1", Came::refused, 2);
}

}  // namespace
}  // namespace flatkv::test
