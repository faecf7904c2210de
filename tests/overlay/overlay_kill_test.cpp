// SPDX-License-Identifier: Apache-2.0
// A child lets a random tree of overlays grow, commits some of them, alone or with those below, and
// undoes blocks, until it is killed at random (rows C1 and F1 of docs/recovery.md). The store opens
// at a block of the branch that was acknowledged, and a new tree grows on it. FLATKV_KILL_ROUNDS,
// FLATKV_SEED.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <iostream>
#include <map>

#include "base/error.hpp"
#include "flatkv/overlay.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/random_life.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

const Pools kPools{.addresses = 12, .slots = 10, .legacy_keys = 15};
constexpr std::size_t kMostOverlays = 24;
constexpr std::uint32_t kUndoable = 16;

enum Doing : std::uint32_t { kNothing, kGrow, kCommit, kUndo };

Options life_options(std::uint64_t life) {
  Options options = small_options();
  options.create_if_missing = true;
  constexpr std::array<Durability, 3> kModes = {Durability::sync, Durability::process,
                                                Durability::group};
  options.durability = kModes[life % 3];
  options.group_blocks = 4;
  options.flush.write_buffer_bytes = life % 2 == 0 ? 16 << 10 : 256 << 10;
  options.segment_bytes = 8 << 10;
  options.snapshot.interval = life % 4 == 1 ? 20 : 0;
  options.snapshot.keep = 1;
  options.rollback_depth = kUndoable;
  return options;
}

/// Every overlay of every life has its own number and content, so that no block is taken for
/// another's.
std::int64_t first_number(std::uint64_t life) { return static_cast<std::int64_t>(life << 24); }
std::vector<Changes> block_of(std::int64_t number, std::int64_t version) {
  return script_block(static_cast<std::uint64_t>(number), version, kPools);
}

/// Arguments: store, page, number of this life. Reports `o` with the number of each block that the
/// next commit contains, lowest first, `a` when it is done; `b` and `U` around an undo.
class Life {
 public:
  Life(CommitStore& store, Shared& page, const Reporter& reporter, std::uint64_t life)
      : store_(store),
        page_(page),
        reporter_(reporter),
        number_(first_number(life)),
        random_(life) {}

  Status step() {
    const std::uint64_t what = below(random_, 20);
    if (nodes_.empty() || what < 4) return plant();
    if (what < 12) return grow();
    if (what < 17) return commit();
    if (what < 19) return undo();
    nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(below(random_, nodes_.size())));
    return {};
  }

 private:
  struct Node {
    Overlay overlay;
    std::vector<std::int64_t> blocks;  ///< numbers, from the lowest overlay below it to itself
    Roots roots;
  };

  Status plant() {
    auto overlay = store_.overlay();
    if (!overlay) return std::unexpected(overlay.error());
    return add(std::move(*overlay), {});
  }
  Status grow() {
    Node& parent = some();
    auto child = parent.overlay.child();
    if (!child) return unless_stale(parent, child.error());
    return add(std::move(*child), parent.blocks);
  }
  Status add(Overlay overlay, std::vector<std::int64_t> below_it) {
    page_.doing = kGrow;
    const std::int64_t number = ++number_;
    for (const Changes& changes : block_of(number, overlay.version())) {
      if (Status applied = overlay.apply(changes); !applied) return applied;
    }
    auto roots = overlay.working_roots();
    if (!roots) return std::unexpected(roots.error());
    page_.doing = kNothing;
    below_it.push_back(number);
    nodes_.push_back({std::move(overlay), std::move(below_it), *roots});
    if (nodes_.size() > kMostOverlays) nodes_.pop_front();
    return {};
  }

  Status commit() {
    Node& node = some();
    if (auto now = node.overlay.working_roots(); !now) return unless_stale(node, now.error());
    const std::int64_t blocks = node.overlay.version() - store_.version();
    if (blocks < 1) return {};  // it was committed already
    for (auto at = node.blocks.end() - blocks; at != node.blocks.end(); ++at) {
      reporter_.say('o', *at);
    }
    page_.doing = kCommit;
    auto roots = store_.commit(node.overlay);
    if (!roots) return std::unexpected(roots.error());
    page_.doing = kNothing;
    reporter_.say('a', store_.version());
    if (same_roots(*roots, node.roots)) return {};
    return fail(ErrorCode::corruption, "the roots of an overlay are not its block's");
  }

  Status undo() {
    const std::int64_t least = std::max<std::int64_t>(store_.metrics().undo_floor, 0);
    const std::int64_t target =
        std::max(least, store_.version() - 1 - static_cast<std::int64_t>(below(random_, 5)));
    if (target >= store_.version()) return {};
    reporter_.say('b', target);
    page_.doing = kUndo;
    if (Status done = store_.rollback(target); !done) return done;
    page_.doing = kNothing;
    reporter_.say('U', target);
    return {};
  }

  Node& some() { return nodes_[below(random_, nodes_.size())]; }
  Status unless_stale(const Node& node, const Error& error) {
    if (error.code != ErrorCode::stale) return std::unexpected(error);
    std::erase_if(nodes_, [&](const Node& one) { return &one == &node; });
    return {};
  }

  CommitStore& store_;
  Shared& page_;
  const Reporter& reporter_;
  std::int64_t number_;
  Random random_;
  std::deque<Node> nodes_;
};

int live(const std::vector<std::string>& arguments, const Reporter& reporter) {
  Shared& page = shared_page(arguments.at(1));
  const std::uint64_t number = std::stoull(arguments.at(2));
  return live_until_killed<Life>(arguments.at(0), life_options(number), page, number, reporter);
}
const RegisterChild kLive("overlay-life", live);

class OverlayKill : public ::testing::Test {
 protected:
  std::string path() const { return directory_.path("store"); }

  void kill_in_a_life() {
    ++life_;
    page_.doing = kNothing;
    Child child =
        Child::start("overlay-life", {path(), directory_.path("page"), std::to_string(life_)});
    ASSERT_TRUE(kill_at_random(child, random_));
    for (const Message& message : child.messages()) {
      follow(message);
      if (HasFatalFailure()) return;
    }
    doing_ = page_.doing;
    constexpr std::array<const char*, 4> kNames = {"between", "overlay", "commit", "undo"};
    ++counts_[std::string("killed in: ") + kNames[doing_]];
  }

  void follow(const Message& message) {
    switch (message.type) {
      case 'r':
        settle(message.value);
        break;
      case 'o':
        in_flight_.push_back(message.value);
        break;
      case 'a':
        if (in_flight_.size() > 1) ++counts_["commits of several blocks"];
        while (!in_flight_.empty()) commit_first();
        ASSERT_EQ(message.value, model_.version());
        break;
      case 'b':
        going_back_ = message.value;
        break;
      case 'U':
        ASSERT_EQ(going_back_, message.value);
        go_back();
        break;
      default:
        FAIL() << "the child failed before it was killed";
    }
  }

  void commit_first() {
    for (const Changes& changes : block_of(in_flight_.front(), model_.version() + 1)) {
      ASSERT_TRUE(model_.apply(changes));
    }
    in_flight_.pop_front();
    model_.commit();
    keep();
  }
  void keep() {
    states_[model_.version()] = model_.committed();
    if (states_.size() > 2 * kUndoable) states_.erase(states_.begin());
  }
  void go_back() {
    ASSERT_TRUE(states_.contains(*going_back_));
    model_.go_back(states_[*going_back_]);
    states_.erase(states_.upper_bound(*going_back_), states_.end());
    going_back_.reset();
    ++counts_["undos"];
  }

  /// The version found at an opening shows how the interrupted step ended: of several blocks that
  /// are committed together, the first may be there alone.
  void settle(std::int64_t found) {
    const std::int64_t before = model_.version();
    if (going_back_ && found == *going_back_) go_back();
    const bool cut_off = !in_flight_.empty();
    while (!HasFatalFailure() && !in_flight_.empty() && model_.version() < found) commit_first();
    if (cut_off) {
      ++counts_[found == before ? "commit cut off: nothing of it"
                                : (in_flight_.empty() ? "commit cut off: all of it"
                                                      : "commit cut off: a part of its blocks")];
    }
    in_flight_.clear();
    going_back_.reset();
    ASSERT_EQ(found, model_.version()) << "lost, or of another branch";
  }

  void check() {
    auto store = CommitStore::open(path(), life_options(life_));
    ASSERT_OK(store);
    settle(store->version());
    if (HasFatalFailure()) return;
    ASSERT_TRUE(store_is(*store, model_.committed()));
    // What can be read of the blocks below is of the same branch, too.
    for (const auto& [version, state] : states_) {
      const auto view = store->view(version);
      if (view) {
        ASSERT_TRUE(same_roots(view->roots(), state.roots())) << version;
        ++counts_["recent versions read"];
      }
    }
    ASSERT_TRUE(commit_both(*store, model_, block_of(first_number(++life_), model_.version() + 1)));
    keep();
    if (doing_ == kCommit) count_fault("C1", Came::recovered);
    if (doing_ == kUndo) count_fault("F1", Came::recovered);
  }

  TempDir directory_;
  Shared& page_ = shared_page(directory_.path("page"));
  Random random_{environment("FLATKV_SEED", 1)};
  Model model_;
  std::map<std::int64_t, State> states_ = {{0, model_.committed()}};
  std::uint64_t life_ = environment("FLATKV_SEED", 1) << 16;
  std::uint32_t doing_ = kNothing;
  std::deque<std::int64_t> in_flight_;
  std::optional<std::int64_t> going_back_;
  std::map<std::string, std::uint64_t> counts_;
};

TEST_F(OverlayKill, TheAcknowledgedBranchStaysAndGoesOn) {
  const std::uint64_t rounds = environment("FLATKV_KILL_ROUNDS", 60);
  for (std::uint64_t round = 0; round < rounds && !HasFatalFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round) +
                 " FLATKV_SEED=" + std::to_string(environment("FLATKV_SEED", 1)));
    do {
      kill_in_a_life();
    } while (!HasFatalFailure() && one_in(random_, 3));
    if (!HasFatalFailure()) check();
  }
  if (HasFatalFailure()) return;
  std::cout << rounds << " rounds, tip " << model_.version() << "\n";
  for (const auto& [what, count] : counts_) std::cout << "  " << what << ": " << count << "\n";
  if (rounds < 50) return;
  for (const char* what : {"killed in: overlay", "killed in: commit", "undos",
                           "commits of several blocks", "recent versions read"}) {
    EXPECT_GT(counts_[what], 0U) << what;
  }
}

}  // namespace
}  // namespace flatkv::test
