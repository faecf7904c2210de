// SPDX-License-Identifier: Apache-2.0
// The store against results of other implementations: the roots line of every version, the final
// rows and a full scan; straight through, over reopens, and with a write buffer so small that a
// flush happens every few blocks.
#include <gtest/gtest.h>

#include <optional>
#include <sstream>

#include "base/bytes.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/plain_blake3.hpp"
#include "support/trace.hpp"

namespace flatkv::test {
namespace {

struct Case {
  const char* name;
  AccountRows mode;
  std::int64_t reopen_every;  // blocks, in the test that reopens
  std::uint64_t tiny_buffer;  // bytes, in the test with a tiny buffer
};

std::string stem(const Case& the) {
  return std::string(the.name) + (the.mode == AccountRows::prune_empty ? ".prune_empty" : "");
}

/// The rows file as text, or its digest where only that is kept.
struct ExpectedRows {
  std::optional<std::string> text;
  std::string digest;
  std::size_t lines = 0;
};

std::optional<ExpectedRows> expected_rows(const Case& the) {
  const std::string file = stem(the) + ".rows.jsonl";
  if (const std::string path = golden(file); stdfs::exists(path)) {
    ExpectedRows rows;
    rows.text = read_text(path);
    return rows;
  }
  std::istringstream digests(read_text(golden("rows.digests")));
  ExpectedRows rows;
  for (std::string name; digests >> rows.digest >> rows.lines >> name;) {
    if (name == file) return rows;
  }
  return std::nullopt;
}

class Golden : public ::testing::TestWithParam<Case> {
 protected:
  void open() {
    options_.create_if_missing = true;
    options_.create.account_rows = GetParam().mode;
    Result<CommitStore> opened = CommitStore::open(directory_.path("store"), options_);
    ASSERT_OK(opened);
    store_.emplace(std::move(*opened));
  }

  void reopen() {
    const Roots roots = store_->committed_roots();
    const std::int64_t version = store_->version();
    ASSERT_OK(store_->close());
    store_.reset();
    open();
    ASSERT_TRUE(store_);
    ASSERT_EQ(store_->version(), version);
    ASSERT_TRUE(same_roots(store_->committed_roots(), roots));
    ASSERT_TRUE(store_->open_report().clean);
  }

  /// Opens what a kill at this moment would leave.
  void open_after_a_kill() {
    const std::int64_t version = store_->version();
    copy_tree(directory_.path("store"), directory_.path("killed"));
    ASSERT_OK(store_->close());
    store_.reset();
    copy_tree(directory_.path("killed"), directory_.path("store"));
    open();
    ASSERT_TRUE(store_);
    EXPECT_EQ(store_->open_report().replayed_blocks, version);
  }

  void commit(const TraceBlock& block, const Roots& expected) {
    for (const Changes& changes : block.applies) ASSERT_OK(store_->apply(changes));
    ASSERT_TRUE(same_roots(store_->working_roots().value(), expected))
        << "working " << block.version;
    ASSERT_EQ(store_->root_hash().value(), expected.root);
    const Result<Roots> committed = store_->commit(block.version);
    ASSERT_OK(committed);
    ASSERT_TRUE(same_roots(*committed, expected)) << "version " << block.version;
    ASSERT_TRUE(same_roots(store_->committed_roots(), expected));
    check_sum(expected);
  }

  void check_sum(const Roots& expected) {
    LtHash sum;
    for (const Database database : kDataDatabases) sum += store_->working_hash(database).value();
    ASSERT_EQ(sum.checksum(), expected.root);
    ASSERT_EQ(store_->working_hash(Database::account).value().checksum(), expected.account);
    ASSERT_EQ(store_->working_hash(Database::legacy).value().checksum(), expected.legacy);
  }

  void run(std::int64_t reopen_every, bool killed = false) {
    const std::vector<RootsLine> expected = read_roots(golden(stem(GetParam()) + ".roots.jsonl"));
    open();
    std::size_t at = 0;
    for_each_block(golden(std::string(GetParam().name) + ".jsonl"), [&](const TraceBlock& block) {
      if (HasFatalFailure()) return;
      ASSERT_LT(at, expected.size());
      ASSERT_EQ(block.version, expected[at].version);
      commit(block, expected[at++].roots);
      if (!HasFatalFailure() && reopen_every > 0 && block.version % reopen_every == 0) reopen();
    });
    if (HasFatalFailure()) return;
    ASSERT_EQ(at, expected.size());
    check_end(expected.back().roots);
    if (killed) {
      open_after_a_kill();
    } else {
      reopen();
    }
    if (!HasFatalFailure()) check_end(expected.back().roots);
  }

  void check_end(const Roots& expected) {
    const Result<VerifyReport> report = store_->verify();
    ASSERT_OK(report);
    EXPECT_TRUE(report->good());
    EXPECT_TRUE(report->sum_good);
    EXPECT_EQ(report->databases.size(), 4U);
    EXPECT_TRUE(same_roots(report->roots, expected));
    const std::optional<ExpectedRows> rows = expected_rows(GetParam());
    if (!rows) return;  // exists for one mode only
    std::string found;
    std::size_t lines = 0;
    for (const Database database : kDataDatabases) {
      const Result<Rows> all = all_rows(*store_, database);
      ASSERT_OK(all);
      for (const auto& [key, value] : *all) found += rows_line(database, key, value);
      lines += all->size();
    }
    if (rows->text) {
      EXPECT_TRUE(found == *rows->text) << "the final rows differ";
    } else {
      EXPECT_EQ(lines, rows->lines);
      EXPECT_EQ(to_hex(plain_blake3(as_bytes(found))), rows->digest);
    }
  }

  TempDir directory_;
  Options options_ = small_options();
  std::optional<CommitStore> store_;
};

TEST_P(Golden, StraightThrough) { run(0); }

TEST_P(Golden, ReplayedAsAWhole) {
  options_.flush.write_buffer_bytes = std::uint64_t{1} << 30;  // nothing is flushed before
  run(0, true);
}

TEST_P(Golden, OverReopens) {
  options_.cache.row_cache_bytes = 0;
  options_.segment_bytes = 64 << 10;
  run(GetParam().reopen_every);
}

TEST_P(Golden, WithATinyWriteBuffer) {
  options_.flush.write_buffer_bytes = GetParam().tiny_buffer;
  options_.cache.row_cache_bytes = 64 << 10;
  run(0);
}

INSTANTIATE_TEST_SUITE_P(Traces, Golden,
                         ::testing::Values(Case{"edge", AccountRows::keep, 3, 4 << 10},
                                           Case{"mixed", AccountRows::keep, 30, 64 << 10},
                                           Case{"accounts", AccountRows::keep, 40, 16 << 10},
                                           Case{"wide", AccountRows::keep, 6, 256 << 10},
                                           Case{"balances", AccountRows::keep, 30, 64 << 10},
                                           Case{"balances", AccountRows::prune_empty, 30, 64 << 10},
                                           Case{"metakeys", AccountRows::keep, 30, 64 << 10},
                                           Case{"mainnet", AccountRows::keep, 6, 256 << 10},
                                           Case{"mainnet", AccountRows::prune_empty, 6, 256 << 10}),
                         [](const ::testing::TestParamInfo<Case>& the) {
                           return std::string(the.param.name) +
                                  (the.param.mode == AccountRows::prune_empty ? "_prune_empty"
                                                                              : "");
                         });

}  // namespace
}  // namespace flatkv::test
