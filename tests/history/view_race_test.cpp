// SPDX-License-Identifier: Apache-2.0
// Readers on views while the writer commits, flushes, snapshots, prunes and rolls back: what a view
// returns sums up to the roots of its version, however it is read and however long it is kept.
// Small enough for ThreadSanitizer, under which scripts/nightly runs it. FLATKV_RACE_BLOCKS sets
// the number of blocks.
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

const Pools kPools{6, 6, 10, 24};
constexpr int kReaders = 3;

std::vector<Changes> block_of(std::uint64_t branch, std::int64_t version) {
  return script_block(77 + branch, version, kPools, 8);
}

/// Takes a stream's bytes and counts them.
class CountingSink : public ByteSink {
 public:
  Status write(ByteView more) override {
    bytes += more.size();
    return {};
  }
  std::size_t bytes = 0;
};

/// One reading thread. It reports errors at the end: assertions belong to the main thread.
class Reader {
 public:
  Reader(const CommitStore& store, const std::atomic<bool>& stop, std::uint64_t seed)
      : store_(store), stop_(stop), random_(seed), thread_([this] { run(); }) {}
  void join() { thread_.join(); }

  std::uint64_t views() const { return views_; }
  const std::string& wrong() const { return wrong_; }

 private:
  void run() {
    std::vector<ReadView> kept;
    while (!stop_ && wrong_.empty()) {
      auto view = store_.view();
      if (!view) return complain(view.error().to_string());
      kept.push_back(*std::move(view));
      ++views_;
      const ReadView& chosen = kept[below(random_, kept.size())];
      if (Status read = read_all(chosen); !read) complain(read.error().to_string());
      if (kept.size() > 4) kept.erase(kept.begin());
    }
  }

  Status read_all(const ReadView& view) {
    PlainLtHash sum;
    for (const Database database : kDataDatabases) {
      PlainLtHash own;
      FLATKV_ASSIGN(RowIterator rows, view.iterate(database));
      const bool backwards = one_in(random_, 2);
      if (backwards) rows.seek_to_last();
      while (rows.valid()) {
        own.add(rows.key(), rows.value());
        FLATKV_TRY(read_again(view, database, rows));
        if (backwards) {
          rows.previous();
        } else {
          rows.next();
        }
      }
      FLATKV_TRY(rows.status());
      if (own.serialized() != view.hash(database).serialize()) {
        return fail(ErrorCode::corruption, "the rows do not add up").database(database);
      }
      sum += own;
    }
    if (sum.checksum() != view.roots().root) {
      return fail(ErrorCode::corruption, "the databases do not add up").version(view.version());
    }
    if (!one_in(random_, 4)) return {};
    CountingSink sink;
    return export_state(view, sink);
  }

  /// Reads some rows again, by key.
  Status read_again(const ReadView& view, Database database, const RowIterator& at) {
    if (!one_in(random_, 5)) return {};
    FLATKV_ASSIGN(const auto row, view.row(database, at.key()));
    if (row && equal(*row, at.value())) return {};
    return fail(ErrorCode::corruption, "a row reads differently by its key").database(database);
  }

  void complain(std::string what) { wrong_ = std::move(what); }

  const CommitStore& store_;
  const std::atomic<bool>& stop_;
  Random random_;
  std::uint64_t views_ = 0;
  std::string wrong_;
  std::thread thread_;  // last: it uses all other members
};

class ViewRace : public StoreFixture {
 protected:
  void commit() {
    block(block_of(branch_, model_.version() + 1));
    states_[model_.version()] = model_.committed();
  }

  void go_back() {
    const std::int64_t target = model_.version() - 1 - static_cast<std::int64_t>(below(random_, 5));
    const Status done = store_->rollback(target);
    if (!done) {  // pruned
      ASSERT_TRUE(fails(done, ErrorCode::version_mismatch));
      return;
    }
    ++rollbacks_;
    ++branch_;
    model_.go_back(states_.at(target));
  }

  Random random_{3};
  std::uint64_t branch_ = 0;
  int rollbacks_ = 0;
  std::map<std::int64_t, State> states_;
};

TEST_F(ViewRace, EveryViewAddsUpWhateverTheWriterDoes) {
  options_.flush.write_buffer_bytes = 16 << 10;
  options_.cache.row_cache_bytes = 64 << 10;
  options_.snapshot.interval = 9;
  options_.snapshot.keep = 1;
  options_.segment_bytes = 4 << 10;
  open();
  for (int i = 0; i < 8; ++i) commit();
  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<Reader>> readers;
  for (std::uint64_t i = 0; i < kReaders; ++i) {
    readers.push_back(std::make_unique<Reader>(*store_, stop, i));
  }
  const std::uint64_t blocks = environment("FLATKV_RACE_BLOCKS", 120);
  for (std::uint64_t i = 0; i < blocks && !HasFatalFailure(); ++i) {
    commit();
    if (i % 7 == 3) {
      EXPECT_OK(store_->flush());
    }
    if (i % 11 == 5) {
      EXPECT_OK(store_->snapshot());
    }
    if (i % 13 == 8) go_back();
  }
  stop = true;
  std::uint64_t views = 0;
  for (const auto& reader : readers) {
    reader->join();
    EXPECT_EQ(reader->wrong(), "");
    EXPECT_GT(reader->views(), 0U);
    views += reader->views();
  }
  std::cout << views << " views, " << rollbacks_ << " rollbacks\n";
  EXPECT_GT(rollbacks_, 0);
  check_and_go_on();
}

}  // namespace
}  // namespace flatkv::test
