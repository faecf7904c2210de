// SPDX-License-Identifier: Apache-2.0
#include "simdisk/life.hpp"

#include <algorithm>

#include "base/internals.hpp"
#include "changelog/log_walk.hpp"
#include "layout/generation.hpp"
#include "store/commit_store.hpp"

namespace flatkv::simdisk {

using test::Came;
using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

Options sim_options(Durability durability) {
  Options options;
  options.create_if_missing = true;
  options.durability = durability;
  options.group_blocks = 3;
  options.flush.write_buffer_bytes = 1ULL << 20;
  options.cache.block_cache_bytes = 1ULL << 20;
  options.cache.row_cache_bytes = 64ULL << 10;
  options.segment_bytes = 2048;  // one or two blocks
  options.snapshot.interval = 0;
  options.snapshot.keep = 1;
  options.threads = 1;
  return options;
}

std::vector<Place> Progress::allowed(bool power_lost) const {
  std::vector<Place> all;
  const std::int64_t lowest = power_lost ? durable.version : acked.version;
  for (std::int64_t version = lowest; version <= started; ++version) {
    all.push_back({acked.branch, version});
  }
  all.insert(all.end(), also.begin(), also.end());
  return all;
}

Life::Life(SimDisk& disk, Oracle& oracle, Options options)
    : disk_(disk), oracle_(oracle), options_(std::move(options)), crashes_(disk.crashes()) {
  options_.on_durable = [this](std::int64_t version) {
    change([&](Progress& at) { at.durable.version = std::max(at.durable.version, version); });
  };
}

Progress Life::progress() const {
  const std::lock_guard guard(mutex_);
  return progress_;
}

void Life::begin(const std::string& phase) {
  change([&](Progress& at) { at.phase = phase; });
}

bool Life::running() const {
  return store_ && disk_.crashes() == crashes_ &&
         !Internals::impl(const_cast<CommitStore&>(*store_)).core().fault().failed();
}

void Life::note(const Error& error) {
  if (!failure_) failure_ = error;
}

void Life::open() {
  if (store_) return;
  begin(progress().acked.version == 0 && progress().phase.ends_with("create") ? "create" : "open");
  auto opened = store::open_commit_store(environment_of(disk_), kStore, options_);
  if (!opened) {
    note(opened.error());
    return;
  }
  store_.emplace(std::move(*opened));
  const bool crashed = disk_.crashes() != crashes_;
  crashes_ = disk_.crashes();
  const std::vector<Place> allowed =
      progress().allowed(crashed && disk_.last_crash().mode != CrashMode::process);
  const auto found = std::ranges::find(allowed, store_->version(), &Place::version);
  EXPECT_NE(found, allowed.end()) << "opened at " << store_->version();
  if (found == allowed.end()) return;
  change([&](Progress& at) {  // the open made the log's tail durable
    at.durable = at.acked = *found;
    at.started = found->version;
    at.also.clear();
  });
}

void Life::commits(int count) {
  for (int i = 0; i < count && running(); ++i) commit();
}

void Life::commit() {
  begin("commit");
  const Place next = progress().acked.next();
  const test::State& wanted = oracle_.at(next);
  for (const test::Changes& changes : oracle_.block(next)) {
    if (Status applied = store_->apply(changes); !applied) {
      note(applied.error());
      EXPECT_FALSE(running()) << "apply refused: " << applied.error().to_string();
      return;
    }
  }
  change([&](Progress& at) { at.started = next.version; });
  const Result<Roots> committed = store_->commit(next.version);
  if (!committed) {
    note(committed.error());
    EXPECT_FALSE(running()) << "a failed commit leaves the store failed: "
                            << committed.error().to_string();
    return;
  }
  EXPECT_TRUE(test::same_roots(*committed, wanted.roots()));
  change([&](Progress& at) {
    at.acked = next;
    at.durable.branch = next.branch;
    if (options_.durability == Durability::sync) at.durable = next;
  });
}

void Life::flush() {
  if (!running()) return;
  begin("flush");
  if (Status done = store_->flush(); !done) {
    note(done.error());
    EXPECT_FALSE(running()) << "a failed flush leaves the store failed: "
                            << done.error().to_string();
    return;
  }
  change([](Progress& at) { at.durable = at.acked; });
}

void Life::snapshot() {
  if (!running()) return;
  begin("snapshot");
  if (Status done = store_->snapshot(); !done) {
    note(done.error());
    return;
  }
  change([](Progress& at) { at.durable = at.acked; });
}

bool Life::rollback(std::int64_t target) {
  if (!running()) return false;
  begin(target >= store_->metrics().undo_floor ? "undo" : "rollback");
  const Place to = progress().acked.back_to(target);
  change([&](Progress& at) { at.also = {to}; });
  if (Status done = store_->rollback(target); !done) {
    note(done.error());
    if (!running()) return false;
    change([](Progress& at) { at.also.clear(); });
    EXPECT_EQ(store_->version(), progress().acked.version) << "a failed build changes nothing";
    return false;
  }
  EXPECT_EQ(store_->version(), target);
  change([&](Progress& at) {
    at.acked = at.durable = to;
    at.started = target;
    at.also.clear();
  });
  return true;
}

void Life::resume(const std::vector<Place>& allowed) {
  change([&](Progress& at) {
    at.phase = "open";
    at.durable = at.acked = allowed.front();
    at.started = at.acked.version;
    at.also = allowed;
  });
}

void Life::close() {
  if (!store_) return;
  // A crashed machine cannot even be read.
  if (!running() && disk_.crashes() == crashes_) expect_failed_and_readable();
  begin("close");
  if (Status done = store_->close(); !done) {
    note(done.error());
  } else {
    change([](Progress& at) { at.durable = at.acked; });
  }
  store_.reset();
}

void Life::settle() {
  if (store_) static_cast<void>(Internals::impl(*store_).core().quiesce());
}

void Life::expect_right() {
  settle();
  if (!running()) return;
  const AssertionResult right = test::store_is(*store_, oracle_.at(progress().acked));
  // A compaction may have reached the operation at which the machine was to crash, or the sync of a
  // group the one that was to fail: `close` then looks whether the store can be read.
  EXPECT_TRUE(right || !running()) << right.message();
}

void Life::expect_failed_and_readable() {
  if (!store_) return;
  has_failed_ = true;
  EXPECT_FALSE(running());
  EXPECT_TRUE(test::fails(store_->apply({}), ErrorCode::store_failed));
  EXPECT_TRUE(test::fails(store_->commit(store_->version() + 1), ErrorCode::store_failed));
  EXPECT_TRUE(test::fails(store_->flush(), ErrorCode::store_failed));
  EXPECT_TRUE(test::fails(store_->snapshot(), ErrorCode::store_failed));
  const Result<ReadView> view = store_->view();
  // A handle that released its databases (an interrupted rollback) says so, and no other one.
  const bool released = progress().phase == "rollback";
  if (released && !view && view.error().code == ErrorCode::store_failed) return;
  ASSERT_OK(view);
  EXPECT_TRUE(test::view_is(*view, oracle_.at(progress().acked)));
}

namespace {

/// Whether the next block of the oracle's script gives the oracle's roots.
AssertionResult goes_on(CommitStore& store, Oracle& oracle, const Place& next) {
  for (const test::Changes& changes : oracle.block(next)) {
    if (Status applied = store.apply(changes); !applied) {
      return AssertionFailure() << "apply after the recovery: " << applied.error().to_string();
    }
  }
  const Result<Roots> committed = store.commit(next.version);
  if (!committed) {
    return AssertionFailure() << "commit after the recovery: " << committed.error().to_string();
  }
  return test::same_roots(*committed, oracle.at(next).roots());
}

}  // namespace

AssertionResult recovers(SimDisk& disk, Oracle& oracle, const Options& options,
                         const std::vector<Place>& allowed, Ending* ending, bool twice) {
  auto opened = store::open_commit_store(environment_of(disk), kStore, options);
  if (!opened) return AssertionFailure() << "open: " << opened.error().to_string();
  AssertionResult right = AssertionFailure() << "opened at version " << opened->version();
  for (const Place& place : allowed) {
    if (place.version != opened->version()) continue;
    right = test::store_is(*opened, oracle.at(place));
    if (!right) continue;
    const OpenReport& report = opened->open_report();
    const bool rebuilt = report.rebuilt_metadata || report.rebuilt_working_copy;
    if (ending != nullptr) *ending = {rebuilt ? Came::rebuilt : Came::recovered, place, report};
    if (right = goes_on(*opened, oracle, place.next()); !right) return right;
    if (Status closed = opened->close(); !closed) {
      return AssertionFailure() << "close: " << closed.error().to_string();
    }
    if (!twice) return AssertionSuccess();
    opened = store::open_commit_store(environment_of(disk), kStore, options);
    if (!opened) return AssertionFailure() << "second open: " << opened.error().to_string();
    if (!opened->open_report().clean) return AssertionFailure() << "the close was not believed";
    return test::store_is(*opened, oracle.at(place.next()));
  }
  right << "; allowed:";
  for (const Place& place : allowed) right << " " << place.version << place.branch;
  return right;
}

AssertionResult outlasts_power_cut(SimDisk& disk, Oracle& oracle, const Options& options,
                                   const std::vector<Place>& allowed, Ending* ending) {
  auto opened = store::open_commit_store(environment_of(disk), kStore, options);
  if (!opened) return AssertionFailure() << "open: " << opened.error().to_string();
  const auto found = std::ranges::find(allowed, opened->version(), &Place::version);
  if (found == allowed.end()) {
    return AssertionFailure() << "opened at version " << opened->version();
  }
  if (auto right = goes_on(*opened, oracle, found->next()); !right) return right;
  disk.crash(CrashMode::drop_unsynced, 0);
  opened = fail(ErrorCode::unsupported, "");  // closes what the crash left of it
  AssertionResult right = recovers(disk, oracle, options, {found->next()}, ending);
  if (!right) right << ", after a power cut";
  return right;
}

AssertionResult log_covers(SimDisk& disk, const std::vector<Place>& allowed) {
  fs::FileSystem& files = disk.files();
  const auto survey = layout::survey_store(files, kStore);
  if (!survey) return AssertionFailure() << survey.error().to_string();
  const auto choice = layout::choose_generation(kStore, *survey);
  if (!choice) {
    if (choice.error().code == ErrorCode::not_found) return AssertionSuccess();
    return AssertionFailure() << choice.error().to_string();
  }
  const std::string generation = std::string(kStore) + "/" + choice->name;
  const auto manifest = layout::read_manifest(files, generation);
  if (!manifest) return AssertionFailure() << manifest.error().to_string();
  const auto snapshots = layout::list_snapshots(files, generation, true);
  if (!snapshots) return AssertionFailure() << snapshots.error().to_string();
  const auto oldest =
      std::ranges::find_if(*snapshots, [](const auto& s) { return s.manifest.has_value(); });
  if (oldest == snapshots->end()) return AssertionFailure() << "no valid snapshot is left";
  changelog::SurveyOptions options;
  options.store = manifest->store;
  options.from_version = oldest->version;
  const auto log = changelog::walk_segments(files, layout::changelog_path(generation), options);
  if (!log) return AssertionFailure() << log.error().to_string();
  if (!*log) return AssertionFailure() << "no log";
  const std::int64_t lowest = std::ranges::min_element(allowed, {}, &Place::version)->version;
  if ((*log)->base.version > oldest->version || (*log)->tip.version < lowest) {
    return AssertionFailure() << "the log reaches from " << (*log)->base.version << " to "
                              << (*log)->tip.version << ", the oldest snapshot is at "
                              << oldest->version << ", durable is " << lowest;
  }
  return AssertionSuccess();
}

std::map<std::string, Bytes> picture(SimDisk& disk) {
  auto files = disk.tree(kStore);
  files.erase(std::string(kStore) + "/LOCK");
  return files;
}

}  // namespace flatkv::simdisk
