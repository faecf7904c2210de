// SPDX-License-Identifier: Apache-2.0
// A rollback is killed, or one of its steps fails, at every failpoint it passes: the store is then
// whole at the old tip or at the target, and the rollback can be repeated (fault matrix B1).
// FLATKV_FAILPOINT_HITS=0: the long form.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/failpoint.hpp"

#ifdef FLATKV_FAILPOINTS

#include <sys/wait.h>

#include <fstream>
#include <iostream>
#include <set>

#include "flatkv/tools/rollback.hpp"
#include "support/checks.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/files.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kSeed = 31;
constexpr std::uint64_t kOtherSeed = 57;
constexpr std::int64_t kTip = 24;
constexpr std::int64_t kTarget = 13;
constexpr std::int64_t kLast = 17;  ///< of the new branch
const Pools kPools{8, 8, 16, 40};

Options options() {
  Options options = small_options();
  options.snapshot.interval = 8;
  options.snapshot.keep = 9;
  options.segment_bytes = 4096;
  return options;
}

RollbackOptions rollback_options() {
  RollbackOptions options;
  options.threads = 1;
  options.block_cache_bytes = 1 << 20;
  return options;
}

std::vector<Changes> block(std::uint64_t seed, std::int64_t version) {
  return script_block(seed, version, kPools, 12);
}

/// The model after `version` of the first branch, or of the one that leaves it at kTarget.
const State& state_at(bool other, std::int64_t version) {
  static std::map<std::pair<bool, std::int64_t>, State> known;
  if (known.empty()) {
    for (const bool branch : {false, true}) {
      Model model;
      while (model.version() <= kTip) {
        known[{branch, model.version()}] = model.committed();
        const bool leaves = branch && model.version() >= kTarget;
        for (const Changes& changes : block(leaves ? kOtherSeed : kSeed, model.version() + 1)) {
          model.apply(changes);
        }
        model.commit();
      }
    }
  }
  return known.at({other, version});
}

Status commit_next(CommitStore& store, std::uint64_t seed) {
  const std::int64_t next = store.version() + 1;
  for (const Changes& changes : block(seed, next)) FLATKV_TRY(store.apply(changes));
  FLATKV_TRY(store.commit(next));
  return {};
}

void write_counts(const std::string& path) {
  std::ofstream out(path, std::ios::trunc);
  for (const auto& [site, count] : failpoint::counts()) out << site << " " << count << "\n";
}

int by_path(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const Status done = rollback(arguments[0], kTarget, rollback_options());
  if (done) reporter.say('d', kTarget);
  write_counts(arguments[1]);
  return done ? 0 : 1;
}
const RegisterChild kByPath("rollback-by-path", by_path);

/// Rolls back on an open handle and continues from there.
int on_handle(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const auto run = [&]() -> Status {
    FLATKV_ASSIGN(CommitStore store, CommitStore::open(arguments[0], options()));
    FLATKV_TRY(store.rollback(kTarget));
    reporter.say('d', kTarget);
    while (store.version() < kLast) {
      FLATKV_TRY(commit_next(store, kOtherSeed));
      reporter.say('a', store.version());
    }
    return store.close();
  };
  const Status done = run();
  write_counts(arguments[1]);
  return done ? 0 : 1;
}
const RegisterChild kOnHandle("rollback-on-handle", on_handle);

class RollbackCrash : public ::testing::Test {
 protected:
  void SetUp() override {
    Options fresh = options();
    fresh.create_if_missing = true;
    auto store = CommitStore::open(base(), fresh);
    ASSERT_OK(store);
    while (store->version() < kTip) ASSERT_OK(commit_next(*store, kSeed));
    ASSERT_OK(store->close());
  }

  std::string base() const { return directory_.path("base"); }
  std::string store() const { return directory_.path("store"); }

  int live(const std::string& mode, const std::string& failpoint) {
    copy_tree(base(), store());
    Child child = Child::start(
        mode, {store(), directory_.path("counts")},
        failpoint.empty() ? std::map<std::string, std::string>{}
                          : std::map<std::string, std::string>{{"FLATKV_FAILPOINT", failpoint}});
    const int status = child.wait();
    done_ = child.last('d').has_value();
    acknowledged_ = child.last('a').value_or(done_ ? kTarget : 0);
    return status;
  }

  /// Opens what is left; then rolls back again and continues.
  void check() {
    {
      auto opened = CommitStore::open(store(), options());
      ASSERT_OK(opened);
      const std::int64_t version = opened->version();
      const bool went_back = version != kTip;
      if (done_) {
        ASSERT_TRUE(went_back) << "the rollback had returned";
      }
      if (went_back) {
        ASSERT_GE(version, std::max(kTarget, acknowledged_));
        ASSERT_LE(version, std::min(kLast, std::max(kTarget, acknowledged_) + 1));
        ++at_target_;
      } else {
        ++at_tip_;
      }
      ASSERT_TRUE(store_is(*opened, state_at(went_back, version)));
      ASSERT_EQ(names(store(), "gen-").size(), 1U) << "leftovers went at this open";
      ASSERT_OK(opened->close());
    }
    if (++checks_ % 4 != 0 && environment("FLATKV_FAILPOINT_HITS", 1) == 1) return;
    ASSERT_OK(rollback(store(), kTarget, rollback_options()));
    auto opened = CommitStore::open(store(), options());
    ASSERT_OK(opened);
    ASSERT_TRUE(store_is(*opened, state_at(false, kTarget)));
    ASSERT_OK(commit_next(*opened, kOtherSeed));
    ASSERT_TRUE(same_roots(opened->committed_roots(), state_at(true, kTarget + 1).roots()));
  }

  void every_site(const std::string& mode, std::size_t least_sites,
                  const std::vector<const char*>& actions) {
    ASSERT_EQ(live(mode, ""), 0);
    check();
    const auto sites = read_counts(directory_.path("counts"));
    ASSERT_GE(sites.size(), least_sites);
    for (const auto& [site, count] : sites) {
      for (const char* action : actions) {
        // Choose the middle hit: some sites are hit before, during and after the build of the next
        // generation.
        const std::string spec = site + "@" + std::to_string(1 + count / 2) + "=" + action;
        SCOPED_TRACE(mode + " FLATKV_FAILPOINT=" + spec);
        const int status = live(mode, spec);
        if (std::string_view(action) == "kill") {
          ASSERT_TRUE(WIFSIGNALED(status)) << "the site was not hit again";
        } else {
          ASSERT_TRUE(WIFEXITED(status));
        }
        check();
        if (HasFatalFailure()) return;
        count_fault("B1", Came::recovered);
      }
    }
    std::cout << mode << ": " << sites.size() << " sites, " << at_tip_ << " times at the old tip, "
              << at_target_ << " times at the target or beyond\n";
    EXPECT_GT(at_tip_, 10U);
    EXPECT_GT(at_target_, 3U);
  }

  TempDir directory_;
  bool done_ = false;
  std::int64_t acknowledged_ = 0;
  unsigned checks_ = 0;
  unsigned at_tip_ = 0;
  unsigned at_target_ = 0;
};

TEST_F(RollbackCrash, ByPathAtEverySite) { every_site("rollback-by-path", 40, {"kill", "error"}); }

TEST_F(RollbackCrash, OnAHandleAtEverySite) {
  // Failing steps on a handle are the same; FLATKV_FAILPOINT_HITS=0 tries them as well.
  if (environment("FLATKV_FAILPOINT_HITS", 1) == 1) {
    every_site("rollback-on-handle", 60, {"kill"});
  } else {
    every_site("rollback-on-handle", 60, {"kill", "error"});
  }
}

}  // namespace
}  // namespace flatkv::test

#endif
