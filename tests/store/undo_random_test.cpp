// SPDX-License-Identifier: Apache-2.0
// Many undos at random depths, each followed by another branch, over flushes and snapshots: every
// root against the model, and in the end every row. FLATKV_UNDOS sets their number.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr Pools kPools{.addresses = 30, .slots = 30, .legacy_keys = 40};

class ManyUndos : public StoreFixture, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  ManyUndos() : random_(GetParam()) {
    options_.rollback_depth = 32;
    options_.segment_bytes = 16 << 10;
    options_.flush.write_buffer_bytes = 256 << 10;
    options_.snapshot.interval = 50;
    options_.snapshot.keep = 1;
    options_.durability = GetParam() % 2 == 0 ? Durability::group : Durability::process;
    options_.cache.row_cache_bytes = 256 << 10;
  }

  void commit(std::uint64_t branch) {
    const std::int64_t version = model_.version() + 1;
    ASSERT_TRUE(commit_both(*store_, model_, script_block(branch, version, kPools, 8)));
    states_[version] = model_.committed();
    while (states_.size() > options_.rollback_depth + 2U) states_.erase(states_.begin());
  }

  void undo() {
    const std::int64_t floor = std::max(store_->metrics().undo_floor, states_.begin()->first);
    const auto most = static_cast<std::uint64_t>(model_.version() - floor);
    if (most == 0) return;
    const std::uint64_t reach = one_in(random_, 8) ? most : std::min<std::uint64_t>(most, 4);
    const std::int64_t target =
        model_.version() - 1 - static_cast<std::int64_t>(below(random_, reach));
    deepest_ = std::max(deepest_, model_.version() - target);
    ASSERT_OK(store_->rollback(target));
    states_.erase(states_.upper_bound(target), states_.end());
    model_.go_back(states_.at(target));
    ++undos_;
  }

  Random random_;
  std::map<std::int64_t, State> states_ = {{0, model_.committed()}};
  std::uint64_t undos_ = 0;
  std::uint64_t flushes_ = 0;
  std::int64_t deepest_ = 0;
};

TEST_P(ManyUndos, EndWithTheRowsOfTheModel) {
  const std::uint64_t wanted = environment("FLATKV_UNDOS", 1000);
  open();
  const std::string generation = live_generation(path());
  for (std::uint64_t branch = 1; undos_ < wanted; ++branch) {
    SCOPED_TRACE("branch " + std::to_string(branch));
    for (std::uint64_t i = 2 + below(random_, 8); i > 0 && !HasFatalFailure(); --i) commit(branch);
    if (!HasFatalFailure()) undo();
    if (!HasFatalFailure() && one_in(random_, 100)) {
      flushes_ += store_->metrics().flushes;
      reopen();
    }
    if (HasFatalFailure()) return;
  }
  commit(0);
  EXPECT_EQ(live_generation(path()), generation) << "a generation was built";
  EXPECT_GT(flushes_ + store_->metrics().flushes, 0U);
  std::printf("  %llu undos, the deepest of %lld blocks, version %lld\n",
              static_cast<unsigned long long>(undos_), static_cast<long long>(deepest_),
              static_cast<long long>(store_->version()));
  check();
  EXPECT_TRUE(store_->verify().value().good());
  reopen();
  check_and_go_on();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManyUndos, ::testing::Values(1, 2));

}  // namespace
}  // namespace flatkv::test
