// SPDX-License-Identifier: Apache-2.0
// Versions up to the highest one: nothing follows it, every call returns a typed error, and what
// was committed stays reachable.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "base/version_arithmetic.hpp"
#include "flatkv/tools/bisect.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();

class VersionLimit : public StoreFixture {
 protected:
  void SetUp() override {
    options_.create.initial_version = kLastVersion - 2;
    options_.segment_bytes = 1;  // each block has a segment
    options_.flush.max_lag_blocks = std::numeric_limits<std::uint64_t>::max();
    open();
    for (std::int64_t version = kLastVersion - 2; version < kLastVersion; ++version) {
      commit(version);
    }
    commit(kLastVersion);
  }

  void commit(std::int64_t version) {
    const auto seed = static_cast<std::uint64_t>(kLastVersion - version) + 1;
    ASSERT_OK(store_->apply(Changes().nonce(address(seed), seed)));
    const auto roots = store_->commit(version);
    ASSERT_OK(roots);
    roots_[version] = *roots;
  }
  void expect_no_more() {
    ASSERT_OK(store_->apply(Changes().nonce(address(9), 9)));
    for (const std::int64_t version : {kLowest, std::int64_t{-1}, std::int64_t{0}, kLastVersion}) {
      EXPECT_TRUE(fails(store_->commit(version), ErrorCode::version_mismatch)) << version;
    }
    store_->discard();
    EXPECT_EQ(store_->version(), kLastVersion);
    EXPECT_TRUE(same_roots(store_->committed_roots(), roots_.at(kLastVersion)));
  }

  std::map<std::int64_t, Roots> roots_;
};

TEST_F(VersionLimit, NoCommitAboveIt) {
  expect_no_more();
  reopen();
  expect_no_more();
}

TEST_F(VersionLimit, ReplayReachesIt) {
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 3);
  expect_no_more();
}

TEST_F(VersionLimit, RecordsSnapshotsAndRollback) {
  for (const auto& [version, roots] : roots_) {
    const auto record = store_->log_record(version);
    ASSERT_OK(record);
    ASSERT_TRUE(*record);
    EXPECT_TRUE(same_roots((*record)->roots, roots));
  }
  for (const std::int64_t version : {kLowest, std::int64_t{-1}, std::int64_t{0}}) {
    const auto record = store_->log_record(version);
    ASSERT_OK(record);
    EXPECT_FALSE(*record);
    EXPECT_TRUE(fails(store_->rollback(version), ErrorCode::version_mismatch));
  }
  ASSERT_OK(store_->snapshot());
  ASSERT_OK(store_->rollback(kLastVersion - 1));
  commit(kLastVersion);
  expect_no_more();
}

TEST_F(VersionLimit, ReadingByPath) {
  close();
  for (const auto& [version, roots] : roots_) {
    const auto found = roots_at(path(), version);
    ASSERT_OK(found);
    EXPECT_TRUE(same_roots(found->roots, roots));
    ReadOnlyOptions options;
    options.at = version;
    const auto old = ReadOnlyStore::open(path(), options);
    ASSERT_OK(old);
    EXPECT_EQ(old->version(), version);
    EXPECT_TRUE(same_roots(old->working_roots().value(), roots));
  }
  EXPECT_FALSE(roots_at(path(), kLowest));
  auto reader = LogReader::open(path(), kLastVersion, true);
  ASSERT_OK(reader);
  const auto last = reader->next();
  ASSERT_OK(last);
  ASSERT_TRUE(*last);
  EXPECT_EQ((*last)->record.version, kLastVersion);
  const auto end = reader->next();
  ASSERT_OK(end);
  EXPECT_FALSE(*end);
  EXPECT_FALSE(LogReader::open(path(), kLowest, false));
  copy_tree(path(), aside("same"));
  const auto parting = find_divergence(path(), aside("same"));
  ASSERT_OK(parting);
  EXPECT_FALSE(parting->parted);
  EXPECT_EQ(parting->last, kLastVersion);
}

/// The reader goes on in the log of the generation that a repair made; nothing is left to read
/// there.
TEST_F(VersionLimit, AReaderAtItOutlivesARepair) {
  close();
  auto reader = LogReader::open(path(), kLastVersion, true);
  ASSERT_OK(reader);
  for (const bool there : {true, false}) {
    const auto block = reader->next();
    ASSERT_OK(block);
    ASSERT_EQ(block->has_value(), there);
  }
  const std::string before = live_generation(path());
  std::filesystem::remove_all(before + "/working/metadata");
  ASSERT_OK(repair_databases(path(), std::vector{Database::metadata}, {}));
  ASSERT_NE(live_generation(path()), before);
  const auto end = reader->next();
  ASSERT_OK(end);
  EXPECT_FALSE(*end);
}

TEST_F(VersionLimit, AnImportAtItIsRefused) {
  close();
  for (const std::int64_t version : {kLastVersion, std::int64_t{-1}, kLowest}) {
    auto importer = Importer::begin(aside("imported"), {});
    ASSERT_OK(importer);
    EXPECT_TRUE(fails(importer->finish(version), ErrorCode::invalid_argument)) << version;
    ASSERT_OK(importer->close());
  }
}

TEST_F(VersionLimit, InitialVersionsOutOfRangeAreRefused) {
  close();
  for (const std::int64_t version : {kLastVersion, std::int64_t{0}, kLowest}) {
    CreateOptions options;
    options.initial_version = version;
    EXPECT_TRUE(fails(CommitStore::create(aside("new"), options), ErrorCode::invalid_argument));
  }
}

}  // namespace
}  // namespace flatkv::test
