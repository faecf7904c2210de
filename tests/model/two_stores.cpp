// SPDX-License-Identifier: Apache-2.0
#include "two_stores.hpp"

#include <algorithm>
#include <iterator>

#include "extreme_options.hpp"
#include "support/random_walk.hpp"

namespace flatkv::test {
namespace {

/// Below this a limit may refuse what this test does.
constexpr std::uint64_t kAmple = 1 << 20;

}  // namespace

TwoStores::TwoStores(std::uint64_t seed) : random_(seed) {
  create_.account_rows = any_of(random_, {AccountRows::keep, AccountRows::prune_empty});
  create_.initial_version =
      any_of<std::int64_t>(random_, {1, 1, 5, 1LL << 40, kLast - 30, kLast - 5, kLast - 1});
  model_ = Model(create_.account_rows, create_.initial_version);
  remember();
  pools_.addresses = any_of<std::uint64_t>(random_, {4, 40});
  pools_.slots = any_of<std::uint64_t>(random_, {3, 60});
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    sides_[i].path = directory_.path("store-" + std::to_string(i));
  }
}

void TwoStores::go(std::uint64_t steps) {
  for (Side& side : sides_) open(side);
  for (std::uint64_t i = 0; i < steps && good(); ++i) {
    step();
    if (good()) check_always();
  }
  if (good()) discard();
  for (Side& side : sides_) {
    if (good()) reopen(side);
    if (good()) {
      EXPECT_TRUE(store_is(*side.store, model_.committed()));
      EXPECT_OK(side.store->close());
    }
  }
  if (good()) return;
  history_.tell();
}

void TwoStores::step() {
  struct Operation {
    const char* name;
    std::uint64_t weight;
    void (TwoStores::*act)();
  };
  static constexpr Operation kAll[] = {{"apply", 25, &TwoStores::apply},
                                       {"commit", 22, &TwoStores::commit},
                                       {"discard", 2, &TwoStores::discard},
                                       {"refused", 4, &TwoStores::refused},
                                       {"reads", 8, &TwoStores::reads},
                                       {"iterate", 6, &TwoStores::iterate},
                                       {"prefetch", 4, &TwoStores::prefetch},
                                       {"pin", 4, &TwoStores::pin},
                                       {"check_pinned", 5, &TwoStores::check_pinned},
                                       {"look_back", 4, &TwoStores::look_back},
                                       {"branch", 7, &TwoStores::branch},
                                       {"write_aside", 9, &TwoStores::write_aside},
                                       {"look_aside", 5, &TwoStores::look_aside},
                                       {"commit_branch", 4, &TwoStores::commit_branch},
                                       {"flush", 2, &TwoStores::flush},
                                       {"snapshot", 2, &TwoStores::snapshot},
                                       {"verify", 1, &TwoStores::verify},
                                       {"scrub", 2, &TwoStores::scrub},
                                       {"roll_back", 4, &TwoStores::roll_back},
                                       {"reopen_some", 3, &TwoStores::reopen_some},
                                       {"read_only", 2, &TwoStores::read_only},
                                       {"read_log", 2, &TwoStores::read_log},
                                       {"changes", 3, &TwoStores::changes},
                                       {"follow", 4, &TwoStores::follow_all},
                                       {"wait", 2, &TwoStores::wait},
                                       {"export", 2, &TwoStores::export_both}};
  const Operation& chosen = weighted(random_, kAll);
  history_.add(chosen.name, model_.version());
  SCOPED_TRACE(chosen.name);
  (this->*chosen.act)();
}

void TwoStores::check_always() {
  for (const Side& side : sides_) {
    SCOPED_TRACE(side.path);
    ASSERT_EQ(side.store->version(), model_.version());
    ASSERT_TRUE(same_roots(side.store->working_roots().value(), model_.working().roots()));
    ASSERT_TRUE(same_roots(side.store->committed_roots(), model_.committed().roots()));
    ASSERT_LE(side.store->metrics().undo_floor, model_.version());
  }
  ASSERT_EQ(sides_[0].store->has_pending(), sides_[1].store->has_pending());
}

void TwoStores::open(Side& side) {
  if (one_in(random_, 3)) refuse_options(side);
  side.options = extreme_options(random_);
  side.options.create = create_;
  Result<CommitStore> opened = CommitStore::open(side.path, side.options);
  ASSERT_OK(opened);
  side.store.emplace(std::move(*opened));
  ASSERT_EQ(side.store->account_rows(), create_.account_rows);
  ASSERT_EQ(side.store->initial_version(), side.imported ? 1 : create_.initial_version);
  side.since = side.store->version();
  follow(side);
}

void TwoStores::refuse_options(const Side& side) {
  const bool there = stdfs::exists(side.path);
  const auto before = there ? tree_state(side.path) : decltype(tree_state(side.path)){};
  ASSERT_TRUE(
      fails(CommitStore::open(side.path, refused_options(random_)), ErrorCode::invalid_argument));
  ASSERT_EQ(stdfs::exists(side.path), there);
  if (there) {
    ASSERT_EQ(tree_difference(before, tree_state(side.path)), "");
  }
}

void TwoStores::close(Side& side) {
  ASSERT_OK(side.store->close());
  for (Pinned& pinned : pins_) {
    std::optional<ReadView>& view = pinned.views[index(side)];
    if (!view) continue;
    ASSERT_TRUE(view_is(*view, pinned.state));
    view.reset();  // it keeps the lock
  }
  for (Branch& branch : branches_) {
    std::optional<Overlay>& overlay = branch.overlays[index(side)];
    if (!overlay) continue;
    ASSERT_TRUE(fails(overlay->working_roots(), ErrorCode::store_failed));
    overlay.reset();
  }
  side.follower.subscription.reset();
  side.store.reset();
}

void TwoStores::reopen(Side& side) {
  close(side);
  if (good()) open(side);
}

void TwoStores::reopen_some() {
  discard();
  const std::uint64_t which = below(random_, 3);
  if (which != 1) reopen(sides_[0]);
  if (which != 0 && good()) reopen(sides_[1]);
}

void TwoStores::apply() {
  const Changes changes = some_changes();
  for (Side& side : sides_) ASSERT_OK(side.store->apply(changes));
  ASSERT_TRUE(model_.apply(changes));
}

void TwoStores::commit() {
  if (model_.version() == kLast) {
    for (Side& side : sides_) {
      for (const std::int64_t next : {kLast, -kLast - 1}) {
        ASSERT_TRUE(fails(side.store->commit(next), ErrorCode::version_mismatch));
      }
    }
    ++done_counts()["the last version"];
    return;
  }
  model_.commit();
  for (Side& side : sides_) {
    const Result<Roots> roots = side.store->commit(model_.version());
    ASSERT_OK(roots);
    ASSERT_TRUE(same_roots(*roots, model_.committed().roots()));
  }
  remember();
  branches_are_stale();
}

void TwoStores::discard() {
  for (Side& side : sides_) side.store->discard();
  model_.discard();
}

void TwoStores::refused() {
  const Changes invalid = invalid_changes(random_, pools_);
  const std::int64_t version = model_.version();
  for (Side& side : sides_) {
    ASSERT_TRUE(fails(side.store->apply(invalid), ErrorCode::invalid_argument));
    for (const std::int64_t wrong : {version, std::int64_t{0}, std::int64_t{-1}}) {
      ASSERT_TRUE(fails(side.store->commit(wrong), ErrorCode::version_mismatch));
    }
    if (version != kLast) {
      ASSERT_TRUE(fails(side.store->wait_durable(version + 1), ErrorCode::invalid_argument));
    }
  }
}

template <class From>
void TwoStores::read(const From& from, const State& state) {
  std::vector<Bytes> keys(below(random_, 40));
  for (Bytes& key : keys) key = random_key(random_, pools_);
  const std::vector<ByteView> views(keys.begin(), keys.end());
  const auto found = from.get_many(views);
  ASSERT_OK(found);
  ASSERT_EQ(found->size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ((*found)[i], state.get(keys[i])) << to_hex(keys[i]);
    if (i % 4 != 0) continue;
    const auto one = from.get(keys[i]);
    ASSERT_OK(one);
    ASSERT_EQ(*one, (*found)[i]) << to_hex(keys[i]);
    if (keys[i].size() != 21 || keys[i][0] == 0x07) continue;
    Address owner{};
    std::copy(keys[i].begin() + 1, keys[i].end(), owner.begin());
    const auto account = from.account(owner);
    ASSERT_OK(account);
    ASSERT_EQ(*account, state.account(owner)) << to_hex(keys[i]);
  }
}

void TwoStores::reads() {
  for (const Side& side : sides_) read(*side.store, model_.working());
}

void TwoStores::iterate() {
  for (const Side& side : sides_) random_walk(random_, *side.store, model_.working());
}

void TwoStores::prefetch() {
  std::vector<Bytes> keys(1 + below(random_, 60));
  for (Bytes& key : keys) key = random_key(random_, pools_);
  const std::vector<ByteView> views(keys.begin(), keys.end());
  for (const Side& side : sides_) ASSERT_OK(side.store->prefetch(views));
}

bool TwoStores::has_views(const Side& side) const {
  return std::ranges::any_of(
      pins_, [&](const Pinned& pinned) { return pinned.views[index(side)].has_value(); });
}

void TwoStores::take(const Side& side, Result<ReadView> taken, std::optional<ReadView>& into) {
  if (taken) {
    into.emplace(std::move(*taken));
    return;
  }
  ASSERT_TRUE(fails(taken, ErrorCode::no_space));
  ASSERT_LT(side.options.max_view_bytes, kAmple);
  ASSERT_TRUE(has_views(side));
  ++done_counts()["no space for a view"];
}

void TwoStores::pin() {
  if (pins_.size() >= 5) return;
  Pinned pinned{model_.committed(), {}};
  for (const Side& side : sides_) take(side, side.store->view(), pinned.views[index(side)]);
  pins_.push_back(std::move(pinned));
}

void TwoStores::check_pinned() {
  if (pins_.empty()) return;
  const auto which = static_cast<std::ptrdiff_t>(below(random_, pins_.size()));
  const bool last = one_in(random_, 2);
  for (const auto& view : pins_[static_cast<std::size_t>(which)].views) {
    const State& state = pins_[static_cast<std::size_t>(which)].state;
    if (!view) continue;
    read(*view, state);
    if (good()) random_walk(random_, *view, state);
    if (good() && last) {
      ASSERT_TRUE(view_is(*view, state));
    }
  }
  if (last) pins_.erase(pins_.begin() + which);
}

std::int64_t TwoStores::some_version() {
  const std::uint64_t all = states_.size();
  const std::uint64_t late = one_in(random_, 3) ? all : std::min<std::uint64_t>(all, 6);
  return std::prev(states_.end(), static_cast<std::ptrdiff_t>(1 + below(random_, late)))->first;
}

void TwoStores::look_back() {
  const std::int64_t version = some_version();
  const State& state = states_.at(version);
  for (const Side& side : sides_) {
    Result<ReadView> taken = side.store->view(version);
    const bool kept = version == model_.version() ||
                      (side.options.recent_versions == kMost32 && version >= side.since &&
                       side.options.max_view_bytes == kMost);
    if (!kept && fails(taken, ErrorCode::version_mismatch)) continue;
    std::optional<ReadView> view;
    take(side, std::move(taken), view);
    if (!view) continue;
    if (version != model_.version()) ++done_counts()["a recent version"];
    read(*view, state);
    if (good()) random_walk(random_, *view, state);
    if (good() && one_in(random_, 4)) {
      ASSERT_TRUE(view_is(*view, state));
    }
  }
}

void TwoStores::expect_no_memory(const Side& side, const Status& done) {
  ASSERT_TRUE(fails(done, ErrorCode::no_space));
  ASSERT_LT(side.options.overlay_memory_bytes, kAmple);
  ++done_counts()["no space for an overlay"];
}

void TwoStores::branch() {
  if (branches_.size() >= 6) return;
  Branch next;
  next.model = branches_.empty() ? model_ : branches_.back().model;
  const bool last = next.model.version() >= kLast - (branches_.empty() ? 0 : 1);
  if (branches_.empty()) {
    next.model.discard();
  } else if (!last) {
    next.model.commit();
  }
  for (Side& side : sides_) {
    if (!branches_.empty() && !branches_.back().overlays[index(side)]) continue;
    Result<Overlay> made =
        branches_.empty() ? side.store->overlay() : branches_.back().overlays[index(side)]->child();
    if (made) {
      ASSERT_FALSE(last);
      ASSERT_EQ(made->version(), next.model.version() + 1);
      next.overlays[index(side)].emplace(std::move(*made));
    } else if (!last || !fails(made, ErrorCode::version_mismatch)) {
      expect_no_memory(side, std::unexpected(made.error()));
    }
  }
  if (!last) branches_.push_back(std::move(next));
}

void TwoStores::write_aside() {
  if (branches_.empty()) return branch();
  Branch& top = branches_.back();
  const Changes changes = some_changes();
  const Changes invalid = invalid_changes(random_, pools_);
  for (Side& side : sides_) {
    std::optional<Overlay>& overlay = top.overlays[index(side)];
    if (!overlay) continue;
    if (side.options.overlay_memory_bytes >= kAmple) {
      ASSERT_TRUE(fails(overlay->apply(invalid), ErrorCode::invalid_argument));
    }
    if (const Status done = overlay->apply(changes); !done) {
      expect_no_memory(side, done);
      overlay.reset();
    }
  }
  ASSERT_TRUE(top.model.apply(changes));
  top.writes.push_back(changes);
}

void TwoStores::look_aside() {
  if (branches_.empty()) return;
  const Branch& branch = branches_[below(random_, branches_.size())];
  for (const auto& overlay : branch.overlays) {
    if (!overlay) continue;
    if (one_in(random_, 2)) {
      const auto roots = overlay->working_roots();
      ASSERT_OK(roots);
      ASSERT_TRUE(same_roots(*roots, branch.model.working().roots()));
    }
    read(*overlay, branch.model.working());
    if (good()) random_walk(random_, *overlay, branch.model.working());
  }
}

void TwoStores::branches_are_stale() {
  for (const Branch& branch : branches_) {
    for (const auto& overlay : branch.overlays) {
      if (!overlay) continue;
      ASSERT_TRUE(fails(overlay->working_roots(), ErrorCode::stale));
      ASSERT_TRUE(fails(overlay->get(random_key(random_, pools_)), ErrorCode::stale));
    }
  }
  branches_.clear();
}

void TwoStores::commit_branch() {
  if (branches_.empty()) return;
  const std::size_t which = below(random_, branches_.size());
  discard();
  for (Side& side : sides_) {
    std::optional<Overlay>& overlay = branches_[which].overlays[index(side)];
    if (!overlay) {
      commit_by_hand(side, which);
      ++done_counts()["a branch by hand"];
    } else {
      const auto roots = side.store->commit(*overlay);
      ASSERT_OK(roots);
      ASSERT_TRUE(same_roots(*roots, branches_[which].model.working().roots()));
      ASSERT_TRUE(fails(side.store->commit(*overlay), ErrorCode::invalid_argument));
      ++done_counts()["a branch"];
    }
    if (!good()) return;
  }
  for (std::size_t i = 0; i <= which; ++i) {
    model_ = branches_[i].model;
    model_.commit();
    remember();
  }
  branches_.erase(branches_.begin(), branches_.begin() + static_cast<std::ptrdiff_t>(which) + 1);
}

void TwoStores::commit_by_hand(Side& side, std::size_t last) {
  for (std::size_t i = 0; i <= last; ++i) {
    Branch& branch = branches_[i];
    for (const Changes& changes : branch.writes) ASSERT_OK(side.store->apply(changes));
    const auto roots = side.store->commit(branch.model.version() + 1);
    ASSERT_OK(roots);
    ASSERT_TRUE(same_roots(*roots, branch.model.working().roots()));
  }
  for (std::size_t i = 0; i <= last; ++i) {
    if (const auto& overlay = branches_[i].overlays[index(side)]; overlay) {
      ASSERT_TRUE(fails(overlay->working_roots(), ErrorCode::stale));
    }
  }
}

}  // namespace flatkv::test
