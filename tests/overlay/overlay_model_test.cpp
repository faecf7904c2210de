// SPDX-License-Identifier: Apache-2.0
// A random tree of overlays against a plain model that keeps the whole tree: what each shows, its
// roots by the model's own hash, and which of them are stale. Meanwhile blocks are committed and
// undone, recent versions read, and the store closed and opened; processes end and the power goes
// at any operation on the simulated disk.
//
//   FLATKV_OVERLAY_STEPS=n the length of each run (2800), FLATKV_SEED=n the seed of the first
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <ranges>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/internals.hpp"
#include "flatkv/overlay.hpp"
#include "simdisk/life.hpp"
#include "store/commit_store.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

using simdisk::CrashMode;

constexpr std::size_t kDeepest = 200;
constexpr std::size_t kWidest = 8;
constexpr std::size_t kMostOverlays = 300;
constexpr std::size_t kMostStates = 150;
constexpr Pools kPools{.addresses = 10, .slots = 8, .legacy_keys = 12};

Options random_options(Random& random) {
  Options options = simdisk::sim_options(
      any_of(random, {Durability::sync, Durability::process, Durability::group}));
  options.create.account_rows = any_of(random, {AccountRows::prune_empty, AccountRows::keep});
  options.recent_versions = any_of(random, {0U, 20U, 128U});
  options.flush.write_buffer_bytes = any_of<std::uint64_t>(random, {16 << 10, 48 << 10, 1 << 20});
  options.segment_bytes = any_of<std::uint64_t>(random, {4 << 10, 1 << 20});
  options.snapshot.interval = any_of<std::uint64_t>(random, {0, 30});
  options.cache.row_cache_bytes = any_of<std::uint64_t>(random, {0, 128 << 10});
  options.scrub.mode = any_of(random, {Scrub::by_hand, Scrub::off});
  options.threads = 2;
  return options;
}

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
  bool ended = false;  ///< by the building of a generation
};

struct Pair {
  std::shared_ptr<Node> node;
  Overlay overlay;
};

/// A committed block and the state after it.
struct Committed {
  std::uint64_t block = 0;
  State state;
};

class OverlayModel : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override {
    constexpr std::array<std::uint32_t, 4> kDepths = {40, 0, 128, 3};
    options_.rollback_depth = kDepths[seed() % 4];
    model_ = Model(options_.create.account_rows);
    chain_.push_back({0, model_.committed()});
  }

  std::uint64_t seed() const { return environment("FLATKV_SEED", 1) + GetParam(); }

  /// In turn: a chain becomes as long as may be, one block gets many children, and the committed
  /// state changes; in between, anything.
  void step() {
    const std::uint64_t at = steps_++ % 700;
    if (at < 320 && !one_in(random_, 3)) return child(deepest());
    if (at >= 320 && at < 400 && !one_in(random_, 3)) return child(favourite());
    if (at >= 400 && one_in(random_, 3)) return change();
    const std::uint64_t what = below(random_, 40);
    if (what < 8) return child(some_late());
    if (what < 22) return apply();
    if (what < 30) return read();
    if (what < 36) return roots();
    if (what < 38) return look_back();
    if (what < 39) return scrub();
    destroy();
  }

  void change() {
    settle();  // so that a seed does the same again
    if (one_in(random_, 8)) return kill();
    change_by(below(random_, 40));
  }
  void change_by(std::uint64_t what) {
    if (what < 22) return commit();
    if (what < 26) return by_the_handle();
    if (what < 36) return undo();
    if (what < 37) return build_generation();
    if (what < 39) return flush();
    reopen();
  }

  bool stale(const Node& node) const {
    if (node.committed) return node.block != tip();
    const Node* at = &node;
    while (at->parent) at = at->parent.get();
    return at->committed ? at->block != tip() : at->base != tip();
  }
  std::uint64_t tip() const { return chain_.back().block; }

  Pair* some() { return pairs_.empty() ? nullptr : &pairs_[below(random_, pairs_.size())]; }
  /// Null if all are stale.
  Pair* deepest() {
    Pair* found = nullptr;
    for (Pair& pair : pairs_) {
      const bool deeper = found == nullptr || pair.node->depth > found->node->depth;
      if (deeper && !stale(*pair.node)) found = &pair;
    }
    return found;
  }
  /// One of the newest, mostly.
  Pair* some_late() {
    if (pairs_.empty() || one_in(random_, 4)) return some();
    return &pairs_[pairs_.size() - 1 - below(random_, std::min<std::size_t>(3, pairs_.size()))];
  }
  /// The same one, until it is full or stale.
  Pair* favourite() {
    const auto found = std::ranges::find_if(pairs_, [&](const Pair& pair) {
      return pair.node->block == favourite_ && pair.node->children < kWidest && !stale(*pair.node);
    });
    if (found != pairs_.end()) return &*found;
    Pair* next = some();
    if (next != nullptr) favourite_ = next->node->block;
    return next;
  }

  void start() {
    auto overlay = store_->overlay();
    ASSERT_OK(overlay);
    auto node = std::make_shared<Node>();
    node->block = ++blocks_;
    node->base = tip();
    node->model = model_;
    pairs_.push_back({std::move(node), std::move(*overlay)});
  }

  void child(Pair* parent) {
    if (parent == nullptr) return start();
    Node& above = *parent->node;
    if (above.depth >= kDeepest || above.children >= kWidest) return;
    auto overlay = parent->overlay.child();
    if (stale(above)) {
      ASSERT_TRUE(fails(overlay, ErrorCode::stale));
      return start();
    }
    ASSERT_OK(overlay);
    if (!above.sealed) {
      const auto sealed = parent->overlay.working_roots();
      ASSERT_OK(sealed);
      ASSERT_TRUE(same_roots(*sealed, above.model.working().roots()));
    }
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
    widest_ = std::max(widest_, ++above.children);
    deepest_ = std::max(deepest_, node->depth);
    ASSERT_EQ(overlay->version(), node->model.version() + 1);
    pairs_.push_back({std::move(node), std::move(*overlay)});
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
      ++counts_["stale ones touched"];
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

  /// A recent version has the rows of the branch that is committed now.
  void look_back() {
    const Committed& wanted = chain_[below(random_, chain_.size())];
    const auto view = store_->view(wanted.state.version);
    if (!view) {
      ASSERT_TRUE(fails(view, ErrorCode::version_mismatch));
      ASSERT_NE(wanted.state.version, model_.version());
      return;
    }
    ASSERT_TRUE(view_is(*view, wanted.state));
    if (wanted.block != tip()) ++counts_["reads of earlier versions"];
    held_.emplace(*view, wanted.state);
  }
  /// A view reads on, whatever was committed, undone or flushed since.
  void check_held_view() {
    if (held_) {
      ASSERT_TRUE(view_is(held_->first, held_->second));
    }
    held_.reset();
  }

  void scrub() {
    if (options_.scrub.mode == Scrub::by_hand) {
      ASSERT_OK(store_->scrub(40));
    }
  }

  void commit() {
    Pair* pair = one_in(random_, 4) ? deepest() : some_late();
    if (pair == nullptr) return;
    const std::shared_ptr<Node> node = pair->node;
    std::vector<Node*> path;  // oldest first
    if (!node->committed && !stale(*node)) {
      for (Node* at = node.get(); at != nullptr; at = at->parent.get()) path.push_back(at);
      std::ranges::reverse(path);
    }
    for (const Node* at : path) in_flight(at->block, at->model);
    const auto committed = store_->commit(pair->overlay);
    if (crashed()) return;
    in_flight_.clear();
    if (path.empty()) {
      ASSERT_TRUE(fails(committed, stale(*node) ? ErrorCode::stale : ErrorCode::invalid_argument));
      return;
    }
    ASSERT_OK(committed);
    ++counts_["commits"];
    for (Node* at : path) {
      at->committed = at->sealed = true;
      at->model.commit();
      reach({at->block, at->model.committed()});
    }
    ASSERT_EQ(store_->version(), model_.version());
    ASSERT_TRUE(same_roots(*committed, model_.committed().roots()));
    // Models stay for reads of overlays that are not stale; the rest is only stale.
    node->parent.reset();
    for (Pair& other : pairs_) {
      if (other.node->parent && other.node->parent->committed) {
        other.node->base = other.node->parent->block;
        other.node->parent.reset();
      }
    }
  }
  /// A commit of this block is about to begin; if the disk is to crash, it may be cut off.
  void in_flight(std::uint64_t block, Model model) {
    if (!armed_) return;
    model.commit();
    in_flight_.push_back({block, model.committed()});
  }
  void reach(Committed block) {
    chain_.push_back(std::move(block));
    model_.go_back(chain_.back().state);
    if (chain_.size() > kMostStates) chain_.pop_front();
  }

  void by_the_handle() {
    const Changes changes = random_changes(random_, kPools, 5);
    const Status applied = store_->apply(changes);
    if (crashed()) return;  // in a compaction, say, which `settle` does not wait for
    ASSERT_OK(applied);
    ASSERT_TRUE(model_.apply(changes));
    if (Pair* pair = some(); pair != nullptr && store_->has_pending()) {
      ASSERT_FALSE(store_->commit(pair->overlay));
    }
    if (one_in(random_, 3)) {
      store_->discard();
      model_.discard();
      return;
    }
    in_flight(++blocks_, model_);
    const auto committed = store_->commit(model_.version() + 1);
    if (crashed()) return;
    in_flight_.clear();
    ASSERT_OK(committed);
    model_.commit();
    reach({blocks_, model_.committed()});
  }

  /// What stands on an undone block is stale for good, what stands on the block that stays is not
  /// stale any more.
  void undo() {
    const std::int64_t floor = store_->metrics().undo_floor;
    const auto most = static_cast<std::uint64_t>(std::ranges::count_if(
        chain_, [&](const Committed& one) { return one.state.version >= floor; }));
    if (most < 2) return;
    const std::uint64_t reach = one_in(random_, 10) ? kMostStates : 4;
    const std::uint64_t blocks = 1 + below(random_, std::min(most - 1, reach));
    go_back(chain_[chain_.size() - 1 - blocks], "undos");
  }
  /// Goes back below the floor, to where a snapshot and the log allow it. That ends all overlays.
  void build_generation() {
    const std::size_t blocks = 1 + below(random_, 20);
    if (blocks >= chain_.size()) return;
    const Committed& to = chain_[chain_.size() - 1 - blocks];
    const std::int64_t version = to.state.version;
    if (version >= store_->metrics().undo_floor) return;
    go_back(to, "generations built");
    if (crashed() || model_.version() != version) return;
    chain_.back().block = ++blocks_;  // nothing stands on it any more
    for (const Pair& pair : pairs_) pair.node->ended = true;
  }
  void go_back(const Committed& to, const char* how) {
    const bool below = to.state.version < store_->metrics().undo_floor;
    going_back_ = to.state.version;
    const Status done = store_->rollback(to.state.version);
    if (crashed()) return;
    going_back_.reset();
    if (below && !done) {
      ASSERT_TRUE(fails(done, ErrorCode::version_mismatch));  // no snapshot reaches that far
      return;
    }
    ASSERT_OK(done);
    keep_up_to(to.state.version);
    ++counts_[how];
  }
  void keep_up_to(std::int64_t version) {
    while (!chain_.empty() && chain_.back().state.version > version) chain_.pop_back();
    ASSERT_FALSE(chain_.empty());
    ASSERT_EQ(chain_.back().state.version, version);
    model_.go_back(chain_.back().state);
  }

  void flush() {
    const Status done = store_->flush();
    if (crashed()) return;
    ASSERT_OK(done);
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

  void open() {
    auto opened =
        store::open_commit_store(simdisk::environment_of(disk_), simdisk::kStore, options_);
    if (crashed()) return;
    ASSERT_OK(opened);
    store_.emplace(std::move(*opened));
  }
  void reopen() {
    held_.reset();
    const Status closed = store_->close();
    if (crashed()) return;
    ASSERT_OK(closed);
    end();
    open();
    if (crashed()) return;
    check();
    ++counts_["reopens"];
  }
  /// After a close, which ends all overlays.
  void end() {
    for (Pair& pair : pairs_) {
      const auto found = pair.overlay.working_roots();
      if (going_back_ && fails(found, ErrorCode::stale)) continue;  // a generation was cut off
      ASSERT_TRUE(fails(found, pair.node->ended ? ErrorCode::stale : ErrorCode::store_failed));
      ASSERT_FALSE(pair.overlay.child());
    }
    pairs_.clear();
    store_.reset();
  }

  bool crashed() { return disk_.crashes() != crashes_; }
  CrashMode any_mode() {
    // `Durability::process` promises nothing that a power cut leaves.
    if (options_.durability == Durability::process || one_in(random_, 3)) return CrashMode::process;
    return any_of(random_, {CrashMode::keep_all, CrashMode::drop_unsynced, CrashMode::random,
                            CrashMode::lose_one, CrashMode::keep_one});
  }

  /// The process ends, or the power goes, while something is being changed or soon after.
  void kill() {
    const CrashMode mode = any_mode();
    const std::uint64_t seed = random_();
    armed_ = true;
    disk_.crash_at(1 + below(random_, one_in(random_, 2) ? 6 : 40), mode, seed);
    change_by(below(random_, 40));
    settle();
    disk_.crash_at(0, mode);
    if (!crashed()) disk_.crash(mode, seed);
    armed_ = false;
    if (!HasFatalFailure()) recover(mode == CrashMode::process);
  }
  void settle() {
    if (store_) static_cast<void>(Internals::impl(*store_).core().quiesce());
  }

  void recover(bool only_the_process) {
    ++counts_[only_the_process ? "ends of the process" : "power cuts"];
    const std::int64_t before = model_.version();
    std::int64_t lowest = before;
    std::int64_t highest = before;
    held_.reset();
    if (store_) {
      highest = store_->version();
      lowest = only_the_process ? highest : std::min(highest, store_->durable_version());
      if (!in_flight_.empty() && highest < in_flight_.back().state.version) ++highest;
      static_cast<void>(store_->close());
      end();
    }
    crashes_ = disk_.crashes();
    open();
    ASSERT_TRUE(store_);
    const std::int64_t found = store_->version();
    for (Committed& block : in_flight_) {
      if (block.state.version <= found) reach(std::move(block));
    }
    if (!in_flight_.empty()) ++counts_[found > before ? "commits kept" : "commits lost"];
    if (going_back_ && found == *going_back_) {
      ++counts_["undos kept"];
    } else {
      if (going_back_) ++counts_["undos lost"];
      ASSERT_GE(found, lowest);
      ASSERT_LE(found, highest);
    }
    in_flight_.clear();
    going_back_.reset();
    keep_up_to(found);
    check();
  }

  void check() {
    const auto same = store_is(*store_, model_.committed());
    if (crashed()) return;
    ASSERT_TRUE(same);
    if (options_.scrub.mode == Scrub::by_hand) {
      ASSERT_TRUE(store_->scrub_status().value()->findings.empty());
    }
  }

  Random random_{seed()};
  Options options_ = random_options(random_);
  simdisk::SimDisk disk_;
  std::uint64_t crashes_ = 0;  ///< of the disk that are dealt with
  std::optional<CommitStore> store_;
  Model model_;
  std::deque<Committed> chain_;  ///< the last committed blocks, the last one is the model's
  std::vector<Pair> pairs_;
  std::optional<std::pair<ReadView, State>> held_;
  std::uint64_t steps_ = 0;
  std::uint64_t favourite_ = 0;
  std::uint64_t blocks_ = 0;

  bool armed_ = false;                      ///< the disk is about to crash
  std::vector<Committed> in_flight_;        ///< blocks of a commit that a crash may cut off
  std::optional<std::int64_t> going_back_;  ///< where an undo leads that a crash may cut off

  std::size_t deepest_ = 0;
  std::size_t widest_ = 0;
  std::map<std::string, int> counts_;
};

TEST_P(OverlayModel, EveryOverlayOfTheTreeIsRight) {
  open();
  const std::uint64_t steps = environment("FLATKV_OVERLAY_STEPS", 2800);
  for (std::uint64_t i = 0; i < steps; ++i) {
    SCOPED_TRACE("step " + std::to_string(i) + " of FLATKV_SEED=" + std::to_string(seed()));
    step();
    if (HasFatalFailure()) return;
    if (pairs_.size() > kMostOverlays) destroy();
    if (i % 500 == 499) check();
  }
  check();
  held_.reset();
  pairs_.clear();
  EXPECT_EQ(store_->metrics().overlay_memory, 0U);
  std::printf("  deepest chain %zu, most children %zu, version %lld, rollback_depth %u\n", deepest_,
              widest_, static_cast<long long>(store_->version()), options_.rollback_depth);
  for (const auto& [what, count] : counts_) std::printf("  %s: %d\n", what.c_str(), count);
  if (steps < 2800) return;
  EXPECT_GT(deepest_, kDeepest / 2);
  EXPECT_EQ(widest_, kWidest);
  for (const char* what : {"commits", "stale ones touched", "reopens", "ends of the process"}) {
    EXPECT_GT(counts_[what], 0) << what;
  }
  EXPECT_GT(counts_[options_.rollback_depth == 0 ? "generations built" : "undos"], 0);
  if (options_.durability != Durability::process) {
    EXPECT_GT(counts_["power cuts"], 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, OverlayModel, ::testing::Values(0, 1, 2, 3));

}  // namespace
}  // namespace flatkv::test
