// SPDX-License-Identifier: Apache-2.0
// CommitStore::changes: committed blocks from the log.
#include "changes/changes_fixture.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

class Changelog : public ChangesFixture {
 protected:
  Texts read(std::int64_t first, std::int64_t last) {
    Texts texts;
    auto reader = store_->changes(first, last);
    if (!reader) return {std::string(to_string(reader.error().code))};
    while (true) {
      const auto block = reader->next();
      if (!block) texts.emplace_back(to_string(block.error().code));
      if (!block || !*block) return texts;
      texts.push_back(std::to_string((*block)->record.version) + ":" +
                      std::to_string(tag_of(**block)));
    }
  }
};

TEST_F(Changelog, GivesEveryBlockOfTheRangeOnce) {
  options_.segment_bytes = 2048;  // a few blocks in each
  open();
  commit_many(30);
  ASSERT_GT(segments(path()).size(), 4U);
  for (const auto& [first, last] : {std::pair{1, 30}, {1, 1}, {30, 30}, {7, 19}}) {
    Texts expected;
    for (int version = first; version <= last; ++version) {
      expected.push_back(std::to_string(version) + ":" + std::to_string(version));
    }
    EXPECT_EQ(read(first, last), expected);
  }
  EXPECT_EQ(read(5, 4), Texts{});
  EXPECT_EQ(read(31, 30), Texts{});
}

TEST_F(Changelog, GivesTheChangeSetsAsTheyWereApplied) {
  open();
  for (std::int64_t version = 1; version <= 5; ++version) {
    for (const Changes& changes : script_block(3, version)) ASSERT_OK(store_->apply(changes));
    ASSERT_OK(store_->commit(version));
  }
  auto reader = store_->changes(1, 5);
  ASSERT_OK(reader);
  for (std::int64_t version = 1; version <= 5; ++version) {
    const auto block = reader->next();
    ASSERT_OK(block);
    ASSERT_TRUE(*block);
    const auto record = store_->log_record(version);
    ASSERT_OK(record);
    EXPECT_EQ((*block)->record.chain, (*record)->chain);
    EXPECT_EQ((*block)->record.roots, (*record)->roots);
    std::vector<Changes::Set> expected;
    for (const Changes& changes : script_block(3, version)) {
      for (const Changes::Set& set : changes.all()) {
        if (set.name == kEvmModule) expected.push_back(set);
      }
    }
    const auto found = (*block)->change_sets();
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].pairs.size(), expected[i].pairs.size());
      for (std::size_t j = 0; j < found[i].pairs.size(); ++j) {
        EXPECT_TRUE(std::ranges::equal(found[i].pairs[j].key, expected[i].pairs[j].key));
        EXPECT_EQ(found[i].pairs[j].remove, expected[i].pairs[j].remove);
      }
    }
  }
}

TEST_F(Changelog, RefusesRangesThatAreNotThere) {
  open();
  commit({1, 2, 3});
  EXPECT_EQ(read(0, 2), Texts{"invalid_argument"});
  EXPECT_EQ(read(3, 1), Texts{"invalid_argument"});
  EXPECT_EQ(read(2, 4), Texts{"version_mismatch"});
  EXPECT_EQ(read(9, 9), Texts{"version_mismatch"});
  const auto above = store_->changes(2, 4);
  EXPECT_NE(above.error().message.find("is 3"), std::string::npos) << above.error().message;
  auto reader = store_->changes(1, 3);
  ASSERT_OK(reader);
  ASSERT_OK(store_->close());
  EXPECT_TRUE(fails(reader->next(), ErrorCode::store_failed));
  EXPECT_EQ(read(1, 3), Texts{"store_failed"});
}

TEST_F(Changelog, SaysWhereAPrunedLogBegins) {
  options_.segment_bytes = 2048;
  options_.snapshot.keep = 0;
  open();
  commit_many(20);
  auto reader = store_->changes(1, 20);
  ASSERT_OK(reader);
  ASSERT_OK(reader->next());
  ASSERT_OK(store_->snapshot());
  const auto refused = store_->changes(1, 20);
  ASSERT_TRUE(fails(refused, ErrorCode::log_gap));
  EXPECT_EQ(refused.error().version, 1);
  const std::string first = stdfs::path(segments(path()).front()).stem();
  EXPECT_NE(refused.error().message.find("version " + std::to_string(std::stoll(first))),
            std::string::npos)
      << refused.error().message;
  EXPECT_EQ(read(std::stoll(first), 20).size(), 21U - static_cast<std::size_t>(std::stoll(first)));
  // The segment that was being read can be read to its end, but then blocks are missing.
  Result<std::optional<LogBlock>> block = reader->next();
  while (block && *block) block = reader->next();
  ASSERT_TRUE(fails(block, ErrorCode::log_gap));
  EXPECT_TRUE(
      block.error().message.ends_with("begins with version " + std::to_string(std::stoll(first))))
      << block.error().message;
}

TEST_F(Changelog, ARollbackBelowTheReaderEndsIt) {
  open();
  ASSERT_OK(store_->snapshot());
  commit_many(10);
  auto low = store_->changes(1, 4);
  auto high = store_->changes(1, 9);
  auto whole = store_->changes(1, 10);
  for (auto* reader : {&low, &high}) {
    ASSERT_OK(*reader);
    for (int i = 0; i < 3; ++i) ASSERT_OK((*reader)->next());
  }
  for (int i = 0; i < 8; ++i) ASSERT_OK(whole->next());
  ASSERT_OK(store_->rollback(6));
  const auto fourth = low->next();  // not touched by it, although the log lies elsewhere now
  ASSERT_OK(fourth);
  EXPECT_EQ((*fourth)->record.version, 4);
  ASSERT_OK(low->next());
  for (int i = 0; i < 3; ++i) ASSERT_OK(high->next());
  EXPECT_TRUE(fails(high->next(), ErrorCode::version_mismatch));
  EXPECT_TRUE(fails(whole->next(), ErrorCode::version_mismatch));
  commit_many(5);
  EXPECT_TRUE(fails(whole->next(), ErrorCode::version_mismatch));
}

TEST_F(Changelog, AReaderNeverGoesOverToAnotherBranch) {
  open();
  ASSERT_OK(store_->snapshot());
  commit_many(10);
  auto reader = store_->changes(1, 10);
  ASSERT_OK(reader);
  ASSERT_OK(reader->next());
  ASSERT_OK(store_->rollback(5));
  commit_many(5);
  for (std::int64_t version = 2; version <= 5; ++version) {
    const auto block = reader->next();
    ASSERT_OK(block);
    ASSERT_TRUE(*block);
    EXPECT_EQ((*block)->record.version, version);
  }
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(fails(reader->next(), ErrorCode::version_mismatch));
}

}  // namespace
}  // namespace flatkv::test
