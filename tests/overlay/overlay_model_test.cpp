// SPDX-License-Identifier: Apache-2.0
// A random tree of overlays against a plain model that keeps the whole tree: what each shows, its
// roots by the model's own hash, and which of them are stale, also when blocks are undone.
// FLATKV_OVERLAY_STEPS sets the length.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <ranges>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "flatkv/overlay.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::size_t kDeepest = 200;
constexpr std::size_t kWidest = 8;
constexpr std::size_t kMostOverlays = 300;
constexpr std::size_t kMostStates = 40;
constexpr Pools kPools{.addresses = 10, .slots = 8, .legacy_keys = 12};

/// What the model knows of one overlay. Blocks are told apart by number, not by version.
struct Node {
  std::uint64_t block = 0;
  std::uint64_t base = 0;        ///< block that it stands on, if it has no parent
  std::shared_ptr<Node> parent;  ///< null once that is committed
  Model model;                   ///< with the writes of the overlay pending
  std::size_t depth = 1;
  std::size_t children = 0;
  bool sealed = false;
  bool committed = false;
};

struct Pair {
  std::shared_ptr<Node> node;
  Overlay overlay;
};

class OverlayModel : public StoreFixture, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  OverlayModel() : random_(GetParam()) {
    options_.flush.write_buffer_bytes = 48U << 10;
    options_.create.account_rows =
        GetParam() % 2 == 0 ? AccountRows::prune_empty : AccountRows::keep;
    options_.cache.row_cache_bytes = GetParam() % 3 == 0 ? 0 : 128U << 10;
    options_.scrub.mode = GetParam() % 3 == 1 ? Scrub::by_hand : Scrub::off;
    options_.rollback_depth = GetParam() == 2 ? 0 : 40;
    model_ = Model(options_.create.account_rows);
  }

  bool stale(const Node& node) const {
    if (node.committed) return node.block != tip_;
    const Node* at = &node;
    while (at->parent) at = at->parent.get();
    return at->committed ? at->block != tip_ : at->base != tip_;
  }

  Pair* some() { return pairs_.empty() ? nullptr : &pairs_[below(random_, pairs_.size())]; }
  /// Prefers the newest, so that chains become long.
  Pair* some_late() {
    if (pairs_.empty() || one_in(random_, 4)) return some();
    return &pairs_[pairs_.size() - 1 - below(random_, std::min<std::size_t>(3, pairs_.size()))];
  }

  void start() {
    auto overlay = store_->overlay();
    ASSERT_OK(overlay);
    auto node = std::make_shared<Node>();
    node->block = ++blocks_;
    node->base = tip_;
    node->model = model_;
    pairs_.push_back({std::move(node), std::move(*overlay)});
  }

  void child() {
    Pair* parent = some_late();
    if (parent == nullptr) return start();
    Node& above = *parent->node;
    if (above.depth >= kDeepest || above.children >= kWidest) return;
    auto overlay = parent->overlay.child();
    if (stale(above)) {
      ASSERT_TRUE(fails(overlay, ErrorCode::stale));
      return;
    }
    ASSERT_OK(overlay);
    auto node = std::make_shared<Node>();
    node->block = ++blocks_;
    node->model = above.model;
    if (above.committed) {
      node->base = above.block;
    } else {
      node->model.commit();
      node->parent = parent->node;
      node->depth = above.depth + 1;
    }
    above.sealed = true;
    ++above.children;
    ASSERT_EQ(overlay->version(), node->model.version() + 1);
    pairs_.push_back({std::move(node), std::move(*overlay)});
    deepest_ = std::max(deepest_, pairs_.back().node->depth);
  }

  void apply() {
    Pair* pair = some_late();
    if (pair == nullptr) return;
    const bool valid = !one_in(random_, 10);
    const Changes changes =
        valid ? random_changes(random_, kPools, 5) : invalid_changes(random_, kPools);
    const Status applied = pair->overlay.apply(changes);
    if (stale(*pair->node)) {
      ASSERT_TRUE(fails(applied, ErrorCode::stale));
    } else if (pair->node->sealed || !valid) {
      ASSERT_TRUE(fails(applied, ErrorCode::invalid_argument));
    } else {
      ASSERT_OK(applied);
      ASSERT_TRUE(pair->node->model.apply(changes));
    }
  }

  void roots() {
    Pair* pair = some();
    if (pair == nullptr) return;
    const auto found = pair->overlay.working_roots();
    if (stale(*pair->node)) {
      ASSERT_TRUE(fails(found, ErrorCode::stale));
      return;
    }
    ASSERT_OK(found);
    ASSERT_TRUE(same_roots(*found, pair->node->model.working().roots()));
  }

  void read() {
    Pair* pair = some();
    if (pair == nullptr) return;
    const State& expected = pair->node->model.working();
    std::vector<Bytes> keys;
    for (int i = 0; i < 6; ++i) keys.push_back(random_key(random_, kPools));
    const std::vector<ByteView> views(keys.begin(), keys.end());
    const auto many = pair->overlay.get_many(views);
    if (stale(*pair->node)) {
      ASSERT_TRUE(fails(many, ErrorCode::stale));
      ASSERT_TRUE(fails(pair->overlay.get(keys[0]), ErrorCode::stale));
      ASSERT_TRUE(fails(pair->overlay.iterate(Database::code), ErrorCode::stale));
      ++touched_stale_;
      return;
    }
    ASSERT_OK(many);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ((*many)[i], expected.get(keys[i])) << to_hex(keys[i]);
      const auto one = pair->overlay.get(keys[i]);
      ASSERT_OK(one);
      ASSERT_EQ(*one, expected.get(keys[i])) << to_hex(keys[i]);
    }
    if (one_in(random_, 4)) iterate(*pair, expected);
  }

  void iterate(Pair& pair, const State& expected) {
    const Database database = kDataDatabases[below(random_, kDataDatabases.size())];
    auto rows = pair.overlay.iterate(database);
    ASSERT_OK(rows);
    Rows found;
    for (; rows->valid(); rows->next()) found[to_bytes(rows->key())] = to_bytes(rows->value());
    ASSERT_OK(rows->status());
    ASSERT_EQ(found, expected.rows[database]);
  }

  void commit() {
    Pair* pair = some();
    if (pair == nullptr) return;
    const std::shared_ptr<Node> node = pair->node;
    const auto committed = store_->commit(pair->overlay);
    if (stale(*node)) {
      ASSERT_TRUE(fails(committed, ErrorCode::stale));
      return;
    }
    if (node->committed) {
      ASSERT_TRUE(fails(committed, ErrorCode::invalid_argument));
      return;
    }
    ASSERT_OK(committed);
    ++commits_;
    std::vector<Node*> path;
    for (Node* at = node.get(); at != nullptr; at = at->parent.get()) path.push_back(at);
    for (Node* at : path | std::views::reverse) {
      at->committed = at->sealed = true;
      at->model.commit();
      model_ = at->model;
      reach(at->block);
    }
    node->parent.reset();
    ASSERT_EQ(store_->version(), model_.version());
    ASSERT_TRUE(same_roots(*committed, model_.committed().roots()));
    // Models stay for reads of overlays that are not stale; the rest is only stale.
    for (Pair& other : pairs_) {
      if (other.node->parent && other.node->parent->committed) {
        other.node->base = other.node->parent->block;
        other.node->parent.reset();
      }
    }
  }

  /// The model is at the block with this number.
  void reach(std::uint64_t block) {
    tip_ = block;
    chain_.emplace_back(block, model_.committed());
    if (chain_.size() > kMostStates) chain_.erase(chain_.begin());
  }

  /// Goes back some blocks; what stands on them is stale for good, what stands on the block that
  /// stays is not stale any more.
  void undo() {
    const std::int64_t floor = store_->metrics().undo_floor;
    const auto first = std::ranges::find_if(
        chain_, [&](const auto& entry) { return entry.second.version >= floor; });
    const auto most = static_cast<std::uint64_t>(chain_.end() - first);
    if (options_.rollback_depth == 0 || most < 2) return;
    chain_.resize(chain_.size() - 1 - below(random_, std::min<std::uint64_t>(most - 1, 5)));
    ASSERT_OK(store_->rollback(chain_.back().second.version));
    tip_ = chain_.back().first;
    model_.go_back(chain_.back().second);
    ++undos_;
  }

  void destroy() {
    if (pairs_.empty()) return;
    const auto stale_ones =
        std::ranges::count_if(pairs_, [&](const Pair& pair) { return stale(*pair.node); });
    const bool sweep = static_cast<std::size_t>(stale_ones) > kMostOverlays / 3;
    if (sweep || pairs_.size() >= kMostOverlays) {
      std::erase_if(pairs_,
                    [&](const Pair& pair) { return stale(*pair.node) || one_in(random_, 3); });
    } else {
      pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(below(random_, pairs_.size())));
    }
  }

  void by_the_handle() {
    const Changes changes = random_changes(random_, kPools, 5);
    ASSERT_OK(store_->apply(changes));
    ASSERT_TRUE(model_.apply(changes));
    if (Pair* pair = some(); pair != nullptr && store_->has_pending()) {
      ASSERT_FALSE(store_->commit(pair->overlay));
    }
    if (one_in(random_, 2)) {
      store_->discard();
      model_.discard();
      return;
    }
    model_.commit();
    ASSERT_OK(store_->commit(model_.version()));
    reach(++blocks_);
  }

  void all_end_with_the_store() {
    close();
    for (Pair& pair : pairs_) {
      ASSERT_TRUE(fails(pair.overlay.working_roots(), ErrorCode::store_failed));
    }
    pairs_.clear();
    open();
    check();
  }

  void step() {
    switch (below(random_, 40)) {
      case 0:
        return one_in(random_, 8) ? start() : child();
      case 1:
        return one_in(random_, 3) ? commit() : roots();
      case 2:
        return one_in(random_, 6) ? destroy() : read();
      case 3:
        if (one_in(random_, 40)) return by_the_handle();
        if (one_in(random_, 60)) return all_end_with_the_store();
        if (one_in(random_, 10)) return undo();
        if (one_in(random_, 20)) {
          ASSERT_OK(store_->flush());
        }
        if (options_.scrub.mode == Scrub::by_hand) {
          ASSERT_OK(store_->scrub(40));
        }
        return;
      default:
        break;
    }
    const std::uint64_t what = below(random_, 12);
    if (what < 4) return child();
    if (what < 8) return apply();
    if (what < 10) return read();
    roots();
  }

  Random random_;
  std::vector<Pair> pairs_;
  std::vector<std::pair<std::uint64_t, State>> chain_ = {{0, model_.committed()}};
  std::uint64_t blocks_ = 0;
  std::uint64_t tip_ = 0;
  std::size_t deepest_ = 0;
  int commits_ = 0;
  int undos_ = 0;
  int touched_stale_ = 0;
};

TEST_P(OverlayModel, EveryOverlayOfTheTreeIsRight) {
  open();
  const std::uint64_t steps = environment("FLATKV_OVERLAY_STEPS", 4000);
  for (std::uint64_t i = 0; i < steps; ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    step();
    if (HasFatalFailure()) return;
    if (pairs_.size() > kMostOverlays) destroy();
    if (i % 500 == 499) {
      check();
      if (options_.scrub.mode == Scrub::by_hand) {
        ASSERT_TRUE(store_->scrub_status().value()->findings.empty());
      }
    }
  }
  check();
  EXPECT_GT(commits_, 0);
  EXPECT_GT(touched_stale_, 0);
  EXPECT_EQ(undos_ > 0, options_.rollback_depth != 0);
  std::printf("  deepest chain %zu, %d commits, %d undos, version %lld\n", deepest_, commits_,
              undos_, static_cast<long long>(store_->version()));
  pairs_.clear();
  EXPECT_EQ(store_->metrics().overlay_memory, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, OverlayModel, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace flatkv::test
