// SPDX-License-Identifier: Apache-2.0
// The Nth allocation fails, in every public function and in the library's own threads (N3): the
// function returns `out_of_memory` or the store fails, nothing is thrown, no acknowledged block is
// lost, the process does not end, and the store reopens with the roots of its model.
// FLATKV_FAULT_FULL=1: every N, otherwise a sample; FLATKV_PART=I/M: of these every Mth.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string_view>

#include "allocation_acts.hpp"
#include "base/bytes.hpp"
#include "base/machine.hpp"
#include "codec/change_log_entry.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {
namespace {

const std::vector<Act>& acts() {
  static const std::vector<Act> kAll = table_acts();
  return kAll;
}

/// Acts that only read, and may not go on: they do not look at what they get, or it is a thread
/// that helps them that fails, of which they have to hear.
const std::set<std::string_view> kReads = {"get",
                                           "get_many, its threads",
                                           "get_many, an executor's threads",
                                           "view",
                                           "iterate",
                                           "log_record",
                                           "changes"};
/// Acts in which nothing is allocated.
const std::set<std::string_view> kAllocateNothing = {
    "figures", "wait_durable",
#ifndef FLATKV_FAILPOINTS
    "get_many, its threads",  // no read seems to wait, so no thread helps
#endif
};
/// Acts whose threads are one per core but the caller's.
const std::set<std::string_view> kNeedCores = {"export_to_file, other threads",
                                               "import_file, other threads"};
/// Whether another thread gets to its work before the caller has done all of it is a matter of
/// timing: so often an act may end without a failure until one has failed, and afterwards.
constexpr unsigned kTriesToFailOne = 50;
constexpr unsigned kTriesToEnd = 3;
/// An act takes below a second, but for those that ask a broker; one that waits for ever is to say
/// which it was.
constexpr unsigned kLongestSeconds = 300;

enum Ending { kEnough = 10, kSaidSo = 11, kWentOn = 12, kWrong = 13 };

Places places_in(const std::string& directory) {
  const auto at = [&](const char* name) { return directory + "/" + name; };
  return {.store = at("store"),
          .other = at("other"),
          .stream = at("stream"),
          .wide = at("wide"),
          .wide_stream = at("wide-stream"),
          .log = at("log")};
}

/// Arguments: the directory of all places, act, the allocation that fails.
int live(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const Places places = places_in(arguments.at(0));
  const Act& act = acts().at(std::stoul(arguments.at(1)));
  const std::uint64_t nth = std::stoull(arguments.at(2));
  static_cast<void>(block_of(1));
  ::alarm(kLongestSeconds);
  Status done;
  try {
    done = act.run(places, [&] { fail_allocation(act.whose, nth); }, reporter);
  } catch (...) {
    static_cast<void>(allocation_failed());
    return kWrong;
  }
  const bool failed = allocation_failed();
  reporter.say('p', static_cast<std::int64_t>(allocations_passed_over()));
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
    places_ = places_in(directory_->path(""));
    ASSERT_NO_FATAL_FAILURE(make_wide());
    make_log();
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
    ASSERT_OK(export_to_file(must_view(*store), places_.stream));
    ASSERT_OK(store->close());
  }
  /// More than a scan in one piece, and than one thread gets of a stream.
  static void make_wide() {
    auto store = CommitStore::open(places_.wide, table_options());
    ASSERT_OK(store);
    Changes rows;
    for (std::uint64_t i = 0; i < 6000; ++i) {
      rows.storage(address(i % 3), slot(i), Bytes(300, static_cast<std::uint8_t>(1 + i % 200)));
    }
    ASSERT_OK(store->apply(rows.sets()));
    ASSERT_OK(store->commit(1));
    ASSERT_OK(export_to_file(must_view(*store), places_.wide_stream));
    ASSERT_OK(store->close());
  }
  static void make_log() {
    Bytes segment;
    for (std::int64_t version = 1; version <= kReferenceBlocks; ++version) {
      Changes block;
      block.nonce(address(1), static_cast<std::uint64_t>(version));
      Bytes entry;
      codec::append_version(entry, version);
      codec::append_change_sets(entry, block.sets());
      segment.push_back(static_cast<std::uint8_t>(entry.size()));  // below 128: a varint
      append(segment, entry);
    }
    std::filesystem::create_directories(places_.log);
    std::ofstream(places_.log + "/00000000000000000001", std::ios::binary) << as_chars(segment);
  }
  static ReadView must_view(const CommitStore& store) { return store.view().value(); }
  static void TearDownTestSuite() {
    delete directory_;
    states_.clear();
  }

  static inline TempDir* directory_ = nullptr;
  static inline std::string base_;
  static inline Places places_;
  static inline std::vector<State> states_;
};

TEST_P(AllocationTable, EveryFunctionSaysSo_N3) {
  const Act& act = acts().at(GetParam());
  const bool full = std::getenv("FLATKV_FAULT_FULL") != nullptr;
  const bool others = act.whose == Whose::others;
  std::map<std::string, unsigned> counts;
  const Part part = part_of_cases();
  unsigned ended = 0;
  for (std::uint64_t nth = part.index;;) {
    SCOPED_TRACE(act.name + ", allocation " + std::to_string(nth));
    copy_tree(base_, places_.store);
    std::filesystem::remove_all(places_.other);
    std::filesystem::remove_all(places_.other + ".zst");
    Child child = Child::start(
        "allocations-of", {directory_->path(""), std::to_string(GetParam()), std::to_string(nth)});
    const int status = child.wait();
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    const int ending = WEXITSTATUS(status);
    ASSERT_TRUE(ending >= kEnough && ending <= kWentOn) << "exit " << ending;
    ASSERT_FALSE(ending == kWentOn && kReads.contains(act.name)) << "it goes on with what?";
    if (ending != kEnough) ++counts[ending == kSaidSo ? "said so" : "went on"];

    if (act.afterwards) {
      ASSERT_OK(act.afterwards(places_));
    }
    const auto opened = CommitStore::open(places_.store, table_options());
    ASSERT_OK(opened);
    ASSERT_LT(opened->version(), static_cast<std::int64_t>(states_.size()));
    ASSERT_TRUE(store_is(*opened, states_.at(static_cast<std::size_t>(opened->version()))));
    const bool goes_back = act.name.find("rollback") != std::string::npos;
    ASSERT_GE(opened->version(), child.last('a').value_or(goes_back ? 2 : kBase));
    if (ending == kEnough) {
      const bool first = part.index == 1 && counts.empty();
      if (++ended == (!others ? 1 : first ? kTriesToFailOne : kTriesToEnd)) break;
      continue;
    }
    ended = 0;
    count_fault("N3", ending == kSaidSo ? Came::failed : Came::recovered);
    const auto same = static_cast<std::uint64_t>(child.last('p').value_or(0));
    nth += part.count * (full ? 1 + same / part.count : 1 + nth / 2);
  }
  const bool none_to_fail = kAllocateNothing.contains(act.name) ||
                            (kNeedCores.contains(act.name) && machine().cores == 1);
  if (part.index == 1 && !none_to_fail) {
    EXPECT_FALSE(counts.empty()) << "no allocation failed";
  }
  std::cout << "  " << act.name << ":" << (counts.empty() ? " no allocation failed" : "");
  for (const auto& [what, count] : counts) std::cout << " " << what << " " << count;
  std::cout << "\n";
}

INSTANTIATE_TEST_SUITE_P(Public, AllocationTable, ::testing::Range<std::size_t>(0, acts().size()));

}  // namespace
}  // namespace flatkv::test
