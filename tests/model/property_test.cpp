// SPDX-License-Identifier: Apache-2.0
// Random operations on a store and on the model, which must agree after each of them.
// FLATKV_SEED repeats a run (the seed is printed), FLATKV_PROPERTY_STEPS makes it longer.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <optional>

#include "base/bytes.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/model.hpp"
#include "support/random_blocks.hpp"
#include "support/random_runs.hpp"
#include "support/random_walk.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kStepsOfARun = 300;

Options random_options(Random& random) {
  Options options = small_options();
  options.create_if_missing = true;
  options.durability = any_of(random, {Durability::sync, Durability::process, Durability::group});
  options.group_blocks = any_of(random, {1U, 4U});
  options.flush.write_buffer_bytes =
      any_of<std::uint64_t>(random, {4 << 10, 64 << 10, 1 << 20, 16 << 20});
  options.segment_bytes = any_of<std::uint64_t>(random, {1 << 10, 16 << 10, 64 << 20});
  options.cache.row_cache_bytes = any_of<std::uint64_t>(random, {0, 16 << 10, 1 << 20});
  // The second is enough for some databases but not for all.
  options.cache.key_filter_bytes = any_of<std::uint64_t>(random, {0, 800 << 10, 256 << 20});
  options.flush.max_lag_blocks = any_of<std::uint64_t>(random, {3, 10'000});
  options.snapshot.interval = any_of<std::uint64_t>(random, {0, 0, 7});
  options.snapshot.keep = any_of(random, {0U, 1U, 2U});
  options.create.account_rows = any_of(random, {AccountRows::keep, AccountRows::prune_empty});
  options.create.initial_version = any_of<std::int64_t>(random, {1, 5, 1LL << 40});
  return options;
}

class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed)
      : random_(seed),
        options_(random_options(random_)),
        model_(options_.create.account_rows, options_.create.initial_version) {
    pools_.addresses = any_of<std::uint64_t>(random_, {4, 40});
    pools_.slots = any_of<std::uint64_t>(random_, {3, 60});
  }

  void go(std::uint64_t steps) {
    open();
    for (std::uint64_t i = 0; i < steps && good(); ++i) {
      step();
      if (good()) check_always();
    }
    if (good()) reopen();
    if (good()) {
      EXPECT_TRUE(store_is(*store_, model_.committed()));
      EXPECT_OK(store_->close());
    }
    if (good()) return;
    history_.tell();
  }

 private:
  static bool good() { return !::testing::Test::HasFailure(); }

  void step() {
    struct Operation {
      const char* name;
      std::uint64_t weight;
      void (RandomRun::*act)();
    };
    static constexpr Operation kAll[] = {{"apply", 30, &RandomRun::apply},
                                         {"commit", 25, &RandomRun::commit},
                                         {"discard", 3, &RandomRun::discard},
                                         {"what_if", 4, &RandomRun::what_if},
                                         {"invalid", 4, &RandomRun::invalid},
                                         {"wrong_version", 2, &RandomRun::wrong_version},
                                         {"reads", 8, &RandomRun::reads},
                                         {"iterate", 6, &RandomRun::iterate},
                                         {"keep_view", 5, &RandomRun::keep_view},
                                         {"check_view", 6, &RandomRun::check_view},
                                         {"flush", 2, &RandomRun::flush},
                                         {"snapshot", 2, &RandomRun::snapshot},
                                         {"verify", 2, &RandomRun::verify},
                                         {"reopen", 2, &RandomRun::reopen},
                                         {"log", 3, &RandomRun::log},
                                         {"rollback", 1, &RandomRun::rollback},
                                         {"rollback_closed", 1, &RandomRun::rollback_closed},
                                         {"read_only", 2, &RandomRun::read_only},
                                         {"round_trip", 1, &RandomRun::round_trip},
                                         {"import_over", 1, &RandomRun::import_over},
                                         {"wait", 2, &RandomRun::wait}};
    const Operation& chosen = weighted(random_, kAll);
    history_.add(chosen.name, model_.version());
    SCOPED_TRACE(chosen.name);
    (this->*chosen.act)();
  }

  void check_always() {
    ASSERT_EQ(store_->version(), model_.version());
    ASSERT_TRUE(same_roots(store_->working_roots().value(), model_.working().roots()));
    ASSERT_TRUE(same_roots(store_->committed_roots(), model_.committed().roots()));
  }

  void open() {
    Result<CommitStore> opened = CommitStore::open(path(), options_);
    ASSERT_OK(opened);
    store_.emplace(std::move(*opened));
    ASSERT_EQ(store_->account_rows(), options_.create.account_rows);
    ASSERT_EQ(store_->initial_version(), imported_ ? 1 : options_.create.initial_version);
    ASSERT_FALSE(store_->has_pending());
  }

  void apply() {
    const Changes changes = random_changes(random_, pools_, one_in(random_, 20) ? 200 : 15);
    ASSERT_OK(store_->apply(changes));
    ASSERT_TRUE(model_.apply(changes));
  }

  void commit() {
    model_.commit();
    const Result<Roots> roots = store_->commit(model_.version());
    ASSERT_OK(roots);
    ASSERT_TRUE(same_roots(*roots, model_.committed().roots()));
    ASSERT_FALSE(store_->has_pending());
    roots_[model_.version()] = *roots;
    states_[model_.version()] = model_.committed();
  }

  void discard() {
    store_->discard();
    model_.discard();
    ASSERT_FALSE(store_->has_pending());
  }

  void what_if() {
    store_->discard();
    model_.discard();
    const Changes changes = random_changes(random_, pools_, 15);
    ASSERT_OK(store_->apply(changes));
    ASSERT_TRUE(model_.apply(changes));
    ASSERT_EQ(store_->root_hash().value(), model_.working().roots().root);
    store_->discard();
    model_.discard();
  }

  void invalid() {
    const bool pending = store_->has_pending();
    ASSERT_TRUE(
        fails(store_->apply(invalid_changes(random_, pools_)), ErrorCode::invalid_argument));
    ASSERT_EQ(store_->has_pending(), pending);
  }

  void wrong_version() {
    const std::int64_t right = store_->version() + 1;
    const std::int64_t wrong = any_of<std::int64_t>(random_, {right - 1, right + 1, 0, -1});
    ASSERT_TRUE(fails(store_->commit(wrong), ErrorCode::version_mismatch));
  }

  void reads() {
    ASSERT_NO_FATAL_FAILURE(many_reads(*store_, model_.working()));
    for (int i = 0; i < 12; ++i) {
      const Bytes key = random_key(random_, pools_);
      const auto found = store_->get(key);
      ASSERT_OK(found);
      ASSERT_EQ(*found, model_.working().get(key)) << to_hex(key);
      if (key.size() != 21 || key[0] == 0x07) continue;
      Address owner{};
      std::copy(key.begin() + 1, key.end(), owner.begin());
      const auto account = store_->account(owner);
      ASSERT_OK(account);
      ASSERT_EQ(*account, model_.working().account(owner)) << to_hex(key);
    }
  }

  void iterate() { random_walk(random_, *store_, model_.working()); }

  void keep_view() {
    if (views_.size() >= 5) return;
    Result<ReadView> view = store_->view();
    ASSERT_OK(view);
    views_.emplace_back(std::move(*view), model_.committed());
  }

  /// Reads several keys at once, some of them twice.
  template <class From>
  void many_reads(const From& from, const State& state) {
    std::vector<Bytes> keys(below(random_, 60));
    for (Bytes& key : keys) key = random_key(random_, pools_);
    std::vector<ByteView> views(keys.begin(), keys.end());
    if (!keys.empty()) views.emplace_back(keys.front());
    const auto found = from.get_many(views);
    ASSERT_OK(found);
    ASSERT_EQ(found->size(), views.size());
    for (std::size_t i = 0; i < views.size(); ++i) {
      ASSERT_EQ((*found)[i], state.get(views[i])) << to_hex(views[i]);
    }
  }

  void check_view() {
    if (views_.empty()) return;
    const std::size_t which = below(random_, views_.size());
    const auto& [view, state] = views_[which];
    ASSERT_NO_FATAL_FAILURE(many_reads(view, state));
    for (int i = 0; i < 12; ++i) {
      const Bytes key = random_key(random_, pools_);
      const auto found = view.get(key);
      ASSERT_OK(found);
      ASSERT_EQ(*found, state.get(key)) << to_hex(key);
    }
    random_walk(random_, view, state);
    if (!good() || one_in(random_, 2)) return;
    ASSERT_TRUE(view_is(view, state));
    views_.erase(views_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  void flush() { ASSERT_OK(store_->flush()); }

  void snapshot() {
    ASSERT_OK(store_->snapshot());
    const auto kept = list_snapshots(path());
    ASSERT_OK(kept);
    ASSERT_FALSE(kept->empty());
    for (const SnapshotInfo& one : *kept) ASSERT_FALSE(one.problem) << one.problem->to_string();
    ASSERT_LE(kept->size(), options_.snapshot.keep + 1);
    if (kept->size() == options_.snapshot.keep + 1) ++done_counts()["snapshots pruned"];
    const auto own = std::ranges::find(*kept, model_.version(), &SnapshotInfo::version);
    ASSERT_NE(own, kept->end());
    ASSERT_TRUE(same_roots(*own->roots, model_.committed().roots()));
  }

  void verify() {
    const Result<VerifyReport> report = store_->verify();
    ASSERT_OK(report);
    ASSERT_TRUE(report->good());
    ASSERT_EQ(report->version, model_.version());
  }

  void log() {
    if (roots_.empty()) return;
    auto at = roots_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(below(random_, roots_.size())));
    const auto record = store_->log_record(at->first);
    ASSERT_OK(record);
    if (!*record) {  // pruned
      const auto reader = LogReader::open(path(), std::nullopt, false);
      ASSERT_OK(reader);
      ASSERT_GE(reader->range().base, at->first);
      return;
    }
    ++done_counts()["log record"];
    ASSERT_EQ((*record)->version, at->first);
    ASSERT_TRUE(same_roots((*record)->roots, at->second));
  }

  std::string path() const { return directory_.path("store"); }

  /// A committed version, up to the current one; more often a late one.
  std::int64_t some_version() {
    const std::int64_t first = options_.create.initial_version - 1;
    const auto all = static_cast<std::uint64_t>(model_.version() - first) + 1;
    const std::uint64_t last = one_in(random_, 2) ? std::min<std::uint64_t>(all, 12) : all;
    return model_.version() - static_cast<std::int64_t>(below(random_, last));
  }

  /// Whether a valid snapshot and the log lead to the version (docs/specification.md#rollback).
  void reachable(std::int64_t version, bool& found) {
    found = false;
    const auto kept = list_snapshots(path());
    ASSERT_OK(kept);
    const auto log = LogReader::open(path(), std::nullopt, false);
    ASSERT_OK(log);
    const LogReader::Range range = log->range();
    for (const SnapshotInfo& one : *kept) {
      const bool logged = range.base <= one.version && version <= range.last;
      if (!one.problem && one.version <= version) found |= one.version == version || logged;
    }
  }

  /// A refusal is right only if nothing leads there. Automatic snapshots may prune meanwhile.
  template <class T>
  void expect_refused(const Result<T>& done, std::int64_t version, bool reached) {
    ASSERT_TRUE(fails(done, ErrorCode::version_mismatch)) << version;
    if (options_.snapshot.interval == 0) {
      ASSERT_FALSE(reached) << version;
    }
    ++done_counts()["out of reach"];
  }

  void went_back(std::int64_t target) {
    model_.go_back(state_at(target));
    roots_.erase(roots_.upper_bound(target), roots_.end());
    states_.erase(states_.upper_bound(target), states_.end());
    ASSERT_FALSE(store_->has_pending());
    ASSERT_TRUE(store_is(*store_, model_.committed()));
  }

  const State& state_at(std::int64_t version) {
    const auto found = states_.find(version);
    return found == states_.end() ? nothing_ : found->second;
  }

  void rollback() {
    const std::int64_t target = some_version();
    bool reached = false;
    reachable(target, reached);
    const Status done = store_->rollback(target);
    if (!done) return expect_refused(done, target, reached);
    ++done_counts()[target == model_.version() ? "rollback to the tip" : "rollback"];
    went_back(target);
  }

  void rollback_closed() {
    const std::int64_t target = some_version();
    close();
    if (!good()) return;
    bool reached = false;
    reachable(target, reached);
    const Status done = flatkv::rollback(path(), target);
    if (!done) expect_refused(done, target, reached);
    open();
    if (!good() || !done) return;
    ++done_counts()["rollback by path"];
    went_back(target);
  }

  void read_only() {
    ReadOnlyOptions options;
    options.at = some_version();
    options.block_cache_bytes = 8 << 20;
    options.write_buffer_bytes = options_.flush.write_buffer_bytes;
    bool reached = false;
    reachable(*options.at, reached);
    const auto clone = ReadOnlyStore::open(path(), options);
    if (!clone) return expect_refused(clone, *options.at, reached);
    ++done_counts()["read-only"];
    ASSERT_EQ(clone->version(), *options.at);
    ASSERT_TRUE(view_is(clone->view(), state_at(*options.at)));
    random_walk(random_, clone->view(), state_at(*options.at));
  }

  /// Exports the state to a file and checks the stream.
  void export_and_check(const ReadView& view, const State& state, const std::string& file) {
    ASSERT_OK(export_to_file(view, file));
    TrustedRoots trusted;
    trusted.roots = state.roots();
    const auto summary = check_file(file, trusted);
    ASSERT_OK(summary);
    ASSERT_EQ(summary->version, state.version);
    for (const Database database : kDataDatabases) {
      ASSERT_EQ(summary->stats[database], state.stats(database));
    }
  }

  /// Exports the current state, or that of a view, and imports it elsewhere. The next block must be
  /// the same on the imported store as on this one.
  void round_trip() {
    const auto now = store_->view();
    ASSERT_OK(now);
    const bool old = !views_.empty() && one_in(random_, 2);
    const auto& [view, state] =
        old ? views_[below(random_, views_.size())] : std::pair(*now, model_.committed());
    const std::string file = directory_.path(one_in(random_, 2) ? "state" : "state.zst");
    export_and_check(view, state, file);
    if (!good()) return;
    ImportOptions import;
    import.force = true;
    const std::string other = directory_.path("imported");
    ASSERT_OK(import_file(file, other, import));
    Result<CommitStore> opened = CommitStore::open(other, options_);
    ASSERT_OK(opened);
    ASSERT_TRUE(store_is(*opened, state));
    const std::vector<Changes> applies = {random_changes(random_, pools_, 15)};
    Model next = model_;
    next.go_back(state);
    ASSERT_TRUE(commit_both(*opened, next, applies));
    ASSERT_OK(opened->close());
    ++done_counts()["round trip"];
  }

  /// Imports the state over its own store, or row by row: a store without a history.
  void import_over() {
    const std::string file = directory_.path("own.zst");
    {
      const auto view = store_->view();
      ASSERT_OK(view);
      export_and_check(*view, model_.committed(), file);
    }
    if (!good()) return;
    ImportOptions import;
    import.force = true;
    // Seldom, since it waits for the lock.
    if (one_in(random_, 20)) {
      ASSERT_TRUE(fails(import_file(file, path(), import), ErrorCode::locked));
    }
    close();
    if (!good()) return;
    if (one_in(random_, 2)) {
      ASSERT_OK(import_file(file, path(), import));
    } else {
      import_rows(import);
    }
    imported_ = true;
    if (good()) open();
    if (!good()) return;
    ASSERT_TRUE(store_is(*store_, model_.committed()));
    if (model_.version() > 0) {
      ASSERT_TRUE(fails(store_->rollback(model_.version() - 1), ErrorCode::version_mismatch));
    }
    ++done_counts()["import over the store"];
  }

  void import_rows(ImportOptions options) {
    options.account_rows = options_.create.account_rows;
    auto importer = Importer::begin(path(), options);
    ASSERT_OK(importer);
    for (const Database database : kDataDatabases) {
      for (const auto& [key, value] : model_.committed().rows[database]) {
        const ImportRow row{database, key, value};
        ASSERT_OK(importer->add({&row, 1}));
      }
    }
    TrustedRoots trusted;
    trusted.roots = model_.committed().roots();
    ASSERT_OK(importer->finish(model_.version(), trusted));
    ASSERT_OK(importer->close());
  }

  void wait() {
    ASSERT_OK(store_->wait_durable(store_->version()));
    ASSERT_EQ(store_->durable_version(), store_->version());
  }

  void close() {
    ASSERT_OK(store_->close());
    for (const auto& [view, state] : views_) ASSERT_TRUE(view_is(view, state));
    views_.clear();
    store_.reset();
    model_.discard();
  }

  void reopen() {
    close();
    if (good()) open();
    if (!good()) return;
    ASSERT_TRUE(store_->open_report().clean);
    ASSERT_EQ(store_->open_report().replayed_blocks, 0);
  }

  Random random_;
  Options options_;
  Pools pools_;
  Model model_;
  TempDir directory_;
  std::optional<CommitStore> store_;
  std::vector<std::pair<ReadView, State>> views_;
  std::map<std::int64_t, Roots> roots_;
  std::map<std::int64_t, State> states_;
  State nothing_ = model_.committed();  ///< before the first block
  LastSteps history_;
  bool imported_ = false;  ///< the store was imported: its initial version is 1
};

TEST(Property, RandomOperationsAgreeWithTheModel) {
  const std::uint64_t first = environment("FLATKV_SEED", 20'240'000);
  const std::uint64_t steps = environment("FLATKV_PROPERTY_STEPS", 4'800);
  if (!run_from_seed<RandomRun>(first, "FLATKV_PROPERTY_STEPS", steps, kStepsOfARun)) return;
  std::cout << steps << " steps from FLATKV_SEED=" << first << "\n";
  for (const auto& [what, count] : done_counts())
    std::cout << "  " << what << ": " << count << "\n";
  if (steps < 4'000) return;
  for (const char* what :
       {"log record", "rollback", "rollback by path", "out of reach", "read-only", "round trip",
        "import over the store", "snapshots pruned"}) {
    EXPECT_GT(done_counts()[what], 0) << what << " was never done";
  }
}

}  // namespace
}  // namespace flatkv::test
