// SPDX-License-Identifier: Apache-2.0
#include "publish/feed.hpp"

#include <gtest/gtest.h>

#include "changes/log_block.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/cluster/publisher.hpp"
#include "flatkv/tools/inspect.hpp"
#include "store/test_store.hpp"

namespace flatkv::publish::test {
namespace {

using store::Block;

constexpr std::chrono::milliseconds kNow{0};

class FeedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Options options;
    options.create_if_missing = true;
    options.rollback_depth = 16;
    auto opened = CommitStore::open(path_, options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    store_.emplace(*std::move(opened));
  }
  void commit(unsigned value) {
    const Bytes key = Block::slot_key(1, value % 3);
    const Bytes bytes(32, static_cast<std::uint8_t>(value));
    const KVPair pair{key, bytes};
    const NamedChangeSet set{kEvmModule, {&pair, 1}};
    ASSERT_TRUE(store_->apply({&set, 1}));
    ASSERT_TRUE(store_->commit(store_->version() + 1));
  }
  void expect_block(Feed& feed, std::int64_t version) {
    const auto step = feed.next(kNow);
    ASSERT_TRUE(step) << step.error().to_string();
    ASSERT_TRUE(*step && (*step)->block);
    EXPECT_EQ((*step)->block->record.version, version);
    // The payload is what the log has, whole.
    const auto entry = codec::decode_changelog_entry(changes::payload_of(*(*step)->block));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->version, version);
    EXPECT_EQ(changes::payload_of(*(*step)->block).size(), (*step)->block->record.payload_bytes);
  }
  void expect_nothing(Feed& feed) {
    const auto step = feed.next(kNow);
    ASSERT_TRUE(step) << step.error().to_string();
    EXPECT_FALSE(*step);
  }
  void expect_went_back(Feed& feed) {
    const auto step = feed.next(kNow);
    ASSERT_TRUE(step) << step.error().to_string();
    ASSERT_TRUE(*step);
    EXPECT_FALSE((*step)->block);
  }
  /// Both kinds must do the same.
  void goes_along(Feed& feed) {
    for (const unsigned value : {1U, 2U, 3U}) commit(value);
    ASSERT_TRUE(feed.begin(1));
    EXPECT_EQ(feed.durable(), 3);
    expect_block(feed, 2);
    expect_block(feed, 3);
    expect_nothing(feed);
    ASSERT_TRUE(feed.settle());
    ASSERT_TRUE(feed.done());
    commit(4);
    expect_block(feed, 4);
    ASSERT_TRUE(store_->rollback(2));
    commit(5);
    expect_went_back(feed);
    ASSERT_TRUE(feed.begin(2));
    expect_block(feed, 3);
    expect_nothing(feed);
    ASSERT_TRUE(feed.settle());
    ASSERT_TRUE(feed.done());
  }

  store::TempDir folder_;
  std::string path_ = folder_ / "store";
  std::optional<CommitStore> store_;
};

TEST_F(FeedTest, ThroughASubscription) {
  const auto feed = feed_of(*store_, "publisher", 16);
  goes_along(*feed);
  const auto names = store_->named_cursors();
  ASSERT_TRUE(names);
  ASSERT_EQ(names->size(), 1U);
  EXPECT_EQ(names->front().name, "publisher");
}

TEST_F(FeedTest, ThroughTheFilesBesideAWriter) {
  const auto feed = feed_of(path_);
  goes_along(*feed);
}

TEST_F(FeedTest, KnownRootsAreThoseOfTheLogAndItsBase) {
  const Roots none = store_->committed_roots();
  std::vector<Roots> roots = {none};
  for (const unsigned value : {1U, 2U, 3U}) {
    commit(value);
    roots.push_back(store_->committed_roots());
  }
  const auto all = known_roots(path_, -1, 9);
  ASSERT_TRUE(all) << all.error().to_string();
  ASSERT_EQ(all->size(), roots.size());
  for (const auto& [version, line] : *all)
    EXPECT_EQ(line, roots[static_cast<std::size_t>(version)]);
  const auto some = known_roots(path_, 2, 2);
  ASSERT_TRUE(some);
  ASSERT_EQ(some->size(), 1U);
  EXPECT_EQ(some->at(2), roots[2]);
  EXPECT_TRUE(known_roots(path_, 4, 9)->empty());
  const auto begin = where_log_begins(path_);
  ASSERT_TRUE(begin);
  EXPECT_EQ(begin->version, 0);
  EXPECT_EQ(begin->roots, none);
}

/// No snapshot keeps the version below the log: the topic begins with the log's first block, whose
/// roots are known.
TEST_F(FeedTest, ALogThatBeginsWhereNoSnapshotIs) {
  const std::string path = folder_ / "cut";
  Options options;
  options.create_if_missing = true;
  options.segment_bytes = 2500;  // a few blocks
  options.snapshot.interval = 10;
  options.snapshot.keep = 0;
  store_ = *CommitStore::open(path, options);
  for (unsigned value = 1; value <= 40; ++value) {
    commit(value);
    ASSERT_TRUE(store_->wait_durable(value));
  }
  ASSERT_TRUE(store_->close());
  auto reader = LogReader::open(path, std::nullopt, false);
  ASSERT_TRUE(reader);
  const std::int64_t base = reader->range().base;
  ASSERT_GT(base, 0);
  ASSERT_FALSE(roots_at(path, base));
  const auto first = reader->next();
  ASSERT_TRUE(first && *first);
  const auto begin = where_log_begins(path);
  ASSERT_TRUE(begin) << begin.error().to_string();
  EXPECT_EQ(begin->version, base + 1);
  EXPECT_EQ(begin->roots, (*first)->record.roots);
  const auto known = known_roots(path, 0, base + 1);  // what is not known is left out
  ASSERT_TRUE(known);
  EXPECT_EQ(known->size(), 1U);
  EXPECT_TRUE(known->contains(base + 1));
}

TEST_F(FeedTest, OptionsOfAPublisherHaveRanges) {
  const auto refused = [&](auto&& change, const std::string& text) {
    PublisherOptions options;
    options.to = "kafka://127.0.0.1:1/state";
    EXPECT_TRUE(Publisher::of(*store_, options));
    change(options);
    for (const bool files : {false, true}) {
      const auto made = files ? Publisher::of(path_, options) : Publisher::of(*store_, options);
      ASSERT_FALSE(made);
      EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
      EXPECT_EQ(made.error().message, text);
    }
  };
  for (const std::uint32_t depth : {0U, 4097U}) {
    refused([&](PublisherOptions& options) { options.depth = depth; }, "depth is 1 to 4096");
  }
  for (const std::uint64_t bytes : {1023U, (1U << 30) + 1}) {
    refused([&](PublisherOptions& options) { options.part_bytes = bytes; },
            "part_bytes is 1024 to 2^30");
  }
  refused([](PublisherOptions& options) { options.batch_bytes = 0; },
          "batch_bytes and batch_records are at least 1");
  refused([](PublisherOptions& options) { options.batch_records = 0; },
          "batch_bytes and batch_records are at least 1");
}

}  // namespace
}  // namespace flatkv::publish::test
