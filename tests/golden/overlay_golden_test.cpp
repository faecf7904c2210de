// SPDX-License-Identifier: Apache-2.0
// The traces of other implementations, committed by way of overlays: each block as a child of the
// one before, up to 64 of them uncommitted, and beside each a sibling that loses.
#include <gtest/gtest.h>

#include <deque>

#include "flatkv/overlay.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/trace.hpp"

namespace flatkv::test {
namespace {

constexpr std::size_t kUncommitted = 64;

struct Case {
  const char* name;
  AccountRows mode;
};

class GoldenOverlays : public ::testing::TestWithParam<Case> {
 protected:
  /// The block on top of the chain, as its own overlay.
  Result<Overlay> execute(const TraceBlock& block) {
    Result<Overlay> made = chain_.empty() ? store_->overlay() : chain_.back().overlay.child();
    for (const Changes& changes : block.applies) {
      if (!made) break;
      if (const Status applied = made->apply(changes); !applied) {
        return std::unexpected(applied.error());
      }
    }
    return made;
  }

  void add(const TraceBlock& block, const Roots& expected) {
    // The loser writes what the block does, and then something of its own.
    auto loser = execute(block);
    ASSERT_OK(loser);
    ASSERT_OK(loser->apply(Changes().nonce(address(0xbad), 7).set(text("lost"), bytes({1}))));
    ASSERT_NE(loser->root_hash().value(), expected.root);
    losers_.push_back(std::move(*loser));

    auto winner = execute(block);
    ASSERT_OK(winner);
    ASSERT_EQ(winner->version(), block.version);
    const auto roots = winner->working_roots();
    ASSERT_OK(roots);
    ASSERT_TRUE(same_roots(*roots, expected)) << "working " << block.version;
    chain_.push_back({std::move(*winner), expected});
  }

  void commit_oldest() {
    const auto committed = store_->commit(chain_.front().overlay);
    ASSERT_OK(committed);
    ASSERT_TRUE(same_roots(*committed, chain_.front().expected));
    chain_.pop_front();
    EXPECT_TRUE(fails(losers_.front().working_roots(), ErrorCode::stale));
    losers_.pop_front();
  }

  struct Block {
    Overlay overlay;
    Roots expected;
  };
  TempDir directory_;
  std::optional<CommitStore> store_;
  std::deque<Block> chain_;
  std::deque<Overlay> losers_;
};

TEST_P(GoldenOverlays, GiveTheSameRoots) {
  const std::string name = GetParam().name;
  const std::string stem =
      name + (GetParam().mode == AccountRows::prune_empty ? ".prune_empty" : "");
  const std::vector<RootsLine> expected = read_roots(golden(stem + ".roots.jsonl"));
  Options options = small_options();
  options.create_if_missing = true;
  options.create.account_rows = GetParam().mode;
  options.flush.write_buffer_bytes = 64 << 10;
  auto opened = CommitStore::open(directory_.path("store"), options);
  ASSERT_OK(opened);
  store_.emplace(std::move(*opened));
  std::size_t at = 0;
  for_each_block(golden(name + ".jsonl"), [&](const TraceBlock& block) {
    if (HasFatalFailure()) return;
    ASSERT_LT(at, expected.size());
    add(block, expected[at++].roots);
    if (!HasFatalFailure() && chain_.size() == kUncommitted) commit_oldest();
  });
  ASSERT_EQ(at, expected.size());
  // The last one carries all that are left.
  const auto committed = store_->commit(chain_.back().overlay);
  ASSERT_OK(committed);
  EXPECT_TRUE(same_roots(*committed, expected.back().roots));
  EXPECT_TRUE(same_roots(store_->committed_roots(), expected.back().roots));
  const auto report = store_->verify();
  ASSERT_OK(report);
  EXPECT_TRUE(report->good());
}

INSTANTIATE_TEST_SUITE_P(
    Traces, GoldenOverlays,
    ::testing::Values(Case{"edge", AccountRows::keep}, Case{"mixed", AccountRows::keep},
                      Case{"accounts", AccountRows::keep}, Case{"wide", AccountRows::keep},
                      Case{"balances", AccountRows::keep},
                      Case{"balances", AccountRows::prune_empty},
                      Case{"metakeys", AccountRows::keep}, Case{"mainnet", AccountRows::keep},
                      Case{"mainnet", AccountRows::prune_empty}),
    [](const ::testing::TestParamInfo<Case>& the) {
      return std::string(the.param.name) +
             (the.param.mode == AccountRows::prune_empty ? "_prune_empty" : "");
    });

}  // namespace
}  // namespace flatkv::test
