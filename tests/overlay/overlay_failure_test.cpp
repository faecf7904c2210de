// SPDX-License-Identifier: Apache-2.0
// What is left of a commit of several overlays when one of its blocks fails.
#include <gtest/gtest.h>

#include "base/failpoint.hpp"
#include "flatkv/overlay.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

#ifdef FLATKV_FAILPOINTS

class OverlayFailure : public StoreFixture {
 protected:
  void TearDown() override { failpoint::disarm_all(); }

  /// A chain of overlays with the blocks of the script above the model's.
  std::vector<Overlay> chain(std::int64_t count) {
    std::vector<Overlay> overlays;
    overlays.push_back(store_->overlay().value());
    for (std::int64_t i = 1; i <= count; ++i) {
      for (const Changes& changes : script_block(seed_, model_.version() + i)) {
        EXPECT_OK(overlays.back().apply(changes));
      }
      if (i < count) overlays.push_back(overlays.back().child().value());
    }
    return overlays;
  }
  void model_takes(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      for (const Changes& changes : script_block(seed_, model_.version() + 1)) {
        ASSERT_TRUE(model_.apply(changes));
      }
      model_.commit();
    }
  }
};

/// The log fails at the third of five blocks: two stay, and the store fails.
TEST_F(OverlayFailure, ThePrefixStaysWhenTheLogFails) {
  for (const char* site : {"commit.begin", "commit.appended"}) {
    SCOPED_TRACE(site);
    open();
    blocks(2);
    auto overlays = chain(5);
    const std::int64_t before = store_->version();
    failpoint::arm(site, [] { return fail(ErrorCode::io, "injected failure"); }, 3);
    const auto committed = store_->commit(overlays.back());
    ASSERT_TRUE(fails(committed, ErrorCode::io));
    EXPECT_EQ(committed.error().version, before + 2);
    EXPECT_NE(committed.error().message.find("only a reopen can tell"), std::string::npos)
        << committed.error().to_string();
    EXPECT_EQ(store_->version(), before + 2);
    model_takes(2);
    // Reads of overlays on what is left go on, as those of the handle do; writes do not.
    EXPECT_OK(overlays.back().get(nonce_key(address(1))));
    EXPECT_TRUE(
        fails(overlays.back().apply(Changes().nonce(address(1), 1)), ErrorCode::store_failed));
    EXPECT_TRUE(fails(store_->commit(overlays.back()), ErrorCode::store_failed));
    failpoint::disarm_all();
    EXPECT_FALSE(store_->close());
    open();
    if (store_->version() != model_.version()) model_takes(1);  // its record was whole
    check_and_go_on();
    close();
    remove_tree(path());
    model_ = Model();
  }
}

/// A read of an old value fails: nothing of the call is kept, and the chain goes on.
TEST_F(OverlayFailure, AFailedReadChangesNothing) {
  options_.cache.row_cache_bytes = options_.cache.key_filter_bytes = 0;
  open();
  blocks(2);
  ASSERT_OK(store_->flush());
  auto overlays = chain(4);
  const Roots roots = overlays.back().working_roots().value();
  const Changes more = Changes().storage(address(1000), slot(1), word(1));
  failpoint::arm("apply.values_read", [] { return fail(ErrorCode::io, "injected failure"); });
  ASSERT_TRUE(fails(overlays.back().apply(more), ErrorCode::io));
  EXPECT_TRUE(same_roots(overlays.back().working_roots().value(), roots));
  ASSERT_OK(store_->commit(overlays.back()));
  model_takes(4);
  check_and_go_on();
}

#endif

}  // namespace
}  // namespace flatkv::test
