// SPDX-License-Identifier: Apache-2.0
#include "transfer/prefetch_ahead.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/bytes.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/tools/sei_log.hpp"
#include "rocks/slow_tables.hpp"
#include "store/commit_store.hpp"
#include "store/test_store.hpp"

namespace flatkv::transfer {
namespace {

using rocks::SlowTables;
using store::Block;
using store::expect_verified;
using store::must;
using store::TempDir;
using namespace std::chrono_literals;

constexpr unsigned kBlocks = 80;
constexpr unsigned kWrites = 40;

/// Writes to the rows of some blocks; no row is of two blocks.
class Writes {
 public:
  explicit Writes(unsigned block) : Writes(block, block + 1, 9) {}
  Writes(unsigned begin, unsigned end, unsigned value) : value_(Block::word(value)) {
    for (unsigned row = begin * kWrites; row < end * kWrites; ++row) {
      keys_.push_back(Block::slot_key(row / kWrites, row % kWrites));
    }
    for (const Bytes& key : keys_) pairs_.push_back({key, value_, false});
    set_ = {kEvmModule, pairs_};
  }
  Writes(const Writes&) = delete;
  Writes& operator=(const Writes&) = delete;

  std::span<const NamedChangeSet> sets() const { return {&set_, 1}; }

 private:
  Bytes value_;
  std::vector<Bytes> keys_;
  std::vector<KVPair> pairs_;
  NamedChangeSet set_;
};

/// A store in whose tables all rows lie.
class PrefetchAheadTest : public ::testing::Test {
 protected:
  PrefetchAheadTest() {
    options_.create_if_missing = true;
    options_.durability = Durability::process;
    options_.cache.block_cache_bytes = 0;
    options_.cache.key_filter_bytes = 0;
    open();
    must(store_->apply(Writes(0, kBlocks + 1, 7).sets()));
    must(store_->commit(1));
    must(store_->close());
    open();
  }

  void open() {
    store_.reset();
    store_.emplace(
        must(store::open_commit_store({&fs::posix(), tables_.env()}, dir_ / "s", options_)));
  }
  void slow() { tables_.before_read(SlowTables::like_a_device(500us)); }
  /// A block that waits for the device.
  void wait_once() {
    slow();
    const Writes writes(kBlocks);
    must(store_->apply(writes.sets()));
    must(store_->commit(store_->version() + 1));
    ASSERT_GT(store_->metrics().read_threads, 0U);
  }
  /// The counters, once all that was asked for is done with.
  PrefetchMetrics settled() const {
    for (;;) {
      const PrefetchMetrics now = store_->metrics().prefetch;
      if (now.asked == now.loaded + now.hit + now.dropped) return now;
      std::this_thread::yield();
    }
  }

  TempDir dir_;
  SlowTables tables_;
  Options options_;
  std::optional<CommitStore> store_;
};

TEST_F(PrefetchAheadTest, AsksForNothingWhereNoReadWaits) {
  PrefetchAhead ahead(*store_);
  for (unsigned block = 0; block < kBlocks; ++block) {
    const Writes writes(block);
    ahead.block(writes.sets());
    must(store_->apply(writes.sets()));
    must(store_->commit(store_->version() + 1));
  }
  EXPECT_EQ(store_->metrics().prefetch.asked, 0U);
  EXPECT_EQ(store_->metrics().table_reads, kBlocks * kWrites);
}

TEST_F(PrefetchAheadTest, LoadsWhatIsOnlyOnTheDevice) {
  wait_once();
  PrefetchAhead ahead(*store_);
  for (unsigned block = 0; block < kBlocks; ++block) ahead.block(Writes(block).sets());
  const PrefetchMetrics done = settled();
  EXPECT_EQ(done.asked, kBlocks * kWrites);
  EXPECT_EQ(done.loaded, kBlocks * kWrites);
  const std::uint64_t reads = tables_.reads();
  const Writes writes(0);
  must(store_->apply(writes.sets()));
  EXPECT_EQ(tables_.reads(), reads);
}

TEST_F(PrefetchAheadTest, AsksForSamplesAloneWhileRowsAreInMemory) {
  wait_once();
  PrefetchAhead ahead(*store_);
  const auto name = [&](unsigned block) {
    const std::uint64_t before = settled().asked;
    ahead.block(Writes(block).sets());
    return settled().asked > before;
  };
  unsigned asked = 0;
  for (unsigned i = 0; i < kBlocks; ++i) asked += name(kBlocks) ? 1U : 0U;  // in the buffer
  EXPECT_GE(asked, 16U + (kBlocks - 16) / 16);
  EXPECT_LE(asked, 32U + (kBlocks - 32) / 16);
  asked = 0;
  for (unsigned i = 0; i < kBlocks; ++i) asked += name(i) ? 1U : 0U;  // on the device again
  EXPECT_GE(asked, kBlocks - 64U);
}

void add_entry(Bytes& log, std::int64_t version, const Writes& writes) {
  Bytes entry;
  codec::append_version(entry, version);
  codec::append_change_sets(entry, writes.sets());
  std::size_t rest = entry.size();
  for (; rest >= 0x80; rest >>= 7U) log.push_back(static_cast<std::uint8_t>(rest | 0x80U));
  log.push_back(static_cast<std::uint8_t>(rest));
  append(log, entry);
}

TEST_F(PrefetchAheadTest, AnImportedLogIsAppliedAsItWouldBeBlockByBlock) {
  std::filesystem::create_directories(dir_ / "log");
  Bytes log;
  add_entry(log, 1, Writes(0, kBlocks + 1, 7));
  add_entry(log, 2, Writes(kBlocks));
  for (unsigned block = 0; block < kBlocks; ++block) add_entry(log, block + 3, Writes(block));
  std::ofstream(dir_ / "log/00000000000000000001", std::ios::binary) << as_chars(log);
  wait_once();  // the fixture's block and this one are the log's first
  EXPECT_EQ(must(import_sei_log(dir_ / "log", *store_)).committed, kBlocks);
  const PrefetchMetrics done = settled();
  EXPECT_EQ(done.asked, kBlocks * kWrites);
  EXPECT_GT(done.loaded, 0U);
  tables_.before_read({});
  expect_verified(*store_);
  CommitStore plain = store::open_new(dir_ / "plain");
  must(plain.apply(Writes(0, kBlocks + 1, 7).sets()));
  must(plain.commit(1));
  must(plain.apply(Writes(kBlocks).sets()));
  must(plain.commit(2));
  for (unsigned block = 0; block < kBlocks; ++block) {
    must(plain.apply(Writes(block).sets()));
    must(plain.commit(plain.version() + 1));
    EXPECT_EQ(must(store_->log_record(plain.version()))->roots, plain.committed_roots());
  }
}

}  // namespace
}  // namespace flatkv::transfer
