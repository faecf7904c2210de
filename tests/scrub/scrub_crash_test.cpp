// SPDX-License-Identifier: Apache-2.0
// A store that is scrubbed, killed between any two durable steps, and killed again while it
// recovers: the scrub always continues where it was, and still proves the state (invariant S2 of
// docs/recovery.md). FLATKV_SCRUB_HITS: how many hits of a site are tried.
#include <gtest/gtest.h>

#ifdef FLATKV_FAILPOINTS

#include <sys/wait.h>

#include <iostream>

#include "scrub/scrub_fixture.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kScript = 11;
constexpr std::int64_t kPrepared = 20;

Options crash_options() {
  Options options = small_options();
  options.create_if_missing = true;
  options.scrub.mode = Scrub::by_hand;
  options.segment_bytes = 8 << 10;
  options.flush.write_buffer_bytes = 32 << 10;
  return options;
}

Status commit_next(CommitStore& store, const Reporter& reporter) {
  const std::int64_t version = store.version() + 1;
  for (const Changes& changes : script_block(kScript, version)) {
    if (auto applied = store.apply(changes); !applied) return applied;
  }
  reporter.say('s', version);
  if (auto committed = store.commit(version); !committed) {
    return std::unexpected(committed.error());
  }
  reporter.say('a', version);
  return {};
}

/// Blocks, slices, flushes and a snapshot, then a close.
int scrub_life(const std::vector<std::string>& arguments, const Reporter& reporter) {
  auto store = CommitStore::open(arguments.at(0), crash_options());
  if (!store) return 1;
  reporter.say('r', store->version());
  for (int i = 0; i < 12; ++i) {
    if (!commit_next(*store, reporter) || !commit_next(*store, reporter)) return 1;
    const auto scrubbed = store->scrub(8);
    if (!scrubbed || !scrubbed->findings.empty()) return 2;
    if (i % 3 == 1 && !store->flush()) return 1;
    if (i == 7 && !store->snapshot()) return 1;
  }
  return store->close() ? 0 : 1;
}
const RegisterChild kMode("scrub", scrub_life);

class ScrubCrash : public ScrubFixture {
 protected:
  void SetUp() override {
    seed_ = kScript;
    options_ = crash_options();
    open();
    blocks(kPrepared);
    go_to(Database::storage, 6);
    close();
    image("base");
  }

  /// Runs the child until the kill; false if the site has fewer hits.
  bool live(const std::string& spec) {
    Child child = Child::start("scrub", {path()}, {{"FLATKV_FAILPOINT", spec}});
    const int status = child.wait();
    acknowledged_ = std::max(acknowledged_, child.last('a').value_or(child.last('r').value_or(0)));
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
    return WIFSIGNALED(status);
  }

  /// Opens what the kill left; the scrub must continue where SCRUB says, without a finding.
  void check() {
    const auto json = scrub_json();
    ASSERT_FALSE(json.is_discarded()) << "SCRUB is replaced as a whole or not at all";
    const std::string database = json.at("database");
    const bool begun = !json.at("before").get<std::string>().empty();
    if (begun) {
      ASSERT_LE(flushed(database), json.at("version").get<std::int64_t>());
    }
    open();
    ASSERT_GE(store_->version(), acknowledged_) << "an acknowledged block is lost";
    model_ = Model();
    while (model_.version() < store_->version()) {
      for (const Changes& changes : script_block(kScript, model_.version() + 1)) {
        ASSERT_TRUE(model_.apply(changes));
      }
      model_.commit();
    }
    EXPECT_EQ(status().begun_anew, "");
    EXPECT_EQ(status().resumed, begun);
    resumed_ += begun ? 1 : 0;
    EXPECT_EQ(to_string(status().progress.database), database);
    const std::uint64_t round = status().progress.round;
    const ScrubStatus now = finish_round(40, [&] { blocks(1); });
    EXPECT_TRUE(all_good(now, round));
    EXPECT_TRUE(all_good(finish_round(500), round + 1));
    ASSERT_TRUE(store_is(*store_, model_.committed()));
    close();
  }

  std::int64_t acknowledged_ = 0;
  unsigned resumed_ = 0;
};

TEST_F(ScrubCrash, KilledAtEverySiteAndAgainWhileRecovering) {
  const std::vector<const char*> sites = {"scrub.before_save",
                                          "scrub.saved",
                                          "scrub.slice_read",
                                          "fs.replace_file.after_create",
                                          "fs.replace_file.after_write",
                                          "fs.replace_file.after_sync",
                                          "fs.replace_file.after_rename",
                                          "commit.begin",
                                          "commit.appended",
                                          "flush.begin",
                                          "flush.log_synced",
                                          "flush.table_written",
                                          "flush.ingested",
                                          "flush.published",
                                          "flush.metadata_written",
                                          "flush.done",
                                          "snapshot.checkpointed",
                                          "changelog.clean.before_write",
                                          "changelog.clean.after_write"};
  const std::vector<const char*> nested = {"open.unmarked",  "open.database_opened@3",
                                           "replay.checked", "open.block_replayed@2",
                                           "flush.ingested", "scrub.saved"};
  const auto hits = static_cast<unsigned>(environment("FLATKV_SCRUB_HITS", 2));
  std::size_t turn = 0;
  unsigned kills = 0;
  unsigned again = 0;
  for (const char* site : sites) {
    for (unsigned hit = 1; hit <= 3 * hits; hit += 3) {
      const std::string spec = std::string(site) + "@" + std::to_string(hit) + "=kill";
      SCOPED_TRACE(spec);
      restore("base");
      acknowledged_ = kPrepared;
      if (!live(spec)) {
        ASSERT_GT(hit, 1U) << "the site was never hit";
        break;
      }
      ++kills;
      const char* second = nested[turn++ % nested.size()];
      SCOPED_TRACE(second);
      if (live(std::string(second) + "=kill")) ++again;
      check();
      if (HasFailure()) return;
      count_fault("C8", Came::recovered);
    }
  }
  std::cout << kills << " kills, " << again << " while recovering or after, " << resumed_
            << " times the scrub went on in the middle of a database\n";
  EXPECT_GT(resumed_, kills / 2);
  EXPECT_GT(again, kills / 2);
}

}  // namespace
}  // namespace flatkv::test

#endif
