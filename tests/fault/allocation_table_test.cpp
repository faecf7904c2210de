// SPDX-License-Identifier: Apache-2.0
// The Nth allocation fails, in every public function and in the library's own threads (N3): the
// function returns `out_of_memory` or the store fails, nothing is thrown, no acknowledged block is
// lost, the process does not end, and the store reopens with the roots of its model.
// FLATKV_FAULT_FULL=1: every N, otherwise a sample; FLATKV_PART=I/M: of these every Mth.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "allocation_acts.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {
namespace {

const std::vector<Act>& acts() {
  static const std::vector<Act> kAll = [] {
    std::vector<Act> all = store_acts();
    std::ranges::move(tool_acts(), std::back_inserter(all));
    return all;
  }();
  return kAll;
}

/// Acts that only read. What one gives that goes on is looked at nowhere, so it may not go on.
const std::set<std::string_view> kReads = {"get",        "get_many",         "view",   "iterate",
                                           "log_record", "a recent version", "changes"};
/// Acts of the calling thread in which nothing is allocated.
const std::set<std::string_view> kAllocateNothing = {"figures", "wait_durable"};

enum Ending { kEnough = 10, kSaidSo = 11, kWentOn = 12, kWrong = 13 };

/// Arguments: store, other, stream, act, the allocation that fails.
int live(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const Places places{arguments.at(0), arguments.at(1), arguments.at(2)};
  const Act& act = acts().at(std::stoul(arguments.at(3)));
  const std::uint64_t nth = std::stoull(arguments.at(4));
  static_cast<void>(block_of(1));
  Status done;
  try {
    done = act.run(places, [&] { fail_allocation(act.whose, nth); }, reporter);
  } catch (...) {
    static_cast<void>(allocation_failed());
    return kWrong;
  }
  const bool failed = allocation_failed();
  if (done) return failed ? kWentOn : kEnough;
  const ErrorCode code = done.error().code;
  const bool says_so = code == ErrorCode::out_of_memory || code == ErrorCode::store_failed ||
                       done.error().message.find("emory") != std::string::npos;
  if (failed && says_so) return kSaidSo;
  std::cerr << act.name << " " << nth << ": " << done.error().to_string() << "\n";
  return kWrong;
}
const RegisterChild kLive("allocations-of", live);

class AllocationTable : public ::testing::TestWithParam<std::size_t> {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDir;
    base_ = directory_->path("base");
    stream_ = directory_->path("stream");
    auto store = CommitStore::open(base_, table_options());
    ASSERT_OK(store);
    Model model;
    states_.push_back(model.committed());
    for (std::int64_t version = 1; version <= kBase + 3; ++version) {
      for (const Changes& changes : block_of(version).changes) {
        model.apply(changes);
        if (version <= kBase) {
          ASSERT_OK(store->apply(changes.sets()));
        }
      }
      model.commit();
      if (version <= kBase) {
        ASSERT_OK(store->commit(version));
      }
      if (version == 1) {
        ASSERT_OK(store->snapshot());
      }
      states_.push_back(model.committed());
    }
    ASSERT_OK(export_to_file(must_view(*store), stream_));
    ASSERT_OK(store->close());
  }
  static ReadView must_view(const CommitStore& store) { return store.view().value(); }
  static void TearDownTestSuite() {
    delete directory_;
    states_.clear();
  }

  static inline TempDir* directory_ = nullptr;
  static inline std::string base_;
  static inline std::string stream_;
  static inline std::vector<State> states_;
};

TEST_P(AllocationTable, EveryFunctionSaysSo_N3) {
  const Act& act = acts().at(GetParam());
  const bool full = std::getenv("FLATKV_FAULT_FULL") != nullptr;
  const std::string path = directory_->path("store");
  const std::string other = directory_->path("other");
  std::map<std::string, unsigned> counts;
  const Part part = part_of_cases();
  for (std::uint64_t nth = part.index;; nth += part.count * (full ? 1 : 1 + nth / 2)) {
    SCOPED_TRACE(act.name + ", allocation " + std::to_string(nth));
    copy_tree(base_, path);
    std::filesystem::remove_all(other);
    Child child = Child::start(
        "allocations-of", {path, other, stream_, std::to_string(GetParam()), std::to_string(nth)});
    const int status = child.wait();
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    const int ending = WEXITSTATUS(status);
    ASSERT_TRUE(ending >= kEnough && ending <= kWentOn) << "exit " << ending;
    ASSERT_FALSE(ending == kWentOn && kReads.contains(act.name)) << "it goes on with what?";
    if (ending != kEnough) ++counts[ending == kSaidSo ? "said so" : "went on"];

    const auto opened = CommitStore::open(path, table_options());
    ASSERT_OK(opened);
    ASSERT_LT(opened->version(), static_cast<std::int64_t>(states_.size()));
    ASSERT_TRUE(store_is(*opened, states_.at(static_cast<std::size_t>(opened->version()))));
    const bool goes_back = act.name.find("rollback") != std::string::npos;
    ASSERT_GE(opened->version(), child.last('a').value_or(goes_back ? 2 : kBase));
    if (ending == kEnough) break;
    count_fault("N3", ending == kSaidSo ? Came::failed : Came::recovered);
  }
  // Whether another thread has anything to do is a matter of timing.
  if (part.index == 1 && act.whose == Whose::callers && !kAllocateNothing.contains(act.name)) {
    EXPECT_FALSE(counts.empty()) << "no allocation failed";
  }
  std::cout << "  " << act.name << ":" << (counts.empty() ? " no allocation failed" : "");
  for (const auto& [what, count] : counts) std::cout << " " << what << " " << count;
  std::cout << "\n";
}

INSTANTIATE_TEST_SUITE_P(Public, AllocationTable, ::testing::Range<std::size_t>(0, acts().size()));

}  // namespace
}  // namespace flatkv::test
