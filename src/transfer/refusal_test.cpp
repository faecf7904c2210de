// SPDX-License-Identifier: Apache-2.0
// What an import and a check refuse (rows I1 and I2 of docs/recovery.md), with nothing changed.
#include <gtest/gtest.h>

#include "transfer/test_support.hpp"

namespace flatkv::transfer {
namespace {

/// A store to export, and another one that must not change.
class Refusal : public ::testing::Test {
 protected:
  Refusal() {
    {
      CommitStore old = open_new(dir_ / "old");
      must(Block().slot(7, 7, 7).commit(old));
      must(old.close());
    }
    before_ = tree_digest(dir_ / "old");
  }

  /// Imports over the old store, which must stay.
  void expect_not_replaced(ByteView bytes, const std::string& what,
                           const TrustedRoots& trusted = {}) const {
    const auto done = import(bytes, dir_ / "old", force(), trusted);
    ASSERT_FALSE(done) << what;
    EXPECT_EQ(done.error().code, ErrorCode::corruption) << what << done.error().to_string();
    EXPECT_EQ(tree_digest(dir_ / "old"), before_) << what;
  }

  /// Imports into an empty place, which must stay empty.
  void expect_none(ByteView bytes, const std::string& what,
                   const TrustedRoots& trusted = {}) const {
    ASSERT_FALSE(import(bytes, dir_ / "new", force(), trusted)) << what;
    const auto none = CommitStore::open(dir_ / "new");
    ASSERT_FALSE(none) << what;
    EXPECT_EQ(none.error().code, ErrorCode::not_found) << what;
  }

  void expect_refused(ByteView bytes, const std::string& what,
                      const TrustedRoots& trusted = {}) const {
    const auto checked = check(bytes, trusted);
    ASSERT_FALSE(checked) << what;
    EXPECT_EQ(checked.error().code, ErrorCode::corruption) << what << checked.error().to_string();
    expect_not_replaced(bytes, what, trusted);
    expect_none(bytes, what, trusted);
  }

  TempDir dir_;
  std::string before_;
};

TEST_F(Refusal, OfTrustedLinesTheOneOfTheVersionCounts) {
  CommitStore store = open_new(dir_ / "s");
  must(Block().slot(1, 1, 1).commit(store));
  must(Block().slot(1, 2, 2).commit(store));
  const Bytes bytes = export_bytes(store);
  const Roots right = store.committed_roots();
  Roots wrong = right;
  wrong.storage[0] ^= 1;
  TrustedRoots trusted;
  trusted.lines = {{1, wrong}, {2, right}};
  EXPECT_TRUE(check(bytes, trusted));
  trusted.lines = {{1, right}, {2, wrong}};
  expect_refused(bytes, "another state of that version", trusted);
  trusted.lines = {{1, right}, {3, right}};
  const auto missing = check(bytes, trusted);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::version_mismatch);
  EXPECT_EQ(missing.error().version, 2);
}

TEST_F(Refusal, AnyFlippedBitAndAnyCut_I2) {
  CommitStore store = open_new(dir_ / "s");
  must(Block().slot(1, 1, 1).set({0x42}, {1, 2}).commit(store));
  const Bytes bytes = export_bytes(store);
  ASSERT_TRUE(check(bytes));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes damaged = bytes;
    damaged[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
    EXPECT_FALSE(check(damaged)) << "flipped at " << i;
    const auto cut = check(ByteView(bytes).first(i));
    ASSERT_FALSE(cut) << "cut at " << i;
    // Without its header a stream has no version.
    EXPECT_EQ(cut.error().version.has_value(), i >= kHeaderBytes) << "cut at " << i;
    // The header is refused before an import begins: a few of its bytes are enough here.
    if (i < kHeaderBytes && i % 256 != 0) continue;
    expect_not_replaced(damaged, "flipped at " + std::to_string(i));
    expect_not_replaced(ByteView(bytes).first(i), "cut at " + std::to_string(i));
    if (i % 32 == 0) expect_none(damaged, "flipped at " + std::to_string(i));
    if (HasFatalFailure()) return;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  expect_refused(longer, "a byte more");
}

TEST_F(Refusal, EveryForgery_I2) {
  CommitStore store = open_new(dir_ / "s");
  fill(store, 2);
  const auto refused = [&](const char* what, auto change) {
    Forger forger(store);
    change(forger);
    expect_refused(forger.bytes(), what);
  };
  EXPECT_TRUE(check(Forger(store).bytes()));
  refused("value", [](Forger& f) { f.rows[20].value[0] ^= 1; });
  refused("key", [](Forger& f) { f.rows[20].key[31] ^= 1; });
  refused("missing", [](Forger& f) { f.rows.erase(f.rows.begin() + 20); });
  refused("first missing", [](Forger& f) { f.rows.erase(f.rows.begin()); });
  refused("last missing", [](Forger& f) { f.rows.pop_back(); });
  refused("all missing", [](Forger& f) { f.rows.clear(); });
  refused("duplicate", [](Forger& f) { f.rows.insert(f.rows.begin() + 20, f.rows[20]); });
  refused("order", [](Forger& f) { std::swap(f.rows[20], f.rows[21]); });
  refused("databases", [](Forger& f) { std::swap(f.rows.front(), f.rows.back()); });
  refused("surplus", [](Forger& f) { f.rows.push_back({Database::legacy, {0xff, 0xff}, {1}}); });
  refused("empty surplus", [](Forger& f) { f.rows.push_back({Database::legacy, {0xff}, {}}); });
  refused("account", [](Forger& f) { f.rows[0].value.resize(41); });
  refused("misplaced", [](Forger& f) {
    f.rows.push_back({Database::legacy, Block::slot_key(9, 9), Block::word(1)});
  });
  refused("roots line",
          [](Forger& f) { std::swap(f.header.summary.roots.code, f.header.summary.roots.legacy); });
  refused("hash",
          [](Forger& f) { f.header.hashes[Database::code] = f.header.hashes[Database::storage]; });
  refused("counts", [](Forger& f) { ++f.header.summary.stats[Database::storage].rows; });
  refused("bytes", [](Forger& f) { --f.header.summary.stats[Database::storage].value_bytes; });
}

/// Versions that no store has, and a footer that counts other rows, each under a digest that fits.
TEST_F(Refusal, AVersionOutOfRangeAndAFooterThatMiscounts) {
  CommitStore store = open_new(dir_ / "s");
  fill(store, 2);
  Forger forger(store);
  const Bytes good = forger.bytes();
  forger.header.summary.version = -1;
  expect_refused(forger.bytes(), "version 2^64 - 1");

  const std::size_t footer_at = good.size() - kFrameBytes - 32;
  Digest previous{};
  std::copy_n(good.begin() + static_cast<std::ptrdiff_t>(footer_at) - 32, 32, previous.begin());
  FrameBytes frame{};
  std::copy_n(good.begin() + static_cast<std::ptrdiff_t>(footer_at), kFrameBytes, frame.begin());
  const Footer footer = must(decode_frame(frame)).footer;
  ASSERT_EQ(footer.rows, forger.rows.size());
  const auto with = [&](const Footer& other) {
    Bytes bytes = to_bytes(ByteView(good).first(footer_at));
    const FrameBytes own = encode(other);
    append(bytes, own);
    append(bytes, frame_digest(previous, own, {}));
    return bytes;
  };
  EXPECT_TRUE(check(with(footer)));
  for (const Footer& other :
       {Footer{footer.chunks, footer.rows + 1}, Footer{footer.chunks + 1, footer.rows}}) {
    expect_refused(with(other), "footer");
    const auto checked = check(with(other));
    EXPECT_TRUE(checked.error().message.contains("the footer counts ")) << checked.error().message;
    EXPECT_EQ(checked.error().version, 2);
  }
}

TEST_F(Refusal, AnotherRootThanTheTrusted) {
  CommitStore store = open_new(dir_ / "s");
  fill(store, 2);
  const Bytes bytes = export_bytes(store);
  const Roots good = store.committed_roots();
  EXPECT_TRUE(check(bytes, {good.root, good, {}}));
  expect_refused(bytes, "root", {Digest{}, {}, {}});
  for (Digest Roots::* one :
       {&Roots::root, &Roots::account, &Roots::code, &Roots::storage, &Roots::legacy}) {
    Roots other = good;
    (other.*one)[0] ^= 1;
    expect_refused(bytes, "roots line", {good.root, other, {}});
  }
}

// docs/hazards.md#rows-trading-places
TEST_F(Refusal, ARowInAnotherDatabaseUnderTheSameRoot) {
  CommitStore store = open_new(dir_ / "s");
  const Address address = Block::address(3);
  must(Block().set(to_bytes(code_key(address)), Bytes(40, 0x11)).commit(store));
  Forger forger(store);
  ASSERT_EQ(forger.rows.size(), 1U);
  forger.rows[0].database = Database::account;  // 40 bytes under an address: a valid account row
  std::swap(forger.header.hashes[Database::account], forger.header.hashes[Database::code]);
  std::swap(forger.header.summary.stats[Database::account],
            forger.header.summary.stats[Database::code]);
  std::swap(forger.header.summary.roots.account, forger.header.summary.roots.code);
  const Bytes bytes = forger.bytes();
  EXPECT_TRUE(check(bytes, {store.committed_roots().root, {}, {}}));  // the root does not show it
  expect_refused(bytes, "rows that traded places", {{}, store.committed_roots(), {}});

  const Forger::Row& row = forger.rows[0];
  const ImportRow one{row.database, row.key, row.value};
  Importer importer = must(Importer::begin(dir_ / "old", force()));
  must(importer.add({&one, 1}));
  EXPECT_FALSE(importer.finish(1, {{}, store.committed_roots(), {}}));
  EXPECT_EQ(tree_digest(dir_ / "old"), before_);
}

TEST_F(Refusal, AnEmptyAccountUnderPruneEmpty) {
  CommitStore store = open_new(dir_ / "s");
  must(Block().remove(to_bytes(nonce_key(Block::address(1)))).commit(store));
  EXPECT_TRUE(check(Forger(store).bytes()));
  expect_refused(Forger(store, AccountRows::prune_empty).bytes(), "40 zero bytes");
}

class ImporterRefusal : public Refusal {
 protected:
  using Rows = std::vector<Forger::Row>;

  /// All rows but the last are accepted; the last is refused, and the import is over.
  void expect_refused_row(const Rows& rows, const std::string& what,
                          AccountRows account_rows = AccountRows::keep) const {
    ImportOptions options = force();
    options.account_rows = account_rows;
    Importer importer = must(Importer::begin(dir_ / "old", options));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const ImportRow row{rows[i].database, rows[i].key, rows[i].value};
      const Status added = importer.add({&row, 1});
      if (i + 1 < rows.size()) {
        must(Status(added));
        continue;
      }
      ASSERT_FALSE(added) << what;
      EXPECT_EQ(added.error().code, ErrorCode::corruption) << what;
      EXPECT_EQ(added.error().database, row.database) << what;
    }
    const auto finished = importer.finish(1);
    ASSERT_FALSE(finished) << what;
    EXPECT_EQ(finished.error().code, ErrorCode::invalid_argument) << what;
    must(importer.close());
    EXPECT_EQ(tree_digest(dir_ / "old"), before_) << what;
  }
};

TEST_F(ImporterRefusal, RowsThatNoStateHas) {
  const Bytes address(20, 0x31);
  const Bytes lower(20, 0x30);
  const Bytes slot(52, 0x31);
  const Bytes account(40, 1);
  expect_refused_row({{Database::code, address, {1}}, {Database::code, address, {1}}}, "again");
  expect_refused_row({{Database::code, address, {1}}, {Database::code, lower, {1}}}, "order");
  expect_refused_row({{Database::code, address, {1}}, {Database::account, lower, account}},
                     "an earlier database");
  expect_refused_row({{Database::account, slot, account}}, "a slot among accounts");
  expect_refused_row({{Database::account, address, Bytes(41, 1)}}, "length of an account");
  expect_refused_row({{Database::account, address, Bytes(72)}}, "a code hash of zeros");
  expect_refused_row({{Database::code, slot, {1}}}, "a slot among codes");
  expect_refused_row({{Database::storage, address, {1}}}, "an address among slots");
  expect_refused_row({{Database::legacy, Block::slot_key(1, 1), {1}}}, "a slot's key in legacy");
  expect_refused_row({{Database::legacy, {}, {1}}}, "no key");
  expect_refused_row({{Database::legacy, Bytes(65537, 1), {1}}}, "a long key");
  expect_refused_row({{Database::metadata, {1}, {1}}}, "not a database of rows");
  expect_refused_row({{Database::account, address, Bytes(40)}}, "an empty account",
                     AccountRows::prune_empty);
}

TEST_F(ImporterRefusal, AFinishThatIsNotRight) {
  const Bytes key = {0x50};
  const ImportRow row{Database::legacy, key, key};
  for (const std::int64_t version : {std::int64_t{-1}, INT64_MAX}) {
    Importer importer = must(Importer::begin(dir_ / "old", force()));
    must(importer.add({&row, 1}));
    const auto done = importer.finish(version);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(tree_digest(dir_ / "old"), before_);
  }
  Importer importer = must(Importer::begin(dir_ / "old", force()));
  must(importer.add({&row, 1}));
  const auto done = importer.finish(1, {Digest{}, {}, {}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::corruption);
  EXPECT_FALSE(importer.add({&row, 1}));
  EXPECT_FALSE(importer.finish(1));
  EXPECT_EQ(tree_digest(dir_ / "old"), before_);
}

// docs/hazards.md#close-finishes-import
TEST_F(ImporterRefusal, CloseWithoutFinishIsAbort) {
  const Bytes key = {0x50};
  const ImportRow row{Database::legacy, key, key};
  for (const char* place : {"old", "new"}) {
    {
      Importer importer = must(Importer::begin(dir_ / place, force()));
      must(importer.add({&row, 1}));
      must(importer.close());
      must(importer.close());
      EXPECT_FALSE(importer.add({&row, 1}));
      EXPECT_FALSE(importer.finish(1));
    }
    Importer importer = must(Importer::begin(dir_ / place, force()));
    must(importer.add({&row, 1}));
    importer.abort();
    EXPECT_FALSE(importer.finish(1));
  }
  EXPECT_EQ(tree_digest(dir_ / "old"), before_);
  const auto opened = CommitStore::open(dir_ / "new");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::not_found);
  EXPECT_FALSE(Importer::begin(dir_ / "old"));  // without force
}

TEST_F(ImporterRefusal, AnUnfinishedImportNamesTheCommandToRepeat_I1) {
  CommitStore source = open_new(dir_ / "source");
  fill(source, 2);
  const Forger rows(source);
  Importer importer = must(Importer::begin(dir_ / "new"));
  for (const auto& row : rows.rows) {
    const ImportRow one{row.database, row.key, row.value};
    must(importer.add({&one, 1}));
  }
  // What a kill at this moment leaves behind.
  const std::string left = dir_ / "left";
  std::filesystem::copy(dir_ / "new", left, std::filesystem::copy_options::recursive);
  const std::string before = tree_digest(left);
  for (const bool create : {false, true}) {
    Options options;
    options.create_if_missing = create;
    const auto opened = CommitStore::open(left, options);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::import_incomplete);
    EXPECT_NE(opened.error().message.find("flatkv import FILE " + left), std::string::npos);
  }
  EXPECT_EQ(tree_digest(left), before);
  must(import(export_bytes(source), left));  // no force: nothing is replaced
  EXPECT_EQ(must(CommitStore::open(left)).committed_roots(), source.committed_roots());
}

}  // namespace
}  // namespace flatkv::transfer
