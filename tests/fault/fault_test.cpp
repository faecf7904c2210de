// SPDX-License-Identifier: Apache-2.0
// The table of faults, one by one; counts by outcome at the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>

#include "base/error.hpp"
#include "fault/damage.hpp"
#include "fault/fault_fixture.hpp"
#include "flatkv/tools/rollback.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

Options fault_options() {
  Options options = small_options();
  options.segment_bytes = 8 << 10;
  options.create_if_missing = true;  // which must never create a store over a damaged one
  return options;
}

namespace {

void build(const std::string& path, std::vector<State>& states,
           const std::function<void(CommitStore&)>& in_the_middle,
           const std::function<void(CommitStore&)>& at_the_end) {
  auto store = CommitStore::open(path, fault_options());
  ASSERT_OK(store);
  Model model;
  states = {model.committed()};
  for (std::int64_t version = 1; version <= kVersion; ++version) {
    ASSERT_TRUE(commit_both(*store, model, script_block(kFaultSeed, version)));
    states.push_back(model.committed());
    if (version == kMiddle) in_the_middle(*store);
  }
  at_the_end(*store);
  ASSERT_OK(store->close());
}

/// Builds a store of other blocks, at kVersion and later.
void build_strangers(const std::string& at_version, const std::string& above) {
  auto store = CommitStore::open(above, fault_options());
  ASSERT_OK(store);
  Model model;
  while (model.version() < kVersion + 5) {
    ASSERT_TRUE(commit_both(*store, model, script_block(kFaultSeed + 1, model.version() + 1)));
    if (model.version() != kVersion) continue;
    ASSERT_OK(store->flush());
    copy_tree(above, at_version);
  }
  ASSERT_OK(store->close());
}

}  // namespace

Prepared::Prepared() {
  const auto nothing = [](CommitStore&) {};
  build(
      closed, states,
      [this](CommitStore& store) {
        ASSERT_OK(store.snapshot());
        ASSERT_OK(store.flush());
        copy_tree(closed, older);  // idle and level, as in a backup
      },
      nothing);
  build(
      directory.path("source"), states,
      [this](CommitStore& store) {
        ASSERT_OK(store.snapshot());
        copy_tree(directory.path("source"), older_killed);
      },
      [this](CommitStore&) { copy_tree(directory.path("source"), killed); });
  build(other, states, nothing, nothing);
  build_strangers(stranger, longer_stranger);
  damage::set_other_store(other);
  damage::set_strangers(stranger, longer_stranger);
  damage::set_older_stores(older, older_killed);
}

std::string beyond_replay(const std::string& difference) {
  std::istringstream lines(difference);
  std::string others;
  for (std::string line; std::getline(lines, line);) {
    const bool own =
        line.find("/working/") != std::string::npos || line.find("/flush/") != std::string::npos;
    if (!own) others += line + "\n";
  }
  return others;
}

const Prepared& prepared() {
  static const Prepared kAll;
  return kAll;
}

namespace {

AssertionResult is_refused(const std::string& store, const Fault& fault) {
  const auto before = tree_state(store);
  const auto opened = CommitStore::open(store, fault_options());
  if (opened) return AssertionFailure() << "it opened, at version " << opened->version();
  const Error& error = opened.error();
  if (std::find(fault.codes.begin(), fault.codes.end(), error.code) == fault.codes.end()) {
    return AssertionFailure() << "refused with another code: " << error.to_string();
  }
  if (error.message.empty()) return AssertionFailure() << "refused without a word";
  std::string difference = tree_difference(before, tree_state(store));
  if (fault.in_replay) difference = beyond_replay(difference);
  if (!difference.empty()) return AssertionFailure() << "refused, but changed:\n" << difference;
  return AssertionSuccess();
}

/// Rolls back below a record that cannot be replayed.
AssertionResult goes_back(const std::string& store) {
  if (auto done = rollback(store, kVersion); !done) {
    return AssertionFailure() << "no way back: " << done.error().to_string();
  }
  const auto opened = CommitStore::open(store, fault_options());
  if (!opened) return AssertionFailure() << "after going back: " << opened.error().to_string();
  return store_is(*opened, prepared().states.back());
}

}  // namespace

AssertionResult comes_to(const std::string& store, const Fault& fault) {
  if (fault.outcome == Outcome::refused) {
    auto done = is_refused(store, fault);
    return done && fault.in_replay ? goes_back(store) : done;
  }
  auto opened = CommitStore::open(store, fault_options());
  if (!opened) return AssertionFailure() << "refused: " << opened.error().to_string();
  const std::int64_t version = opened->version();
  if (version < fault.lowest || version > kVersion) {
    return AssertionFailure() << "version " << version;
  }
  const OpenReport& report = opened->open_report();
  const bool rebuilt =
      report.rebuilt_working_copy || report.rebuilt_metadata || report.lost_log_tail;
  if (rebuilt != (fault.outcome == Outcome::rebuilt)) {
    return AssertionFailure() << (rebuilt ? "something was rebuilt" : "nothing was rebuilt");
  }
  Model model;
  for (std::int64_t v = 1; v <= version; ++v) {
    for (const Changes& changes : script_block(kFaultSeed, v)) model.apply(changes);
    model.commit();
  }
  if (auto same = store_is(*opened, model.committed()); !same) return same;
  for (int i = 0; i < 2; ++i) {
    if (auto done = commit_both(*opened, model, script_block(kFaultSeed, model.version() + 1));
        !done) {
      return done;
    }
  }
  if (auto closed = opened->close(); !closed) {
    return AssertionFailure() << closed.error().to_string();
  }
  opened = fail(ErrorCode::io, "closed");  // destroys the handle and releases the lock
  // It was repaired, not only survived: the next open is a clean one.
  auto again = CommitStore::open(store, fault_options());
  if (!again) return AssertionFailure() << "second open: " << again.error().to_string();
  if (!again->open_report().clean) return AssertionFailure() << "second open is not clean";
  return store_is(*again, model.committed());
}

namespace {

const std::map<Outcome, Came> kCame = {{Outcome::recovered, Came::recovered},
                                       {Outcome::refused, Came::refused},
                                       {Outcome::rebuilt, Came::rebuilt}};

TEST(FaultTable, EveryFaultComesToItsOutcome) {
  TempDir directory;
  const std::string store = directory.path("store");
  std::map<Outcome, int> counts;
  ASSERT_EQ(prepared().states.size(), kVersion + 1U);
  for (const Fault& fault : fault_table()) {
    SCOPED_TRACE(fault.id + " " + fault.what);
    copy_tree(fault.start == Start::closed ? prepared().closed : prepared().killed, store);
    remove_tree(store + "-moved");
    fault.make(store);
    const auto came = comes_to(store, fault);
    EXPECT_TRUE(came) << fault.id << " " << fault.what;
    if (came) count_fault(fault.id, kCame.at(fault.outcome));
    ++counts[fault.outcome];
  }
  std::cout << fault_table().size() << " faults: R " << counts[Outcome::recovered] << ", X "
            << counts[Outcome::refused] << ", D " << counts[Outcome::rebuilt] << "\n";
  EXPECT_GT(counts[Outcome::recovered], 20);
  EXPECT_GT(counts[Outcome::refused], 15);
  EXPECT_GT(counts[Outcome::rebuilt], 15);
}

/// S9: any file of the snapshot that must serve is missing, cut, extended or flipped. Never a wrong
/// state: the open is refused, another snapshot serves, or reading finds the damage.
TEST(FaultTable, S9_EveryFileOfASnapshot) {
  TempDir directory;
  const std::string store = directory.path("store");
  const std::string& base = prepared().closed;
  const std::string newest = snapshots(base).back();
  std::vector<std::string> files;
  for (const auto& entry : stdfs::recursive_directory_iterator(newest)) {
    if (entry.is_regular_file()) files.push_back(stdfs::relative(entry.path(), newest));
  }
  ASSERT_GT(files.size(), 10U);
  int served = 0;
  int refused = 0;
  int found_later = 0;
  for (const std::string& file : files) {
    for (int damage = 0; damage < 4; ++damage) {
      SCOPED_TRACE(file + " damage " + std::to_string(damage));
      copy_tree(base, store);
      const std::string path = snapshots(store).back() + "/" + file;
      const std::uint64_t size = stdfs::file_size(path);
      if (damage == 0) stdfs::remove(path);
      if (damage == 1) resize_file(path, size / 2);
      if (damage == 2) resize_file(path, size + 512);
      if (damage == 3 && size > 0) flip_bit(path, 8 * (size / 2));
      remove_tree(working(store, "storage"));
      const auto before = tree_state(store);
      auto opened = CommitStore::open(store, fault_options());
      if (!opened) {
        ++refused;
        count_fault("S9", Came::refused);
        EXPECT_TRUE(opened.error().code == ErrorCode::corruption ||
                    opened.error().code == ErrorCode::log_gap)
            << opened.error().to_string();
        EXPECT_EQ(tree_difference(before, tree_state(store)), "");
        continue;
      }
      ASSERT_EQ(opened->version(), kVersion);
      ASSERT_TRUE(same_roots(opened->committed_roots(), prepared().states.back().roots()));
      if (const auto same = store_is(*opened, prepared().states.back())) {
        ++served;
        count_fault("S9", Came::rebuilt);
      } else {
        ASSERT_TRUE(file.ends_with(".sst")) << same.message();
        const auto verdict = opened->verify();
        ASSERT_FALSE(verdict && verdict->good());
        ++found_later;
        count_fault("S9", Came::refused);  // by reads of it, and by verify
      }
    }
  }
  std::cout << files.size() << " files, 4 ways: served " << served << ", refused " << refused
            << ", found when read " << found_later << "\n";
  EXPECT_GT(served, 0);
}

}  // namespace
}  // namespace flatkv::test
