// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "flatkv/store.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/model.hpp"
#include "support/random_blocks.hpp"
#include "support/random_runs.hpp"

namespace flatkv::test {

/// What a subscription has told: the versions of a chain.
struct Follower {
  std::optional<Subscription> subscription;
  Deliver deliver = Deliver::durable;
  std::int64_t at = 0;  ///< the last version
};

struct Side {
  std::string path;
  Options options;
  std::optional<CommitStore> store;
  Follower follower;
  bool imported = false;
  std::int64_t since = 0;  ///< from this version on it has had the same handle
};

/// A committed state that views pin. A store has none if it refused one.
struct Pinned {
  State state;
  std::array<std::optional<ReadView>, 2> views;
};

/// An uncommitted block on the one before. A store has no overlay of it if it had no memory for it;
/// it then commits the writes as ordinary blocks.
struct Branch {
  Model model;
  std::vector<Changes> writes;
  std::array<std::optional<Overlay>, 2> overlays;
};

/// The same random operations on two stores whose options come from the ends of their ranges and
/// are others at each open. Both must agree with the model, and with each other in what the model
/// does not know.
class TwoStores {
 public:
  explicit TwoStores(std::uint64_t seed);
  void go(std::uint64_t steps);

 private:
  static bool good() { return !::testing::Test::HasFailure(); }
  void step();
  void check_always();
  std::size_t index(const Side& side) const { return &side == &sides_[0] ? 0 : 1; }
  void remember() { states_[model_.version()] = model_.committed(); }

  // ---- opening and closing ----
  void open(Side& side);
  void refuse_options(const Side& side);
  void close(Side& side);
  void reopen(Side& side);
  void reopen_some();

  // ---- writing ----
  Changes some_changes() { return random_changes(random_, pools_, one_in(random_, 20) ? 200 : 15); }
  void apply();
  void commit();
  void discard();
  void refused();

  // ---- reading ----
  template <class From>
  void read(const From& from, const State& state);
  void reads();
  void iterate();
  void prefetch();
  bool has_views(const Side& side) const;
  /// A view that may be refused where others keep more than its store's options allow.
  void take(const Side& side, Result<ReadView> taken, std::optional<ReadView>& into);
  void pin();
  void check_pinned();
  /// A version that is or was committed on the chain; more often a late one.
  std::int64_t some_version();
  void look_back();

  // ---- blocks aside ----
  /// A refusal by overlay_memory_bytes.
  void expect_no_memory(const Side& side, const Status& done);
  void branch();
  void write_aside();
  void look_aside();
  /// Another block was committed in their place, or theirs was undone.
  void branches_are_stale();
  void commit_branch();
  void commit_by_hand(Side& side, std::size_t last);

  // ---- what is on disk ----
  void flush();
  void snapshot();
  void verify();
  void scrub();
  /// Whether the files of a store lead to a version.
  void reaches(const Side& side, std::int64_t version, bool& found);
  /// A refusal is right only if nothing leads there. Automatic snapshots may prune meanwhile.
  void expect_out_of_reach(const Side& side, const Status& done, bool reached);
  void try_roll_back(Side& side, std::int64_t target, bool closed, bool& done);
  void roll_back();
  /// What one store could go back to and the other one could not is brought there.
  void import_from(const Side& from, Side& into);
  void read_only();

  // ---- what happened ----
  /// The block is that of the chain, and the same in both stores.
  void is_block(const LogRecord& record);
  /// A log that no longer has a version.
  void is_gap(const Side& side, std::int64_t version);
  void read_log();
  void changes();
  void follow(Side& side);
  void follow_all();
  void drain(Side& side);
  void wait();

  // ---- streams ----
  void export_bytes(const ReadView& view, Bytes& into);
  /// Equal states give equal bytes.
  void export_both();

  Random random_;
  CreateOptions create_;
  Pools pools_;
  Model model_;
  TempDir directory_;
  std::array<Side, 2> sides_;
  std::vector<Pinned> pins_;
  std::vector<Branch> branches_;             ///< each on the one before
  std::map<std::int64_t, State> states_;     ///< of the chain
  std::map<std::int64_t, Digest> payloads_;  ///< of its blocks, as far as one has been read
  LastSteps history_;
};

}  // namespace flatkv::test
