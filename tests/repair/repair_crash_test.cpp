// SPDX-License-Identifier: Apache-2.0
// A repair is killed, or a step of it fails, at every failpoint that it passes: either the damaged
// generation is left unchanged or the repaired one is complete, and repair can be run again (row
// S11 of docs/recovery.md). FLATKV_FAILPOINT_HITS=0: every time, not one in four if nothing was
// swapped.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/failpoint.hpp"

#ifdef FLATKV_FAILPOINTS

#include <sys/wait.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "repair/repair_fixture.hpp"
#include "support/child.hpp"
#include "support/repair_one.hpp"

namespace flatkv::test {
namespace {

Database database_of(const std::string& name) {
  for (const Database database : kDataDatabases) {
    if (name == to_string(database)) return database;
  }
  return Database::metadata;
}

/// `names`: one database, or several separated by blanks; several not from a stream.
Result<RepairReport> mend_all(const std::string& store, const std::string& names,
                              const std::string& stream) {
  if (!stream.empty()) {
    return repair_one(store, database_of(names), with_file(repair_options(), stream));
  }
  std::istringstream words(names);
  std::vector<Database> databases;
  for (std::string name; words >> name;) databases.push_back(database_of(name));
  auto all = repair_databases(store, databases, repair_options());
  if (!all) return std::unexpected(std::move(all).error());
  for (const RepairReport& one : *all) EXPECT_EQ(one.repaired(), all->front().repaired());
  return std::move(all->front());
}

int mend(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const auto done = mend_all(arguments[0], arguments[1], arguments[2]);
  if (done) reporter.say('d', done->version);
  std::ofstream out(arguments[3], std::ios::trunc);
  for (const auto& [site, count] : failpoint::counts()) out << site << " " << count << "\n";
  return done ? 0 : 1;
}
const RegisterChild kMend("repair", mend);

class RepairCrash : public RepairFixture {
 protected:
  void SetUp() override {
    RepairFixture::SetUp();
    build();
  }

  std::string base() const { return aside("damaged"); }

  int live(const std::string& failpoint) {
    copy_tree(base(), path());
    Child child = Child::start(
        "repair", {path(), name_, stream_, directory_.path("counts")},
        failpoint.empty() ? std::map<std::string, std::string>{}
                          : std::map<std::string, std::string>{{"FLATKV_FAILPOINT", failpoint}});
    const int status = child.wait();
    done_ = child.last('d').has_value();
    return status;
  }

  /// The old or the new state is left; after another repair it is right and nothing else remains.
  void check() {
    const std::string live = stdfs::path(live_generation(path())).filename();
    const bool swapped = live != "gen-00000001";
    if (done_) {
      ASSERT_TRUE(swapped);
    }
    ++(swapped ? new_ : old_);
    if (!swapped) {
      // Unchanged, apart from what was being built beside it.
      const auto as_it_was = tree_state(live_generation(base()));
      ASSERT_EQ(tree_difference(as_it_was, tree_state(live_generation(path()))), "");
      // From here on it is always the same, apart from what is left beside it.
      if (old_ % 4 != 0 && environment("FLATKV_FAILPOINT_HITS", 1) == 1) return;
    }
    const auto again = mend_all(path(), name_, stream_);
    ASSERT_OK(again);
    ASSERT_EQ(again->repaired(), !swapped);
    auto opened = CommitStore::open(path(), options_);
    ASSERT_OK(opened);
    ASSERT_TRUE(store_is(*opened, model_.committed()));
    ASSERT_EQ(names(path(), "gen-").size(), 1U) << "leftovers went at this open";
    Model model = model_;
    ASSERT_TRUE(commit_both(*opened, model, script_block(seed_, model.version() + 1)));
    ASSERT_OK(opened->close());
  }

  void every_site(std::size_t least_sites) {
    copy_tree(path(), base());
    ASSERT_EQ(live(""), 0);
    check();
    const auto sites = read_counts(directory_.path("counts"));
    ASSERT_GE(sites.size(), least_sites);
    for (const auto& [site, count] : sites) {
      for (const char* action : {"kill", "error"}) {
        const std::string spec = site + "@" + std::to_string(1 + count / 2) + "=" + action;
        SCOPED_TRACE(name_ + " FLATKV_FAILPOINT=" + spec);
        const int status = live(spec);
        if (std::string_view(action) == "kill") {
          ASSERT_TRUE(WIFSIGNALED(status)) << "the site was not hit again";
        } else {
          ASSERT_TRUE(WIFEXITED(status));
        }
        check();
        if (HasFatalFailure()) return;
      }
    }
    std::cout << name_ << ": " << sites.size() << " sites, " << old_ << " times the old, " << new_
              << " times the repaired one\n";
    EXPECT_GT(old_, 10U);
    EXPECT_GT(new_, 2U);
    count_fault("S11", Came::recovered, old_ + new_);
  }

  std::string name_ = "storage";
  std::string stream_;
  bool done_ = false;
  unsigned old_ = 0;
  unsigned new_ = 0;
};

TEST_F(RepairCrash, FromASnapshotAtEverySite) {
  change_row(Database::storage);
  every_site(30);
}

TEST_F(RepairCrash, FromAStreamAtEverySite) {
  open();
  stream_ = aside("state.flatkv.zst");
  {
    const auto view = store_->view();
    ASSERT_OK(view);
    ASSERT_OK(export_to_file(*view, stream_));
  }
  close();
  change_row(Database::storage);
  every_site(30);
}

TEST_F(RepairCrash, OfTwoAtEverySite) {
  name_ = "account storage";
  remove_tree(working(path(), "account"));
  remove_tree(working(path(), "storage"));
  every_site(30);
}

TEST_F(RepairCrash, OfMetadataAtEverySite) {
  name_ = "metadata";
  Bytes hash = peek(working(path(), "metadata"), meta_key("_meta/hash")).value();
  hash[3] ^= 1;
  tamper(working(path(), "metadata"), {{meta_key("_meta/hash"), hash}});
  every_site(30);
}

}  // namespace
}  // namespace flatkv::test

#endif
