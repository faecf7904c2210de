// SPDX-License-Identifier: Apache-2.0
// The Nth allocation of the writer's own thread fails, for every N (N3): the call returns the
// error, the store fails rather than continue from half a block, and it is whole after a reopen.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <iostream>
#include <map>
#include <new>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "failing_allocations.hpp"
#include "flatkv/block_builder.hpp"
#include "flatkv/tools/inspect.hpp"
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

/// A closed store at version kBase.
void make_store(const std::string& path, Model& model) {
  auto store = CommitStore::open(path, base_options());
  ASSERT_OK(store);
  for (std::int64_t version = 1; version <= kBase; ++version) {
    ASSERT_TRUE(commit_both(*store, model, script_block(kSeed, version)));
  }
  ASSERT_OK(store->close());
}

TEST(Allocation, N3_TheNthFailsForEveryN) {
  TempDir directory;
  const std::string base = directory.path("base");
  const std::string path = directory.path("store");
  Model model;
  ASSERT_NO_FATAL_FAILURE(make_store(base, model));
  std::vector<State> states{model.committed()};
  for (const Changes& changes : script_block(kSeed, kBase + 1)) model.apply(changes);
  model.commit();
  states.push_back(model.committed());
  std::map<std::string, unsigned> counts;
  std::uint64_t nth = 1;
  for (bool enough = false; !enough; ++nth) {
    SCOPED_TRACE("allocation " + std::to_string(nth));
    copy_tree(base, path);
    Child child = Child::start("allocations", {path, std::to_string(nth)});
    const int status = child.wait();
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    const int ending = WEXITSTATUS(status);
    ASSERT_NE(ending, kWrong) << "it went on from half a step";
    ASSERT_TRUE(ending >= kEnough && ending <= kWentOn) << "exit " << ending;
    enough = ending == kEnough;
    ++counts[ending == kFailed ? "failed" : "went on"];

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

/// A builder throws, as the standard library does, and a step of several writes is whole or not
/// there. What it holds afterwards goes on.
TEST(Allocation, N3_AStepOfABlockBuilderIsWholeOrNotThere) {
  const std::vector<KVPair> pairs = {{.key = nonce_key(address(1)), .value = {}, .remove = true}};
  const std::vector<NamedChangeSet> others = {{"bank", pairs}, {"evm", pairs}, {"bank", pairs}};
  const Bytes code(70'000, 1);  // of a chunk of its own
  const auto written = [](const BlockBuilder& block) {
    std::vector<std::pair<std::string, Bytes>> all;
    for (const NamedChangeSet& set : block.change_sets()) {
      for (const KVPair& pair : set.pairs) all.emplace_back(set.name, to_bytes(pair.key));
    }
    return all;
  };
  unsigned thrown = 0;
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("allocation " + std::to_string(nth));
    BlockBuilder block = BlockBuilder::from_changes(others);
    const auto before = written(block);
    fail_allocation(Whose::callers, nth);
    bool whole = true;
    try {
      block.set_code(address(2), code);
    } catch (const std::bad_alloc&) {
      whole = false;
    }
    if (!allocation_failed()) break;
    ++thrown;
    EXPECT_FALSE(whole);
    EXPECT_EQ(written(block), before);
    block.set_code(address(3), code);
    auto after = before;
    after.emplace_back("evm", to_bytes(code_key(address(3))));
    after.emplace_back("evm", to_bytes(code_hash_key(address(3))));
    EXPECT_EQ(written(block), after);
  }
  EXPECT_GT(thrown, 3U);
}

/// The pending block of a reader is whole or gone: half of one would have a root of its own.
TEST(Allocation, N3_AReadersPendingBlockIsWholeOrGone) {
  TempDir directory;
  const std::string path = directory.path("store");
  Model model;
  ASSERT_NO_FATAL_FAILURE(make_store(path, model));
  Random random(kSeed);
  const std::array<Changes, 2> applies{random_changes(random, {}, 30),
                                       random_changes(random, {.addresses = 3, .slots = 3}, 60)};
  for (const Changes& changes : applies) ASSERT_TRUE(model.apply(changes));
  const std::array<std::span<const NamedChangeSet>, 2> sets{applies[0].sets(), applies[1].sets()};
  unsigned refused = 0;
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("allocation " + std::to_string(nth));
    auto reader = ReadOnlyStore::open(path);
    ASSERT_OK(reader);
    ASSERT_OK(reader->apply(sets[0]));
    fail_allocation(Whose::callers, nth);
    const Status applied = reader->apply(sets[1]);
    const auto roots = applied ? reader->working_roots() : std::unexpected(applied.error());
    if (!allocation_failed()) {
      ASSERT_OK(roots);
      ASSERT_TRUE(same_roots(*roots, model.working().roots()));
      break;
    }
    if (roots) {
      ASSERT_TRUE(same_roots(*roots, model.working().roots()));
      continue;
    }
    ++refused;
    count_fault("N3", Came::failed);
    ASSERT_TRUE(fails(roots, ErrorCode::out_of_memory));
    ASSERT_TRUE(same_roots(reader->working_roots().value(), reader->roots()));
    ASSERT_TRUE(fails(reader->apply(sets[0]), ErrorCode::store_failed));
    ASSERT_TRUE(view_is(reader->view(), model.committed()));
  }
  EXPECT_GT(refused, 20U);
}

/// A block that there was no memory for is the next one.
TEST(Allocation, N3_ALogReaderLeavesNoBlockOut) {
  TempDir directory;
  const std::string path = directory.path("store");
  Model model;
  ASSERT_NO_FATAL_FAILURE(make_store(path, model));
  unsigned refused = 0;
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("allocation " + std::to_string(nth));
    auto reader = LogReader::open(path, std::nullopt, true);
    ASSERT_OK(reader);
    fail_allocation(Whose::callers, nth);
    for (std::int64_t version = 1; version <= kBase;) {
      const auto block = reader->next();
      if (!block) {
        static_cast<void>(allocation_failed());
        ASSERT_TRUE(fails(block, ErrorCode::out_of_memory));
        ++refused;
        continue;
      }
      ASSERT_TRUE(*block);
      ASSERT_EQ((*block)->record.version, version++);
    }
    if (!allocation_failed()) break;
    count_fault("N3", Came::failed);
  }
  EXPECT_GT(refused, 20U);
}

}  // namespace
}  // namespace flatkv::test
