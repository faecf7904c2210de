// SPDX-License-Identifier: Apache-2.0
// Rows that have to come from the device, many at a time: the same values, roots and errors as one
// by one.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <thread>

#include "rocks/rocks.hpp"
#include "rocks/table_writer.hpp"
#include "support/fault_counts.hpp"
#include "support/slow_store.hpp"

namespace flatkv::test {
namespace {

using rocks::SlowTables;

class Reads : public SlowStore {};

TEST_F(Reads, RootsDoNotDependOnHowManyAreInFlight) {
  open();
  const auto large_block = [&] {
    std::vector<Changes> applies = random_block();
    applies.push_back(all_slots(static_cast<std::uint64_t>(model_.version() + 1)).front());
    return applies;
  };
  for (int i = 0; i < 3; ++i) block(large_block());
  for (const std::uint32_t in_flight : {1U, 2U, 8U, 64U}) {
    SCOPED_TRACE(in_flight);
    options_.reads.in_flight = in_flight;
    reopen();
    static_cast<void>(tables_.most_at_once());
    for (int i = 0; i < 2; ++i) block(large_block());
    EXPECT_EQ(store_->metrics().read_threads > 0, in_flight > 1);
    EXPECT_LT(store_->metrics().read_threads, in_flight);
    EXPECT_GT(store_->metrics().table_reads, 0U);
    const std::size_t most = tables_.most_at_once();
    EXPECT_LE(most, in_flight);
    EXPECT_EQ(most > 1, in_flight > 1);
    check();
  }
}

TEST_F(Reads, AReplayReadsLikeABlock) {
  open();
  block(all_slots(1));
  reopen();
  for (std::uint64_t i = 2; i < 5; ++i) block(all_slots(i));
  // What a kill would leave: three blocks that only the log has.
  const std::string image = directory_.path("image");
  copy_tree(path(), image);
  check();
  for (const std::uint32_t in_flight : {1U, 8U}) {
    SCOPED_TRACE(in_flight);
    options_.reads.in_flight = in_flight;
    store_.reset();
    copy_tree(image, path());
    tables_.before_read(SlowTables::like_a_device(kDevice));
    open();
    EXPECT_EQ(store_->open_report().replayed_blocks, 3);
    EXPECT_EQ(store_->metrics().read_threads > 0, in_flight > 1);
    check();
  }
}

TEST_F(Reads, ViewsAndOverlaysReadManyAtATime) {
  options_.reads.in_flight = 8;
  open();
  block(all_slots(1));
  std::vector<StorageKey> keys;
  for (std::uint64_t i = 0; i < kSlots + 50; ++i) keys.push_back(storage_key(address(1), slot(i)));
  const std::vector<ByteView> asked(keys.begin(), keys.end());
  const auto at_once = [&](const auto& reader) {
    static_cast<void>(tables_.most_at_once());
    const auto values = reader.get_many(asked);
    EXPECT_OK(values);
    for (std::size_t i = 0; values && i < asked.size(); ++i) {
      EXPECT_EQ((*values)[i], model_.committed().get(asked[i])) << i;
    }
    return tables_.most_at_once();
  };
  reopen();
  auto view = store_->view();
  ASSERT_OK(view);
  EXPECT_GT(at_once(*view), 1U);
  auto overlay = store_->overlay();
  ASSERT_OK(overlay);
  EXPECT_GT(at_once(*overlay), 1U);
  ASSERT_OK(store_->close());
  EXPECT_EQ(at_once(*view), 1U);  // the threads were the store's
}

TEST_F(Reads, AReadThatFailsIsNeverAnAbsentRow) {
  options_.cache.row_cache_bytes = 0;
  options_.reads.in_flight = 8;
  open();
  block(all_slots(1));
  reopen();
  block(all_slots(2));  // from here on reads are known to wait
  reopen();
  block(all_slots(3));
  ASSERT_OK(store_->flush());
  const auto slow = SlowTables::like_a_device(kDevice);
  unsigned failures = 0;
  for (std::uint64_t nth = 1;; nth += nth / 4 + 1) {
    SCOPED_TRACE(nth);
    const Roots before = store_->working_roots().value();
    const auto reads = std::make_shared<std::atomic<std::uint64_t>>(0);
    tables_.before_read([=](std::uint64_t offset, std::size_t bytes) {
      if (++*reads == nth) return rocksdb::IOStatus::IOError("injected", "a failed read");
      return slow(offset, bytes);
    });
    const Status applied = store_->apply(all_slots(4).front());
    if (applied) {
      EXPECT_LT(*reads, nth) << "a failed read was taken for an absent row";
      break;
    }
    ++failures;
    EXPECT_EQ(applied.error().code, ErrorCode::io) << applied.error().to_string();
    EXPECT_FALSE(applied.error().path.empty());
    EXPECT_TRUE(same_roots(store_->working_roots().value(), before)) << "half an apply";
    if (!HasFailure()) count_fault("C11", Came::refused);
  }
  EXPECT_GT(failures, 3U);
  store_->discard();
  tables_.before_read(slow);
  block(all_slots(5));  // the store has not failed
  check();
}

TEST_F(Reads, AViewOrAnOverlayWhoseReadFailsSaysSo) {
  options_.cache.row_cache_bytes = 0;
  options_.reads.in_flight = 8;
  open();
  block(all_slots(1));
  reopen();
  auto view = store_->view();
  ASSERT_OK(view);
  auto overlay = store_->overlay();
  ASSERT_OK(overlay);
  std::vector<StorageKey> keys;
  for (std::uint64_t i = 0; i < kSlots; ++i) keys.push_back(storage_key(address(1), slot(i)));
  const std::vector<ByteView> asked(keys.begin(), keys.end());
  const auto slow = SlowTables::like_a_device(kDevice);
  const auto fails_at_each = [&](const auto& reader) {
    tables_.before_read(slow);
    ASSERT_OK(reader.get_many(asked));  // from here on reads are known to wait
    unsigned failures = 0;
    for (std::uint64_t nth = 1;; nth += nth / 4 + 1) {
      SCOPED_TRACE(nth);
      const auto reads = std::make_shared<std::atomic<std::uint64_t>>(0);
      tables_.before_read([=](std::uint64_t offset, std::size_t bytes) {
        if (++*reads == nth) return rocksdb::IOStatus::IOError("injected", "a failed read");
        return slow(offset, bytes);
      });
      const auto values = reader.get_many(asked);
      if (*reads < nth) {
        EXPECT_OK(values);
        break;
      }
      ++failures;
      ASSERT_FALSE(values);
      EXPECT_EQ(values.error().code, ErrorCode::io) << values.error().to_string();
    }
    EXPECT_GT(failures, 3U);
  };
  fails_at_each(*view);
  fails_at_each(*overlay);
}

TEST_F(Reads, AReplayWhoseReadFailsOpensNothing) {
  options_.reads.in_flight = 8;
  open();
  block(all_slots(1));
  reopen();
  for (std::uint64_t i = 2; i < 5; ++i) block(all_slots(i));
  const std::string image = directory_.path("image");
  copy_tree(path(), image);
  check();
  const auto slow = SlowTables::like_a_device(kDevice);
  unsigned failures = 0;
  for (std::uint64_t nth = 1;; nth += nth / 2 + 1) {
    SCOPED_TRACE(nth);
    store_.reset();
    copy_tree(image, path());
    const auto reads = std::make_shared<std::atomic<std::uint64_t>>(0);
    tables_.before_read([=](std::uint64_t offset, std::size_t bytes) {
      if (++*reads == nth) return rocksdb::IOStatus::IOError("injected", "a failed read");
      return slow(offset, bytes);
    });
    auto opened = try_open();
    if (opened) {  // a read of the database's own: again, or the working copy was made anew
      store_.emplace(*std::move(opened));
      if (*reads < nth) break;
    } else {
      ++failures;
      EXPECT_TRUE(opened.error().code == ErrorCode::io ||
                  opened.error().code == ErrorCode::corruption)
          << opened.error().to_string();
      tables_.before_read({});
      open();
    }
    check();
  }
  EXPECT_GT(failures, 0U);
}

// docs/hazards.md#ingest-reads
TEST_F(Reads, AFlushWhoseReadFailsLosesNothing) {
  // A few rows that fill several blocks of a table.
  const auto rows = [](std::uint64_t value) {
    Changes changes;
    for (std::uint64_t i = 0; i < 40; ++i) {
      changes.storage(address(1), slot(i), Bytes(800, static_cast<std::uint8_t>(1 + value % 200)));
    }
    return std::vector<Changes>{changes};
  };
  open();
  block(rows(1));
  reopen();
  unsigned failures = 0;
  for (std::uint64_t nth = 1;; nth += nth / 6 + 1) {
    SCOPED_TRACE(nth);
    tables_.before_read({});
    block(rows(nth + 1));
    const auto reads = std::make_shared<std::atomic<std::uint64_t>>(0);
    tables_.before_read([=](std::uint64_t, std::size_t) {
      return ++*reads == nth ? rocksdb::IOStatus::IOError("injected", "a failed read")
                             : rocksdb::IOStatus::OK();
    });
    const Status flushed = store_->flush();
    if (*reads < nth) {
      ASSERT_OK(flushed);
      break;
    }
    failures += !flushed;
    if (!flushed) {
      EXPECT_TRUE(fails(flushed, ErrorCode::store_failed) || fails(flushed, ErrorCode::io));
      count_fault("C11", Came::failed);
    }
    store_.reset();
    tables_.before_read({});
    open();
    check();
    if (HasFailure()) return;
  }
  EXPECT_GT(failures, 5U);
}

// docs/hazards.md#ingest-reads: what an earlier program could leave.
TEST_F(Reads, ATableThatCameInWithoutItsRowsIsFoundAndTheDatabaseMadeAnew) {
  open();
  block(all_slots(1));
  block(random_block());
  ASSERT_OK(store_->close());
  store_.reset();
  rocks::DbOptions options;
  options.path = working(path(), "storage");
  options.which = Database::storage;
  const std::string table = directory_.path("table.sst");
  {
    auto writer = rocks::TableWriter::create(options, table);
    ASSERT_OK(writer);
    ASSERT_OK(writer->put(Bytes(52, 1), word(1)));
    ASSERT_OK(writer->finish());
  }
  options.env = tables_.env();
  const std::string image = directory_.path("image");
  copy_tree(path(), image);
  bool without_rows = false;
  for (std::uint64_t nth = 1; !without_rows; ++nth) {
    SCOPED_TRACE(nth);
    ASSERT_LT(nth, 20U) << "RocksDB ingests no table without its rows any more";
    copy_tree(image, path());
    tables_.before_read({});
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocks::rocks_options(options), options.path, &raw).ok());
    const std::unique_ptr<rocksdb::DB> rocks(raw);
    const auto reads = std::make_shared<std::atomic<std::uint64_t>>(0);
    tables_.before_read([=](std::uint64_t, std::size_t) {
      return ++*reads == nth ? rocksdb::IOStatus::IOError("injected", "a failed read")
                             : rocksdb::IOStatus::OK();
    });
    if (!rocks->IngestExternalFile({table}, {}).ok()) continue;
    std::vector<rocksdb::LiveFileMetaData> live;
    rocks->GetLiveFilesMetaData(&live);
    for (const auto& one : live) without_rows |= one.smallestkey.empty();
  }
  tables_.before_read({});
  open();
  EXPECT_TRUE(store_->open_report().rebuilt_working_copy);
  check();
  count_fault("C11", Came::rebuilt);
}

TEST_F(Reads, ManyThreadsReadColdRowsBesideTheWriter) {
  options_.reads.in_flight = 8;
  open();
  block(all_slots(1));
  reopen();
  auto view = store_->view();
  ASSERT_OK(view);
  const State state = model_.committed();
  std::atomic<unsigned> wrong = 0;
  {
    std::vector<std::jthread> readers;
    for (std::uint64_t n = 0; n < 6; ++n) {
      readers.emplace_back([&, n] {
        for (std::uint64_t i = n; i < kSlots; i += 6) {
          const StorageKey key = storage_key(address(1), slot(i));
          const auto value = view->get(key);
          wrong += !value || *value != state.get(key);
        }
      });
    }
    for (std::uint64_t i = 2; i < 4; ++i) block(all_slots(i));
  }
  EXPECT_EQ(wrong, 0U);
  check();
}

}  // namespace
}  // namespace flatkv::test
