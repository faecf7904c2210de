// SPDX-License-Identifier: Apache-2.0
// `inspect` explains every refusal of `open` and changes nothing: what was found, what was
// expected, and commands that may help. The commands that are ours are run one by one.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "fault/damage.hpp"
#include "fault/fault_fixture.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/rollback.hpp"
#include "support/repair_one.hpp"

namespace flatkv::test {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

/// The store matches the script at some version, and continues.
AssertionResult is_of_the_script(const std::string& store) {
  auto opened = CommitStore::open(store, fault_options());
  if (!opened) return AssertionFailure() << "still refused: " << opened.error().to_string();
  Model model;
  while (model.version() < opened->version()) {
    for (const Changes& changes : script_block(kFaultSeed, model.version() + 1)) {
      model.apply(changes);
    }
    model.commit();
  }
  if (auto same = store_is(*opened, model.committed()); !same) return same;
  return commit_both(*opened, model, script_block(kFaultSeed, model.version() + 1));
}

std::optional<Database> database_of(std::string_view name) {
  for (const Database database : {Database::account, Database::code, Database::storage,
                                  Database::legacy, Database::metadata}) {
    if (name == to_string(database)) return database;
  }
  return std::nullopt;
}

/// Follows a remedy if it is a command that needs nothing from outside.
std::optional<Status> follow(const std::string& remedy, const std::string& store) {
  const std::string repair_it = "flatkv repair " + store + " --db ";
  const std::string roll_back = "flatkv rollback " + store + " ";
  if (remedy.starts_with(repair_it)) {
    const auto database = database_of(remedy.substr(repair_it.size()));
    if (!database) return std::nullopt;  // --from STREAM
    const auto done = repair_one(store, *database);
    if (!done) return Status(std::unexpected(done.error()));
    return Status();
  }
  const std::string copy_manifest = "jq -j .manifest ";
  if (remedy.starts_with(copy_manifest)) {  // jq may not be installed
    const std::size_t to = remedy.find(" > ");
    const Bytes snapshot =
        read_file(remedy.substr(copy_manifest.size(), to - copy_manifest.size()));
    const auto json = nlohmann::json::parse(snapshot.begin(), snapshot.end());
    write_file(remedy.substr(to + 3), as_bytes(json.at("manifest").get<std::string>()));
    return Status();
  }
  if (remedy.starts_with(roll_back)) {
    return rollback(store, std::stoll(remedy.substr(roll_back.size())));
  }
  return std::nullopt;
}

AssertionResult names_the_right_thing(const StoreInfo& info, const Error& refusal,
                                      const std::string& store) {
  if (info.problems.empty()) return AssertionFailure() << "no problem named";
  const Error& problem = info.problems.front();
  if (problem.code != refusal.code || problem.message != refusal.message) {
    return AssertionFailure() << "open says " << refusal.to_string() << ", info says "
                              << problem.to_string();
  }
  if (problem.message.empty() || problem.path.empty()) {
    return AssertionFailure() << "neither what nor where: " << problem.to_string();
  }
  if (info.remedies.empty()) return AssertionFailure() << "no way out named";
  for (const std::string& remedy : info.remedies) {
    if (remedy.starts_with("flatkv ") && remedy.find(store) == std::string::npos) {
      return AssertionFailure() << "a command without the store: " << remedy;
    }
  }
  const auto offers = [&](const std::string& text) {
    return std::ranges::any_of(info.remedies, [&](const std::string& remedy) {
      return remedy.find(text) != std::string::npos;
    });
  };
  if (problem.database &&
      !offers("flatkv repair " + store + " --db " + std::string(to_string(*problem.database)))) {
    return AssertionFailure() << "no repair of " << to_string(*problem.database);
  }
  if (problem.code == ErrorCode::log_behind && !offers("flatkv rollback " + store)) {
    return AssertionFailure() << "no rollback";
  }
  if (problem.code == ErrorCode::format_too_new && !offers("newer flatkv")) {
    return AssertionFailure() << "no newer program";
  }
  return AssertionSuccess();
}

/// Makes the store with the fault in it.
void make(const Fault& fault, const std::string& store) {
  copy_tree(fault.start == Start::closed ? prepared().closed : prepared().killed, store);
  remove_tree(store + "-moved");
  fault.make(store);
}

/// Tries the remedies, each on the fault as it was. True if one of them brought the store back.
bool one_helps(const StoreInfo& info, const std::string& store, const Fault& fault) {
  for (const std::string& remedy : info.remedies) {
    make(fault, store);
    const auto done = follow(remedy, store);
    if (!done) continue;
    if (*done && is_of_the_script(store)) return true;
  }
  return false;
}

TEST(Doctor, EveryRefusalIsExplainedAndNothingChanged) {
  TempDir directory;
  const std::string store = directory.path("store");
  int explained = 0;
  int helped = 0;
  std::string by_hand;
  for (const Fault& fault : fault_table()) {
    if (fault.outcome != Outcome::refused) continue;
    SCOPED_TRACE(fault.id + " " + fault.what);
    make(fault, store);
    const auto opened = CommitStore::open(store, fault_options());
    ASSERT_FALSE(opened);
    const auto before = tree_state(store);
    const auto info = inspect_store(store);
    ASSERT_OK(info);
    EXPECT_EQ(tree_difference(before, tree_state(store)), "");
    EXPECT_TRUE(names_the_right_thing(*info, opened.error(), store));
    ++explained;
    if (one_helps(*info, store, fault)) {
      ++helped;
    } else {
      by_hand += "  " + fault.id + " " + fault.what + ": " + info->remedies.front() + "\n";
    }
  }
  std::cout << explained << " refusals explained; " << helped
            << " ended by a command that was named, the others need something else:\n"
            << by_hand;
  EXPECT_GE(explained, 25);
  EXPECT_GE(helped, 20);
}

/// A store without a log is refused, and every remedy leads where it says.
TEST(Doctor, W7_AStoreWithoutALogGoesBackToItsSnapshots) {
  TempDir directory;
  const std::string store = directory.path("store");
  for (const std::int64_t version : {std::int64_t{0}, kMiddle}) {
    copy_tree(prepared().killed, store);
    damage::empty_changelog(store);
    const auto info = inspect_store(store);
    ASSERT_OK(info);
    ASSERT_EQ(info->problems.at(0).code, ErrorCode::log_behind);
    const std::string way = "rollback STORE " + std::to_string(version) + "`";
    EXPECT_NE(info->problems[0].message.find(way), std::string::npos) << info->problems[0].message;
    const std::string remedy = "flatkv rollback " + store + " " + std::to_string(version);
    ASSERT_NE(std::ranges::find(info->remedies, remedy), info->remedies.end());
    ASSERT_OK(*follow(remedy, store));
    auto opened = CommitStore::open(store, fault_options());
    ASSERT_OK(opened);
    ASSERT_EQ(opened->version(), version);
    EXPECT_TRUE(store_is(*opened, prepared().states.at(static_cast<std::size_t>(version))));
    ASSERT_OK(opened->close());
    opened = fail(ErrorCode::io, "closed");
    EXPECT_TRUE(is_of_the_script(store));
  }
}

/// Cases that the fault table lacks: a file in a store's place, a newer CURRENT, an interrupted
/// import.
TEST(Doctor, WhatIsNoStoreAnyMore) {
  TempDir directory;
  const std::string store = directory.path("store");
  copy_tree(prepared().closed, store);
  const std::string name = stdfs::path(live_generation(store)).filename();
  stdfs::rename(store + "/" + name, store + "/" + name + "-import-tmp");
  stdfs::remove(store + "/CURRENT");
  auto info = inspect_store(store);
  ASSERT_OK(info);
  EXPECT_EQ(info->problems.at(0).code, ErrorCode::import_incomplete);
  EXPECT_EQ(info->remedies.at(0), "flatkv import FILE " + store);

  copy_tree(prepared().closed, store);
  remove_tree(live_generation(store));
  info = inspect_store(store);
  ASSERT_OK(info);
  EXPECT_EQ(info->problems.at(0).code, ErrorCode::corruption);
  EXPECT_EQ(info->remedies.at(0), "flatkv import FILE " + store + " --force");
}

}  // namespace
}  // namespace flatkv::test
