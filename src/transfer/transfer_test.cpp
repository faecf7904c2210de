#include "flatkv/transfer.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/endian.hpp"
#include "base/failpoint.hpp"
#include "blake3/blake3.hpp"
#include "store/test_store.hpp"
#include "transfer/stream_writer.hpp"

namespace flatkv {
namespace {

using store::Block;
using store::expect_verified;
using store::must;
using store::open_new;
using store::TempDir;

class MemorySink : public ByteSink {
 public:
  Status write(ByteView more) override {
    append(bytes, more);
    return {};
  }
  Bytes bytes;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(ByteView bytes) : rest_(bytes) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    // Odd portions, as a pipe might give them.
    const std::size_t count = std::min({into.size(), rest_.size(), std::size_t{777}});
    std::ranges::copy(rest_.first(count), into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  ByteView rest_;
};

Bytes nonce(std::uint64_t value) {
  Bytes bytes(8);
  store_be(bytes.data(), value);
  return bytes;
}

/// Rows in all four databases.
void fill(CommitStore& store, unsigned blocks = 5) {
  for (unsigned i = 0; i < blocks; ++i) {
    Block block;
    for (unsigned j = 0; j < 50; ++j) block.slot(i + 1, j, i * j + 1);
    block.set(to_bytes(nonce_key(Block::address(i))), nonce(i + 1));
    block.set(to_bytes(code_key(Block::address(i))), Bytes(1000 * i + 1, 0x60));
    block.set({0x99, static_cast<std::uint8_t>(i)}, i == 2 ? Bytes{} : Bytes{1, 2, 3});
    must(block.commit(store));
  }
}

Bytes export_bytes(const CommitStore& store) {
  MemorySink sink;
  must(export_state(must(store.view()), store.account_rows(), sink));
  return std::move(sink.bytes);
}

Result<StreamSummary> check(ByteView bytes, const TrustedRoots& trusted = {}) {
  MemorySource source(bytes);
  return check_stream(source, trusted);
}

Result<StreamSummary> import(ByteView bytes, const std::string& path, ImportOptions options = {},
                             const TrustedRoots& trusted = {}) {
  MemorySource source(bytes);
  return import_stream(source, path, options, trusted);
}

ImportOptions force() {
  ImportOptions options;
  options.force = true;
  return options;
}

TEST(Transfer, RoundTripGoesOnWithTheSameRoots) {
  const TempDir dir;
  CommitStore one = open_new(dir / "one");
  fill(one);
  const Bytes bytes = export_bytes(one);
  const StreamSummary checked =
      must(check(bytes, {one.committed_roots().root, one.committed_roots()}));
  EXPECT_EQ(checked.version, 5);
  EXPECT_EQ(checked.rows(), 5U * 53);
  must(import(bytes, dir / "two"));

  CommitStore two = must(CommitStore::open(dir / "two"));
  EXPECT_TRUE(two.version() == 5 && two.committed_roots() == one.committed_roots());
  expect_verified(two);
  EXPECT_EQ(export_bytes(two), bytes);  // equal states, equal bytes
  for (unsigned i = 0; i < 10; ++i) {
    Block block;
    block.slot(1, i, 77).remove(Block::slot_key(2, i)).set({0x99, 0x02}, {9});
    EXPECT_EQ(must(block.commit(one)), must(block.commit(two)));
  }
  must(two.close());
  {
    const CommitStore gone = std::move(two);
  }
  const CommitStore again = must(CommitStore::open(dir / "two"));
  EXPECT_EQ(again.version(), 15);  // trap 29: not gone at the next open
  expect_verified(again);
}

TEST(Transfer, AnEmptyStateTravels) {
  const TempDir dir;
  const CommitStore one = open_new(dir / "one");
  must(import(export_bytes(one), dir / "two"));
  CommitStore two = must(CommitStore::open(dir / "two"));
  EXPECT_EQ(two.version(), 0);
  must(Block().slot(1, 1, 1).commit(two));
}

TEST(Transfer, EveryFlippedByteAndEveryCutIsRefused) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  must(Block().slot(1, 1, 1).set({0x42}, {1, 2}).commit(store));
  const Bytes bytes = export_bytes(store);
  ASSERT_TRUE(check(bytes));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    // The long hashes in the middle are covered by the digest like all else; every 7th is enough.
    if (i > 300 && i < transfer::kHeaderBytes - 64 && i % 7 != 0) continue;
    Bytes damaged = bytes;
    damaged[i] ^= 0x10;
    EXPECT_FALSE(check(damaged)) << i;
    EXPECT_FALSE(check(ByteView(bytes).first(i))) << i;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(check(longer));
}

/// A stream made by somebody who can compute digests: only rules and hashes can find it out.
class Forger {
 public:
  explicit Forger(const CommitStore& store, AccountRows account_rows = AccountRows::keep) {
    const ReadView view = must(store.view());
    header.summary.version = view.version();
    header.summary.account_rows = account_rows;
    header.summary.roots = view.roots();
    for (std::size_t i = 0; i < 4; ++i) {
      const auto database = static_cast<Database>(i);
      header.summary.stats[i] = view.stats(database);
      header.hashes[i] = view.hash(database);
      RowIterator it = must(view.iterate(database));
      for (; it.valid(); it.next())
        rows.push_back({database, to_bytes(it.key()), to_bytes(it.value())});
    }
  }
  struct Row {
    Database database;
    Bytes key;
    Bytes value;
  };
  Bytes bytes() const {
    MemorySink sink;
    transfer::StreamWriter writer(sink);
    must(writer.begin(header));
    for (const Row& row : rows) must(writer.row(row.database, row.key, row.value));
    must(writer.finish());
    return std::move(sink.bytes);
  }
  transfer::StreamHeader header;
  std::vector<Row> rows;
};

TEST(Transfer, ForgedStreamsAreRefusedAndChangeNothing) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  fill(store, 2);
  const Roots good = store.committed_roots();
  const auto refused = [&](const char* what, auto change) {
    Forger forger(store);
    change(forger);
    EXPECT_FALSE(check(forger.bytes())) << what;
    EXPECT_FALSE(import(forger.bytes(), dir / what)) << what;
    const auto opened = CommitStore::open(dir / what);
    EXPECT_FALSE(opened) << what;
  };
  EXPECT_TRUE(check(Forger(store).bytes()));
  refused("value", [](Forger& f) { f.rows[20].value[0] ^= 1; });
  refused("missing", [](Forger& f) { f.rows.erase(f.rows.begin() + 20); });
  refused("duplicate", [](Forger& f) { f.rows.insert(f.rows.begin() + 20, f.rows[20]); });
  refused("order", [](Forger& f) { std::swap(f.rows[20], f.rows[21]); });
  refused("surplus", [](Forger& f) { f.rows.push_back({Database::legacy, {0xff, 0xff}, {1}}); });
  refused("empty surplus", [](Forger& f) { f.rows.push_back({Database::legacy, {0xff}, {}}); });
  refused("account", [](Forger& f) { f.rows[0].value.resize(41); });
  refused("misplaced", [](Forger& f) {
    f.rows.push_back({Database::legacy, Block::slot_key(9, 9), Block::word(1)});
  });
  refused("roots line",
          [](Forger& f) { std::swap(f.header.summary.roots.code, f.header.summary.roots.legacy); });
  refused("counts", [](Forger& f) { ++f.header.summary.stats[2].rows; });
  EXPECT_FALSE(check(Forger(store).bytes(), {Digest{}, {}}));
  Roots other = good;
  other.storage[0] ^= 1;
  EXPECT_FALSE(check(Forger(store).bytes(), {good.root, other}));
}

TEST(Transfer, Trap46_ARowInAnotherDatabaseUnderTheSameRoot) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  const Address address = Block::address(3);
  must(Block().set(to_bytes(code_key(address)), Bytes(40, 0x11)).commit(store));
  Forger forger(store);
  ASSERT_EQ(forger.rows.size(), 1U);
  forger.rows[0].database = Database::account;  // 40 bytes under an address: a sound account row
  std::swap(forger.header.hashes[0], forger.header.hashes[1]);
  std::swap(forger.header.summary.stats[0], forger.header.summary.stats[1]);
  std::swap(forger.header.summary.roots.account, forger.header.summary.roots.code);
  const Bytes bytes = forger.bytes();
  EXPECT_TRUE(check(bytes, {store.committed_roots().root, {}}));  // the root alone cannot tell
  EXPECT_FALSE(check(bytes, {{}, store.committed_roots()}));
  EXPECT_FALSE(import(bytes, dir / "t", {}, {{}, store.committed_roots()}));
}

TEST(Transfer, AnEmptyAccountIsForbiddenUnderPruneEmpty) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  must(Block().remove(to_bytes(nonce_key(Block::address(1)))).commit(store));
  EXPECT_TRUE(check(Forger(store).bytes()));
  EXPECT_FALSE(check(Forger(store, AccountRows::prune_empty).bytes()));
}

TEST(Transfer, Trap26_AStoreIsReplacedOnlyWithForceAndWhole) {
  const TempDir dir;
  CommitStore one = open_new(dir / "one");
  must(Block().slot(1, 1, 1).commit(one));
  const Bytes bytes = export_bytes(one);
  {
    CommitStore two = open_new(dir / "two");
    fill(two);
    const auto locked = import(bytes, dir / "two", force());
    ASSERT_FALSE(locked);
    EXPECT_EQ(locked.error().code, ErrorCode::locked);
  }
  const auto refused = import(bytes, dir / "two");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(must(CommitStore::open(dir / "two")).version(), 5);
  must(import(bytes, dir / "two", force()));
  const CommitStore two = must(CommitStore::open(dir / "two"));
  EXPECT_EQ(two.committed_roots(), one.committed_roots());
  EXPECT_EQ(must(two.get(Block::slot_key(2, 1))), std::nullopt);
  expect_verified(two);
  EXPECT_FALSE(std::filesystem::exists(dir / "two/gen-00000001"));
}

TEST(Importer, TwentyPairsInFourDatabases) {
  const TempDir dir;
  CommitStore direct = open_new(dir / "direct");
  Block block;
  for (unsigned i = 1; i <= 5; ++i) {
    block.set(to_bytes(nonce_key(Block::address(i))), nonce(i));
    block.set(to_bytes(code_key(Block::address(i))), {static_cast<std::uint8_t>(i)});
    block.slot(i, i, i).set({0x50, static_cast<std::uint8_t>(i)}, {1});
  }
  must(block.commit(direct));
  const Forger rows(direct);
  ASSERT_EQ(rows.rows.size(), 20U);
  Importer importer = must(Importer::begin(dir / "imported"));
  for (const auto& row : rows.rows) {
    const ImportRow one{row.database, row.key, row.value};
    must(importer.add({&one, 1}));
  }
  const auto opened = CommitStore::open(dir / "imported");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::locked);
  EXPECT_EQ(must(importer.finish(1)), direct.committed_roots());
  must(importer.close());
  must(importer.close());
  {
    const Importer gone = std::move(importer);
  }
  const CommitStore imported = must(CommitStore::open(dir / "imported"));
  EXPECT_TRUE(imported.open_report().replayed_blocks == 0 && imported.version() == 1);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto database = static_cast<Database>(i);
    EXPECT_EQ(imported.working_hash(database), direct.working_hash(database));
  }
  EXPECT_EQ(imported.working_roots(), imported.committed_roots());
  expect_verified(imported);
}

TEST(Importer, Trap28_CloseWithoutFinishIsAbort) {
  const TempDir dir;
  {
    Importer importer = must(Importer::begin(dir / "s"));
    const Bytes key = {0x50};
    const ImportRow row{Database::legacy, key, key};
    must(importer.add({&row, 1}));
    EXPECT_FALSE(importer.add({&row, 1}));  // the same key again: over
    EXPECT_FALSE(importer.finish(1));
    must(importer.close());
  }
  const auto opened = CommitStore::open(dir / "s");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::not_found);
}

#ifdef FLATKV_FAILPOINTS
TEST(Importer, Trap27_AFailureAtAnyStepLeavesTheOldStore) {
  const TempDir dir;
  CommitStore source = open_new(dir / "source");
  fill(source);
  const Bytes bytes = export_bytes(source);
  Roots old;
  const auto make_old = [&] {
    std::filesystem::remove_all(dir / "s");
    CommitStore store = open_new(dir / "s");
    old = must(Block().slot(7, 7, 7).commit(store));
  };
  make_old();
  failpoint::reset_counts();
  must(import(bytes, dir / "counted"));
  const auto sites = failpoint::counts();
  ASSERT_GT(sites.size(), 10U);
  for (const auto& [site, hits] : sites) {
    for (unsigned nth = 1; nth <= std::min<std::uint64_t>(hits, 3); ++nth) {
      failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected")); }, nth);
      const auto done = import(bytes, dir / "s", force());
      failpoint::disarm_all();
      bool is_new = false;
      {
        const CommitStore store = must(CommitStore::open(dir / "s"));
        is_new = store.committed_roots() == source.committed_roots();
        EXPECT_TRUE(is_new || store.committed_roots() == old) << site << " hit " << nth;
        EXPECT_TRUE(!done || is_new) << site;
        expect_verified(store);
      }
      if (is_new) make_old();  // the failure came after the swap
    }
  }
}
#endif

TEST(TransferFiles, CompressedAndInterrupted) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  fill(store);
  const ReadView view = must(store.view());
  must(export_to_file(view, store.account_rows(), dir / "plain"));
  must(export_to_file(view, store.account_rows(), dir / "small.zst"));
  EXPECT_EQ(must(check_file(dir / "plain")).roots, must(check_file(dir / "small.zst")).roots);
  EXPECT_LT(std::filesystem::file_size(dir / "small.zst"),
            std::filesystem::file_size(dir / "plain"));
  must(import_file(dir / "small.zst", dir / "t"));
  expect_verified(must(CommitStore::open(dir / "t")));

  const std::atomic<bool> cancel{true};
  TransferOptions options;
  options.cancel = &cancel;
  const auto cancelled = check_file(dir / "plain", {}, options);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
  std::filesystem::resize_file(dir / "small.zst", 900);
  EXPECT_FALSE(check_file(dir / "small.zst"));
  EXPECT_FALSE(check_file(dir / "none"));
}

}  // namespace
}  // namespace flatkv
