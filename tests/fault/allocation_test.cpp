// SPDX-License-Identifier: Apache-2.0
// The Nth allocation of the writer's own thread fails, for every N (N3): the call returns the
// error, the store fails rather than continue from half a block, and it is whole after a reopen. If
// the process dies instead (in RocksDB), that counts as a kill.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <iostream>
#include <map>

#include "base/error.hpp"
#include "failing_allocations.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kSeed = 7;
constexpr std::int64_t kBase = 4;

Options base_options() {
  Options options = small_options();
  options.durability = Durability::sync;
  options.threads = 1;  // hash all of a block in the writer's thread
  options.create_if_missing = true;
  return options;
}

/// Exit codes of a child that was not killed.
enum Ending { kEnough = 10, kFailed = 11, kWentOn = 12, kWrong = 13 };

/// Commits and flushes the next block; returns the first failure.
Status step(CommitStore& store, std::span<const std::span<const NamedChangeSet>> applies) {
  for (const auto sets : applies) FLATKV_TRY(store.apply(sets));
  FLATKV_TRY(store.root_hash());
  FLATKV_TRY(store.commit(store.version() + 1));
  return store.flush();
}

/// After the error every write to this store must be refused.
bool has_failed(CommitStore& store) {
  const auto refuses = [](const auto& result) {
    return !result && result.error().code == ErrorCode::store_failed;
  };
  return refuses(store.apply(Changes().nonce(address(1), 1))) &&
         refuses(store.commit(store.version() + 1)) && refuses(store.flush()) &&
         refuses(store.snapshot()) && !store.has_pending();
}

/// Arguments: store, the allocation that fails.
int live(const std::vector<std::string>& arguments, const Reporter& reporter) {
  auto store = CommitStore::open(arguments.at(0), base_options());
  if (!store) return kWrong;
  const std::vector<Changes> block = script_block(kSeed, store->version() + 1);
  std::vector<std::span<const NamedChangeSet>> applies;
  for (const Changes& changes : block) applies.push_back(changes.sets());
  reporter.say('r', store->version());
  fail_allocation(Whose::callers, std::stoull(arguments.at(1)));
  const Status done = step(*store, applies);
  const bool reached = allocation_failed();
  reporter.say('a', store->version());
  if (done) return reached ? kWentOn : kEnough;
  return has_failed(*store) ? kFailed : kWrong;
}
const RegisterChild kLive("allocations", live);

TEST(Allocation, N3_TheNthFailsForEveryN) {
  TempDir directory;
  const std::string base = directory.path("base");
  const std::string path = directory.path("store");
  std::vector<State> states;
  {
    auto store = CommitStore::open(base, base_options());
    ASSERT_OK(store);
    Model model;
    for (std::int64_t version = 1; version <= kBase; ++version) {
      ASSERT_TRUE(commit_both(*store, model, script_block(kSeed, version)));
    }
    ASSERT_OK(store->close());
    states.push_back(model.committed());
    for (const Changes& changes : script_block(kSeed, kBase + 1)) model.apply(changes);
    model.commit();
    states.push_back(model.committed());
  }
  std::map<std::string, unsigned> counts;
  std::uint64_t nth = 1;
  for (bool enough = false; !enough; ++nth) {
    SCOPED_TRACE("allocation " + std::to_string(nth));
    copy_tree(base, path);
    Child child = Child::start("allocations", {path, std::to_string(nth)});
    const int status = child.wait();
    // RocksDB does not survive every one of them; the process then dies as if killed.
    const bool aborted = WIFSIGNALED(status);
    const int ending = aborted ? 0 : WEXITSTATUS(status);
    ASSERT_NE(ending, kWrong) << "it went on from half a step";
    ASSERT_TRUE(aborted || (ending >= kEnough && ending <= kWentOn)) << "exit " << ending;
    enough = ending == kEnough;
    ++counts[aborted ? "ended" : ending == kFailed ? "failed" : "went on"];

    const auto opened = CommitStore::open(path, base_options());
    ASSERT_OK(opened);
    const std::int64_t least = child.last('a').value_or(child.last('r').value_or(kBase));
    ASSERT_GE(opened->version(), least);
    ASSERT_LE(opened->version(), kBase + 1);
    ASSERT_TRUE(store_is(*opened, states.at(static_cast<std::size_t>(opened->version() - kBase))));
    if (!enough) count_fault("N3", ending == kFailed ? Came::failed : Came::recovered);
  }
  for (const auto& [what, count] : counts) std::cout << "  " << what << ": " << count << "\n";
  EXPECT_GT(counts["failed"], 20U);
}

}  // namespace
}  // namespace flatkv::test
