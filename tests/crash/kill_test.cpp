// SPDX-License-Identifier: Apache-2.0
// A child commits and acknowledges over a pipe, and is killed at random, also in recovery. The
// store must open at the last acknowledged version or the next, with the model's root and a full
// scan that agrees (row L4 of docs/recovery.md). FLATKV_KILL_ROUNDS, FLATKV_SEED.
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>
#include <map>

#include "base/failpoint.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kScript = 11;
const Pools kPools{20, 20, 30, 40};

Options round_options(std::uint64_t round) {
  Options options = small_options();
  options.create_if_missing = true;
  constexpr std::array<std::uint64_t, 3> kBuffers = {4 << 10, 48 << 10, 200 << 10};
  constexpr std::array<Durability, 3> kModes = {Durability::process, Durability::sync,
                                                Durability::group};
  options.flush.write_buffer_bytes = kBuffers[round % 3];
  options.durability = kModes[round / 3 % 3];
  options.group_blocks = 4;
  options.segment_bytes = round % 2 == 0 ? 8 << 10 : 64 << 20;
  options.snapshot.interval = round % 4 == 3 ? 16 : 0;
  options.snapshot.keep = 1;
  return options;
}

/// Flushes run in the background: failpoints without an error show when one runs.
void watch_flushes([[maybe_unused]] Shared& page) {
#ifdef FLATKV_FAILPOINTS
  const auto set = [&page](std::uint32_t value) {
    return [&page, value]() -> Status {
      page.flushing = value;
      return {};
    };
  };
  failpoint::arm("flush.begin", set(1), 1, 0);
  failpoint::arm("flush.done", set(0), 1, 0);
#endif
}

int commit_for_ever(const std::vector<std::string>& arguments, const Reporter& reporter) {
  Shared& page = shared_page(arguments.at(1));
  watch_flushes(page);
  auto store = CommitStore::open(arguments.at(0), round_options(std::stoull(arguments.at(2))));
  if (!store) {
    std::cerr << store.error().to_string() << "\n";
    reporter.say('e', 0);
    return 1;
  }
  page.open = 1;
  reporter.say('r', store->version());
  for (std::int64_t version = store->version() + 1;; ++version) {
    for (const Changes& changes : script_block(kScript, version, kPools)) {
      if (!store->apply(changes)) return 1;
    }
    page.started = version;
    if (auto committed = store->commit(version); !committed) {
      std::cerr << committed.error().to_string() << "\n";
      reporter.say('e', version);
      return 1;
    }
    page.acknowledged = version;
    reporter.say('a', version);
  }
}
const RegisterChild kMode("commit", commit_for_ever);

class Kill : public ::testing::Test {
 protected:
  std::string path() const { return directory_.path("store"); }

  void prepare_page() {
    page_.started = 0;
    page_.acknowledged = 0;
    page_.flushing = 0;
    page_.open = 0;
  }

  /// Reads the last messages of a killed child.
  void bury(Child& child) {
    child.kill();
    child.wait();
    ASSERT_FALSE(child.last('e')) << "the child failed before it was killed";
    for (const char type : {'r', 'a'}) {
      const auto version = child.last(type);
      if (!version) continue;
      if (type == 'r') {
        ASSERT_GE(*version, acknowledged_) << "an acknowledged block is lost";
        ASSERT_LE(*version, acknowledged_ + 1);
      }
      acknowledged_ = std::max(acknowledged_, *version);
    }
    came("killed", "K3");
    if (page_.open == 0) came("killed while opening", "R1");
    if (page_.started > page_.acknowledged) came("killed in a commit", "C1");
    const bool table = !names(live_generation(path()) + "/flush", "", ".sst").empty();
    if (page_.flushing != 0 || table) came("killed in a flush", "C8");
    if (table) ++counts_["  with a table on its way"];
  }

  /// Records what this round has to recover from, and its row of docs/recovery.md.
  void came(const std::string& what, const char* row) {
    ++counts_[what];
    rows_.emplace_back(row);
  }

  void look_at_databases() {
    std::int64_t lowest = INT64_MAX;
    std::int64_t highest = -1;
    for (const char* name : kNames) {
      const bool metadata = std::string_view(name) == "metadata";
      const auto version = flushed_version(working(path(), name), metadata);
      if (!version) return;
      lowest = std::min(lowest, *version);
      highest = std::max(highest, *version);
    }
    if (lowest != highest) ++counts_["databases at different versions"];
  }

  void follow_to(std::int64_t version) {
    while (model_.version() < version) {
      for (const Changes& changes : script_block(kScript, model_.version() + 1, kPools)) {
        ASSERT_TRUE(model_.apply(changes));
      }
      model_.commit();
    }
  }

  void check(std::uint64_t round) {
    auto store = CommitStore::open(path(), round_options(round));
    ASSERT_OK(store);
    ASSERT_GE(store->version(), acknowledged_) << "an acknowledged block is lost";
    ASSERT_LE(store->version(), acknowledged_ + 1);
    if (store->version() > acknowledged_) ++counts_["opened one above the last acknowledged"];
    follow_to(store->version());
    ASSERT_TRUE(store_is(*store, model_.committed()));
    ASSERT_TRUE(commit_both(*store, model_, script_block(kScript, model_.version() + 1, kPools)));
    acknowledged_ = model_.version();
    ASSERT_OK(store->close());
    for (const std::string& row : rows_) count_fault(row, Came::recovered);
    rows_.clear();
  }

  TempDir directory_;
  Shared& page_ = shared_page(directory_.path("page"));
  Model model_;
  std::int64_t acknowledged_ = 0;
  std::map<std::string, std::uint64_t> counts_;
  std::vector<std::string> rows_;
};

// docs/hazards.md#uneven-after-kill
TEST_F(Kill, EveryAcknowledgedBlockSurvives) {
  const std::uint64_t rounds = environment("FLATKV_KILL_ROUNDS", 100);
  const std::uint64_t seed = environment("FLATKV_SEED", 1);
  Random random(seed);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round) + " FLATKV_SEED=" + std::to_string(seed));
    const auto start = [&] {
      prepare_page();
      return Child::start("commit", {path(), directory_.path("page"), std::to_string(round)});
    };
    {
      Child child = start();
      ASSERT_TRUE(child.wait_for_message());
      ::usleep(static_cast<useconds_t>(below(random, 60'000)));
      bury(child);
    }
    // Kills it again while it recovers, or soon after.
    while (!HasFatalFailure() && one_in(random, 3)) {
      Child child = start();
      ::usleep(static_cast<useconds_t>(below(random, 60'000)));
      bury(child);
    }
    if (HasFatalFailure()) return;
    look_at_databases();
    check(round);
    if (HasFatalFailure()) return;
  }
  std::cout << rounds << " rounds, FLATKV_SEED=" << seed << ", " << model_.version() << " blocks\n";
  for (const auto& [what, count] : counts_) std::cout << "  " << what << ": " << count << "\n";
  EXPECT_GT(counts_["killed in a commit"], 0U) << "never hit";
  EXPECT_GT(counts_["killed in a flush"], 0U) << "never hit";
  if (rounds >= 50) {
    EXPECT_GT(counts_["databases at different versions"], 0U) << "never hit";
    EXPECT_GT(counts_["killed while opening"], 0U) << "never hit";
  }
}

}  // namespace
}  // namespace flatkv::test
