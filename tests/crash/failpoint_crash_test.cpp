// SPDX-License-Identifier: Apache-2.0
// Kills the process, or fails the step, at every failpoint between durable steps, in every section
// that passes it. The store must open again and hold what was acknowledged.
// FLATKV_FAILPOINT_HITS: how many hits of a site are tried (0: all). FLATKV_PART=I/N: every Nth.
#include <gtest/gtest.h>

#ifdef FLATKV_FAILPOINTS

#include <sys/wait.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "crash/sections.hpp"
#include "support/checks.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/files.hpp"
#include "support/tamper.hpp"

namespace flatkv::test {
namespace {

using Counts = std::map<std::string, unsigned>;

/// Every site in the sources of the rooms that the sections run through.
std::set<std::string> sites_in_sources() {
  std::set<std::string> all;
  for (const char* room : {"fs", "changelog", "rocks", "layout", "state", "block", "scrub",
                           "commit", "recovery", "store"}) {
    const std::string directory = std::string(FLATKV_SOURCE_DIR) + "/src/" + room;
    for (const std::string& name : names(directory, "", ".cpp")) {
      if (name.ends_with("_test.cpp")) continue;
      if (name == "rollback.cpp") continue;  // tests/history/rollback_crash_test.cpp
      const Bytes content = read_file(directory + "/" + name);
      const std::string_view text = as_chars(content);
      const std::string_view mark = "FLATKV_FAILPOINT(\"";
      for (std::size_t at = text.find(mark); at != std::string_view::npos;
           at = text.find(mark, at + 1)) {
        const std::size_t begin = at + mark.size();
        all.emplace(text.substr(begin, text.find('"', begin) - begin));
      }
    }
  }
  return all;
}

const char* const kObjects = "needs an object store; tests/objects/objects_test.py kills at each";

/// Sites that no section can reach, and why.
const std::map<std::string, const char*> kElsewhere = {
    {"fs.link_or_copy.before_copy", "only where the file system cannot link"},
    {"absent_key_filter.scan",
     "no durable step; tested in the room, tests/store/absent_key_filter_test.cpp"},
    {"scrub.front_moved", "only where a block is committed while a slice is read; tests/scrub"},
    {"layout.remove_in_place.before_mark", "only where a directory cannot be renamed; S22"},
    {"layout.remove_in_place.marked", "likewise"},
    {"layout.remove_in_place.emptied", "likewise"},
    {"layout.remove_in_place.unmarked", "likewise"},
    {"changelog.reseal.before_remove",
     "a segment above a torn one is not left by a kill: the one before is synced first; tested in "
     "the room"},
    {"parts.import.begun", kObjects},
    {"parts.import.table_written", kObjects},
    {"parts.import.table_named", kObjects},
    {"import.table_taken", kObjects},
    {"parts.import.published", kObjects},
    {"parts.import.emptied", kObjects},
    {"parts.export.part_put", kObjects},
    {"parts.export.before_manifest", kObjects},
    {"parts.export.after_manifest", kObjects},
    {"parts.prune.manifest_removed", kObjects},
    {"parts.prune.part_removed", kObjects},
};

/// The rows of docs/recovery.md for a kill, and for an error, at the sites of this name.
struct Rows {
  const char* sites;
  std::vector<const char*> killed;
  std::vector<const char*> failed;
  Came error = Came::recovered;  ///< if an error ended the child before its store was reopened
};
const std::vector<Rows> kRows = {
    {"commit.begin", {"C1"}, {}},
    {"changelog.append.before", {"C1"}, {"C3"}, Came::failed},
    {"changelog.append.after", {"C7"}, {"C3"}, Came::failed},
    {"commit.appended", {"C7"}, {"C3"}, Came::failed},
    {"changelog.sync.", {"C7"}, {"C4"}, Came::failed},
    {"commit.durable", {"C7", "C17"}, {"C4"}, Came::failed},
    {"flush.", {"C8"}, {"C9"}, Came::failed},
    {"flush.ingested", {"C17"}, {}},
    {"flush.published", {"C17"}, {}},
    {"engine.table.", {"C8"}, {"C9"}, Came::failed},
    {"engine.ingest.", {"C8"}, {"C9"}, Came::failed},
    {"snapshot.begun", {"S1"}, {"S2"}},
    {"snapshot.checkpointed", {"S1"}, {"S2"}},
    {"engine.checkpoint.", {"S1"}, {"S2"}},
    {"layout.snapshot.before_manifest", {"S1", "S3"}, {"S2", "S3"}},
    {"layout.snapshot.before_sync", {"S1"}, {"S2"}},
    {"layout.snapshot.before_rename", {"S1"}, {"S2"}},
    {"layout.snapshot.after_rename", {"S1"}, {"S2"}},
    {"layout.snapshot.before_remove", {"S15"}, {"S15"}},
    {"snapshot.pruned", {"S15", "S16"}, {"S15"}},
    {"changelog.prune.", {"S15", "S16"}, {"S15"}},
    {"changelog.reseal.", {"W12"}, {}},
    {"generation.", {"S11"}, {}},
    {"engine.clone.", {"S11"}, {}},
    {"changelog.clone.", {"S11"}, {}},
    {"layout.publish.", {"S11"}, {}},
    {"layout.cleanup.", {"S11"}, {}},
    {"layout.swap.", {"S11", "S12"}, {}},
    {"undo.", {"F1"}, {"F2"}},
    {"changelog.undo.", {"F1"}, {"F2"}},
    {"open.undone", {"F3"}, {}},
    {"open.", {"R1"}, {}},
    {"replay.", {"R1"}, {}},
};

/// Whether an error at the site must end what met it: one that did not was lost on its way.
bool must_fail(std::string_view site) {
  return std::ranges::any_of(kRows, [&](const Rows& rows) {
    return rows.error == Came::failed && site.starts_with(rows.sites);
  });
}

void count_rows(std::string_view site, bool killed, bool stopped) {
  for (const Rows& rows : kRows) {
    if (!site.starts_with(rows.sites)) continue;
    for (const char* row : killed ? rows.killed : rows.failed) {
      count_fault(row, !killed && stopped ? rows.error : Came::recovered);
    }
  }
}

class FailpointCrash : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    prepare_base(shared_->path("base"));
    for (const std::string& name : section_names()) {
      prepare_section(name, shared_->path("base"), prepared(name));
    }
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  static std::string prepared(const std::string& section) { return shared_->path("at-" + section); }
  std::string store() const { return directory_.path("store"); }

  int live(const std::string& section, const std::string& failpoint) {
    remove_tree(store());
    if (stdfs::exists(prepared(section))) copy_tree(prepared(section), store());
    Child child = Child::start(
        "live", {section, store(), directory_.path("counts")},
        failpoint.empty() ? std::map<std::string, std::string>{}
                          : std::map<std::string, std::string>{{"FLATKV_FAILPOINT", failpoint}});
    const int status = child.wait();
    acknowledged_ = child.last('a').value_or(child.last('r').value_or(least(section)));
    started_ = std::max(acknowledged_, child.last('s').value_or(most(section)));
    going_back_ = child.last('u');
    if (going_back_ == child.last('U')) going_back_.reset();
    undos_ = undos_before(section);
    for (const Message& message : child.messages()) {
      if (message.type == 'U') undos_.push_back(message.value);
    }
    return status;
  }
  /// The least version before the child reports anything: that of the prepared store.
  static std::int64_t least(const std::string& section) {
    if (section == "create") return 0;
    if (section == "undo left") return kUndoneVersion;
    return section == "skew" ? kPreparedVersion + 6 : kPreparedVersion;
  }
  static std::int64_t most(const std::string& section) { return least(section); }

  void check() {
    Options options = small_options();
    options.create_if_missing = true;
    auto opened = CommitStore::open(store(), options);
    ASSERT_OK(opened);
    if (!going_back_ || opened->version() != *going_back_) {
      ASSERT_GE(opened->version(), acknowledged_) << "an acknowledged block is lost";
      ASSERT_LE(opened->version(), started_);
    }
    // Up to where an undo goes that did not end, both branches are the same.
    ASSERT_TRUE(store_is(*opened, section_state(undos_, opened->version())));
    const std::int64_t next = opened->version() + 1;
    for (const Changes& changes : section_block(undos_, next)) {
      ASSERT_OK(opened->apply(changes));
    }
    const auto committed = opened->commit(next);
    ASSERT_OK(committed);
    ASSERT_TRUE(same_roots(*committed, section_state(undos_, next).roots()));
    ASSERT_OK(opened->close());
  }

  void try_hits(const std::string& section, const Counts& counts, const char* action,
                std::uint64_t hits) {
    for (const auto& [site, count] : counts) {
      std::set<unsigned> chosen;
      if (hits == 0) {
        for (unsigned n = 1; n <= count; ++n) chosen.insert(n);
      } else {
        // Spread over the section: the first, the last, and some between.
        for (unsigned n = 0; n < hits; ++n) {
          chosen.insert(1 + (turn_ + n * count / static_cast<unsigned>(hits)) % count);
        }
        turn_ += 7;
      }
      for (const unsigned nth : chosen) {
        const std::string spec = site + "@" + std::to_string(nth) + "=" + action;
        // By name: the number of hits differs from run to run, and with it the number of a case.
        if (!part_.has(std::hash<std::string>()(section + spec))) continue;
        SCOPED_TRACE("FLATKV_FAILPOINT=" + spec + " in section " + section);
        int status = live(section, spec);
        // How often a flush starts depends on when the last one was done.
        if (nth > 1 && std::string_view(action) == "kill" && WIFEXITED(status)) {
          status = live(section, site + "@1=" + action);
        }
        if (std::string_view(action) == "kill") {
          ASSERT_TRUE(WIFSIGNALED(status)) << "the site was not hit again";
          ++outcomes_[site].killed;
        } else {
          ASSERT_TRUE(WIFEXITED(status));
          ++outcomes_[site].failed;
          if (WEXITSTATUS(status) == 0) ++outcomes_[site].survived;
          // How often a flush starts depends on when the last one was done: it may not have come.
          const bool met = read_counts(directory_.path("counts"))[site] >= nth;
          ASSERT_FALSE(met && must_fail(site) && WEXITSTATUS(status) == 0) << "the error was lost";
        }
        if (site.starts_with("flush.")) look_at_metadata();
        check();
        if (HasFatalFailure()) return;
        const bool killed = std::string_view(action) == "kill";
        count_rows(site, killed, !killed && WEXITSTATUS(status) != 0);
        if (metadata_behind_) count_fault("C12", Came::recovered);
        metadata_behind_ = false;
      }
    }
  }

  /// C12: stopped when all four data databases were flushed but the metadata database was not.
  void look_at_metadata() {
    std::set<std::int64_t> data;
    for (const char* name : {"account", "code", "storage", "legacy"}) {
      data.insert(flushed_version(working(store(), name)).value_or(-1));
    }
    const auto metadata = flushed_version(working(store(), "metadata"), true);
    metadata_behind_ = data.size() == 1 && metadata && *metadata < *data.begin();
  }

  struct Outcome {
    unsigned killed = 0;
    unsigned failed = 0;
    unsigned survived = 0;
  };

  static TempDir* shared_;
  TempDir directory_;
  std::int64_t acknowledged_ = 0;
  std::int64_t started_ = 0;
  std::optional<std::int64_t> going_back_;  ///< the target of an undo that did not end
  Undos undos_;                             ///< that ended
  unsigned turn_ = 0;
  const Part part_ = part_of_cases();
  bool metadata_behind_ = false;
  std::map<std::string, Outcome> outcomes_;
};
TempDir* FailpointCrash::shared_ = nullptr;

TEST_F(FailpointCrash, EverySiteInEverySection) {
  const std::uint64_t hits = environment("FLATKV_FAILPOINT_HITS", 1);
  std::map<std::string, std::string> error_in;  // site → the section in which it is made to fail
  std::map<std::string, Counts> all;
  for (const std::string& section : section_names()) {
    SCOPED_TRACE(section);
    ASSERT_EQ(live(section, ""), 0) << "the section does not run";
    check();
    ASSERT_FALSE(HasFatalFailure());
    all[section] = read_counts(directory_.path("counts"));
    ASSERT_GT(all[section].size(), 10U);
    for (const auto& [site, count] : all[section]) error_in[site] = section;
  }
  for (const auto& [section, counts] : all) {
    try_hits(section, counts, "kill", hits);
    if (HasFatalFailure()) return;
    Counts to_fail;
    for (const auto& [site, count] : counts) {
      if (hits != 1 || error_in[site] == section) to_fail[site] = count;
    }
    try_hits(section, to_fail, "error", hits);
    if (HasFatalFailure()) return;
  }
  std::cout << "site: killed, failed (and the section went on)\n";
  for (const auto& [site, outcome] : outcomes_) {
    std::cout << "  " << site << ": " << outcome.killed << ", " << outcome.failed << " ("
              << outcome.survived << ")\n";
  }
  if (!part_.whole()) return;
  for (const std::string& site : sites_in_sources()) {
    if (kElsewhere.contains(site)) continue;
    EXPECT_TRUE(outcomes_.contains(site)) << site << " was never hit";
  }
}

}  // namespace
}  // namespace flatkv::test

#endif
