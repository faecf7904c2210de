// SPDX-License-Identifier: Apache-2.0
// Kills among commits, snapshots and their pruning, rollbacks, undos and imports of a child (rows
// S1, S15, B1, F1 and I1 of docs/recovery.md). What was acknowledged is there, a rollback, an undo
// or an import happened completely or not at all, and blocks go on from either. FLATKV_KILL_ROUNDS,
// FLATKV_SEED.
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <iostream>
#include <map>

#include "base/failpoint.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/random_life.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

const Pools kPools{20, 20, 30, 40};
constexpr std::int64_t kDeepest = 12;  ///< the most blocks that a rollback goes back
constexpr std::size_t kStatesKept = 40;

enum Doing : std::uint32_t { kNothing, kCommit, kSnapshot, kPrune, kRollback, kUndo, kImport };
constexpr std::array<const char*, 7> kNamesOfDoing = {"between",  "commit", "snapshot", "prune",
                                                      "rollback", "undo",   "import"};

/// Whether a life keeps its last blocks undoable.
bool undoes(std::uint64_t life) { return life % 5 < 3; }

Options life_options(std::uint64_t life) {
  Options options = small_options();
  options.create_if_missing = true;
  constexpr std::array<Durability, 3> kModes = {Durability::process, Durability::sync,
                                                Durability::group};
  options.durability = kModes[life % 3];
  options.group_blocks = 4;
  options.flush.write_buffer_bytes = life % 2 == 0 ? 16 << 10 : 1 << 20;
  options.segment_bytes = 4 << 10;
  options.snapshot.keep = 1;
  options.rollback_depth = undoes(life) ? 2 * kDeepest : 0;
  return options;
}

/// The content of block `version` of a life; different after each rollback, so that a block of an
/// abandoned branch is never taken for the right one.
std::vector<Changes> block_of(std::uint64_t life, std::uint64_t branch, std::int64_t version) {
  return script_block(1000 * life + branch, version, kPools);
}

/// Delays short steps so that kills hit them, too: those between two prunings of a snapshot, those
/// after a swap, and those of an undo. Also tells pruning from the rest of its snapshot.
void stretch_short_steps([[maybe_unused]] Shared& page) {
#ifdef FLATKV_FAILPOINTS
  const auto stretch = [](const char* site, std::function<void()> more) {
    const auto act = [more = std::move(more)]() -> Status {
      more();
      ::usleep(3'000);
      return {};
    };
    failpoint::arm(site, act, 1, 0);
  };
  for (const char* site : {"layout.snapshot.before_remove_rename", "layout.snapshot.before_remove",
                           "snapshot.pruned", "changelog.prune.before_unlink"}) {
    stretch(site, [&page] { page.doing = kPrune; });
  }
  for (const char* site :
       {"layout.swap.before", "layout.swap.after", "rollback.published",
        "changelog.undo.before_mark", "changelog.undo.marked", "changelog.undo.segment_removed",
        "changelog.undo.truncated", "changelog.undo.unmarked", "undo.rewound"}) {
    stretch(site, [] {});
  }
#endif
}

/// Arguments: store, page, number of this life. Reports `a` for each commit, `b` and `R` around a
/// rollback, `n` if it was refused.
class Life {
 public:
  Life(CommitStore& store, Shared& page, const Reporter& reporter, std::uint64_t number)
      : store_(store), page_(page), reporter_(reporter), number_(number), random_(number) {}

  Status step() {
    const std::uint64_t what = below(random_, 30);
    if (what == 0) return snapshot();
    if (what <= (undoes(number_) ? 4U : 1U) && store_.version() > 1) return rollback();
    return commit();
  }

 private:
  Status commit() {
    const std::int64_t version = store_.version() + 1;
    for (const Changes& changes : block_of(number_, branch_, version)) {
      if (Status applied = store_.apply(changes); !applied) return applied;
    }
    page_.doing = kCommit;
    page_.started = version;
    if (auto done = store_.commit(version); !done) return std::unexpected(done.error());
    page_.doing = kNothing;
    reporter_.say('a', version);
    page_.started = 0;
    return {};
  }

  Status snapshot() {
    page_.doing = kSnapshot;
    Status done = store_.snapshot();
    page_.doing = kNothing;
    return done;
  }

  Status rollback() {
    const std::int64_t down = 1 + static_cast<std::int64_t>(below(random_, kDeepest));
    const std::int64_t target = std::max<std::int64_t>(0, store_.version() - down);
    reporter_.say('b', target);
    page_.doing = target >= store_.metrics().undo_floor ? kUndo : kRollback;
    Status done = store_.rollback(target);
    page_.doing = kNothing;
    if (!done && done.error().code == ErrorCode::version_mismatch) {  // pruned
      reporter_.say('n', target);
      return {};
    }
    if (!done) return done;
    ++branch_;
    reporter_.say('R', target);
    return {};
  }

  CommitStore& store_;
  Shared& page_;
  const Reporter& reporter_;
  std::uint64_t number_;
  std::uint64_t branch_ = 0;
  Random random_;
};

int live(const std::vector<std::string>& arguments, const Reporter& reporter) {
  Shared& page = shared_page(arguments.at(1));
  const std::uint64_t number = std::stoull(arguments.at(2));
  stretch_short_steps(page);
  return live_until_killed<Life>(arguments.at(0), life_options(number), page, number, reporter);
}
const RegisterChild kLive("history-life", live);

/// Arguments: stream, store, page.
int import_over(const std::vector<std::string>& arguments, const Reporter& reporter) {
  Shared& page = shared_page(arguments.at(2));
  stretch_short_steps(page);
  ImportOptions options;
  options.force = true;
  page.doing = kImport;
  reporter.say('i', 0);
  if (auto done = import_file(arguments.at(0), arguments.at(1), options); !done) {
    std::cerr << done.error().to_string() << "\n";
    reporter.say('e', 0);
    return 1;
  }
  page.doing = kNothing;
  reporter.say('d', 0);
  return 0;
}
const RegisterChild kImportOver("history-import", import_over);

class HistoryKill : public ::testing::Test {
 protected:
  std::string path() const { return directory_.path("store"); }
  std::string page_path() const { return directory_.path("page"); }
  std::string stream() const { return directory_.path("state.zst"); }

  void kill_in_a_life() {
    ++life_;
    page_.doing = kNothing;
    page_.started = 0;
    Child child = Child::start("history-life", {path(), page_path(), std::to_string(life_)});
    ASSERT_TRUE(kill_at_random(child, random_));
    std::uint64_t branch = 0;
    for (const Message& message : child.messages()) {
      follow(message, branch);
      if (HasFatalFailure()) return;
    }
    const Doing doing = static_cast<Doing>(page_.doing.load());
    ++counts_[std::string("killed in: ") + kNamesOfDoing[doing]];
    last_ = doing;
    if (page_.started == model_.version() + 1) {
      in_flight_ = block_of(life_, branch, page_.started);
    }
  }

  void follow(const Message& message, std::uint64_t& branch) {
    switch (message.type) {
      case 'r':
        settle(message.value);
        break;
      case 'a':
        ASSERT_EQ(message.value, model_.version() + 1);
        commit(block_of(life_, branch, message.value));
        break;
      case 'b':
        going_back_ = message.value;
        break;
      case 'n':
        going_back_.reset();
        break;
      case 'R':
        ASSERT_EQ(going_back_, message.value);
        went_back();
        ++branch;
        break;
      default:
        FAIL() << "the child failed before it was killed";
    }
  }

  void commit(const std::vector<Changes>& applies) {
    for (const Changes& changes : applies) ASSERT_TRUE(model_.apply(changes));
    model_.commit();
    states_[model_.version()] = model_.committed();
    if (states_.size() > kStatesKept) states_.erase(states_.begin());
  }

  void went_back() {
    ASSERT_TRUE(states_.contains(*going_back_));
    model_.go_back(states_[*going_back_]);
    states_.erase(states_.upper_bound(*going_back_), states_.end());
    going_back_.reset();
  }

  /// The version found at an opening shows how the interrupted step ended.
  void settle(std::int64_t found) {
    if (going_back_ && found == *going_back_) {
      ++counts_["rollback cut off: at the target"];
      went_back();
    } else if (in_flight_ && found == model_.version() + 1) {
      ++counts_["commit cut off: it is there"];
      commit(*in_flight_);
    } else if (going_back_) {
      ++counts_["rollback cut off: at the old tip"];
    }
    going_back_.reset();
    in_flight_.reset();
    ASSERT_EQ(found, model_.version()) << "lost, or half of something";
  }

  void check() {
    auto store = CommitStore::open(path(), life_options(life_));
    ASSERT_OK(store);
    settle(store->version());
    if (HasFatalFailure()) return;
    ASSERT_TRUE(store_is(*store, model_.committed()));
    const std::vector<Changes> next = block_of(0, life_, model_.version() + 1);
    ASSERT_TRUE(commit_both(*store, model_, next));
    states_[model_.version()] = model_.committed();
    const auto view = store->view();
    ASSERT_OK(view);
    if (life_ % 3 == 0) {  // for a later import
      ASSERT_OK(export_to_file(*view, stream()));
      exported_ = model_.committed();
    }
  }

  void count_recovered() {
    static const std::map<Doing, const char*> kRows = {
        {kSnapshot, "S1"}, {kPrune, "S15"}, {kRollback, "B1"}, {kUndo, "F1"}};
    if (const auto row = kRows.find(last_); row != kRows.end()) {
      count_fault(row->second, Came::recovered);
    }
  }

  /// Imports the stream over the store: afterwards either store is there.
  void kill_in_an_import() {
    if (!exported_ || exported_->version == model_.version()) return;
    kill_import_into(path());
    if (HasFatalFailure()) return;
    auto store = CommitStore::open(path(), life_options(life_));
    ASSERT_OK(store);
    const bool replaced = store->version() == exported_->version;
    ++counts_[replaced ? "import cut off: the new store" : "import cut off: the old store"];
    if (replaced) {
      model_.go_back(*exported_);
      states_ = {{exported_->version, *exported_}};
    }
    ASSERT_TRUE(store_is(*store, model_.committed()));
    count_fault("I1", Came::recovered);
  }

  /// Imports into an empty place: nothing, `import_incomplete`, or a complete store.
  void kill_in_a_first_import() {
    if (!exported_) return;
    const std::string place = directory_.path("place");
    remove_tree(place);
    kill_import_into(place);
    if (HasFatalFailure()) return;
    Options options = life_options(life_);
    options.create_if_missing = false;
    {
      const auto store = CommitStore::open(place, options);
      if (store) {
        ++counts_["first import cut off: whole"];
        ASSERT_TRUE(store_is(*store, *exported_));
        count_fault("I1", Came::recovered);
        return;
      }
      const bool begun = store.error().code == ErrorCode::import_incomplete;
      ASSERT_TRUE(begun || store.error().code == ErrorCode::not_found) << store.error().to_string();
      ++counts_[begun ? "first import cut off: import_incomplete" : "first import cut off: none"];
      if (begun) {
        count_fault("I1", Came::refused);
        options.create_if_missing = true;  // never creates an empty store over it
        ASSERT_TRUE(fails(CommitStore::open(place, options), ErrorCode::import_incomplete));
        ASSERT_NE(store.error().message.find("flatkv import FILE " + place), std::string::npos);
      }
    }
    ASSERT_OK(import_file(stream(), place));
    const auto store = CommitStore::open(place, options);
    ASSERT_OK(store);
    ASSERT_TRUE(store_is(*store, *exported_));
  }

  void kill_import_into(const std::string& place) {
    page_.doing = kNothing;
    Child child = Child::start("history-import", {stream(), place, page_path()});
    ASSERT_TRUE(child.wait_for_message());
    ::usleep(static_cast<useconds_t>(below(random_, import_us_)));
    child.kill();
    child.wait();
    ASSERT_FALSE(child.last('e')) << "the child failed before it was killed";
    // Kills should hit the import, however fast the machine is.
    const bool done = child.last('d').has_value();
    import_us_ =
        std::clamp<std::uint64_t>(done ? import_us_ * 3 / 4 : import_us_ * 5 / 4, 500, 2'000'000);
    if (page_.doing == kImport) ++counts_["killed in: import"];
  }

  TempDir directory_;
  Shared& page_ = shared_page(page_path());
  Random random_{environment("FLATKV_SEED", 1)};
  Model model_;
  std::map<std::int64_t, State> states_ = {{0, model_.committed()}};
  std::optional<State> exported_;
  std::uint64_t life_ = 0;
  Doing last_ = kNothing;
  std::optional<std::int64_t> going_back_;
  std::optional<std::vector<Changes>> in_flight_;
  std::uint64_t import_us_ = 40'000;
  std::map<std::string, std::uint64_t> counts_;
};

TEST_F(HistoryKill, SnapshotsPruningRollbacksAndImportsHappenWholeOrNotAtAll) {
  const std::uint64_t rounds = environment("FLATKV_KILL_ROUNDS", 60);
  for (std::uint64_t round = 0; round < rounds && !HasFatalFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round) +
                 " FLATKV_SEED=" + std::to_string(environment("FLATKV_SEED", 1)));
    do {
      kill_in_a_life();
    } while (!HasFatalFailure() && one_in(random_, 3));
    if (!HasFatalFailure()) check();
    if (!HasFatalFailure()) count_recovered();
    if (!HasFatalFailure() && one_in(random_, 3)) kill_in_an_import();
    if (!HasFatalFailure() && one_in(random_, 4)) kill_in_a_first_import();
  }
  if (HasFatalFailure()) return;
  std::cout << rounds << " rounds, " << life_ << " lives, tip " << model_.version() << "\n";
  for (const auto& [what, count] : counts_) std::cout << "  " << what << ": " << count << "\n";
  if (rounds < 50) return;
  for (const Doing doing : {kCommit, kSnapshot, kPrune, kRollback, kUndo, kImport}) {
#ifndef FLATKV_FAILPOINTS
    if (doing == kPrune) continue;
#endif
    EXPECT_GT(counts_[std::string("killed in: ") + kNamesOfDoing[doing]], 0U) << "never hit";
  }
}

}  // namespace
}  // namespace flatkv::test
