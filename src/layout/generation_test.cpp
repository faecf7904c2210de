// SPDX-License-Identifier: Apache-2.0
#include "layout/generation.hpp"

#include <sys/stat.h>

#include "layout/test_support.hpp"

namespace flatkv::layout {
namespace {

TEST(Names, OnlyOurOwnSpellingIsTaken) {
  EXPECT_EQ(generation_name(1), "gen-00000001");
  EXPECT_EQ(parse_generation_name("gen-00000001"), 1U);
  EXPECT_EQ(parse_generation_name("gen-123456789"), 123456789U);
  EXPECT_EQ(generation_name(123456789), "gen-123456789");
  for (const char* name : {"gen-", "gen-1", "gen-00000000", "gen-012345678", "gen-0000000a",
                           "Gen-00000001", "gen-00000001 ", "gen-99999999999999999999"}) {
    EXPECT_FALSE(parse_generation_name(name)) << name;
  }

  EXPECT_EQ(unfinished_name("gen-00000003", Purpose::rollback), "gen-00000003-rollback-tmp");
  const auto unfinished = parse_unfinished_name("gen-00000003-rollback-tmp");
  ASSERT_TRUE(unfinished);
  EXPECT_EQ(unfinished->number, 3U);
  EXPECT_EQ(unfinished->purpose, Purpose::rollback);
  for (const char* name : {"gen-00000003-tmp", "gen-00000003--tmp", "gen-00000003-rollback",
                           "gen-3-init-tmp", "gen-00000003-cleanup-tmp"}) {
    EXPECT_FALSE(parse_unfinished_name(name)) << name;
  }

  EXPECT_EQ(snapshot_name(12), "snapshot-00000000000000000012");
  EXPECT_EQ(parse_snapshot_name("snapshot-00000000000000000012"), 12);
  EXPECT_EQ(parse_snapshot_name("snapshot-09223372036854775807"), INT64_MAX);
  for (const char* name : {"snapshot-12", "snapshot-09223372036854775808",
                           "snapshot-00000000000000000012-tmp", "snapshot-99999999999999999999"}) {
    EXPECT_FALSE(parse_snapshot_name(name)) << name;
  }
  EXPECT_TRUE(is_clone_name("readonly-12-a9f"));
  EXPECT_TRUE(is_clone_name("readonly-12-a9f-tmp"));
  EXPECT_FALSE(is_clone_name("readonly-12"));
  EXPECT_FALSE(is_clone_name("readonly-x-a"));
  EXPECT_FALSE(is_clone_name("readonly-12-"));
  EXPECT_EQ(flush_table_path("g", Database::storage, 5),
            "g/flush/storage-00000000000000000005.sst");
}

struct Case {
  const char* what;
  std::vector<std::string> directories;
  std::string current;  // "": none; a name: valid; "bad": damaged
  std::string chosen;   // or the part of the message
  std::optional<ErrorCode> error = std::nullopt;
  bool current_missing = false;
};

const std::string kOne = "gen-00000001";
const std::string kTwo = "gen-00000002";
const std::string kInit = "gen-00000001-init-tmp";
const std::string kImport = "gen-00000002-import-tmp";
const std::string kParts = "import-parts";
const std::string kRollback = "gen-00000003-rollback-tmp";

std::vector<Case> cases() {
  using enum ErrorCode;
  return {
      {"the rule", {kOne}, kOne, kOne},
      {"an older one may be live", {kOne, kTwo}, kOne, kOne},
      {"a newer one may be live", {kOne, kTwo}, kTwo, kTwo},
      {"unfinished ones are not looked at", {kOne, kImport, kRollback}, kOne, kOne},
      {"CURRENT missing, one complete", {kOne}, "", kOne, std::nullopt, true},
      {"CURRENT torn, one complete", {kTwo, kImport}, "bad", kTwo, std::nullopt, true},
      {"CURRENT names nothing, one complete", {kTwo}, kOne, kTwo, std::nullopt, true},
      {"CURRENT missing, several", {kOne, kTwo}, "", kOne + ", " + kTwo, corruption},
      {"CURRENT torn, several", {kOne, kTwo}, "bad", kOne + ", " + kTwo, corruption},
      {"CURRENT names nothing, several", {kOne, kTwo}, "gen-00000009", "gen-00000009", corruption},
      {"an unfinished import alone", {kImport}, "", "flatkv import FILE", import_incomplete},
      {"with an unfinished init", {kInit, kImport}, "", "flatkv import FILE", import_incomplete},
      {"an unfinished import and a bad CURRENT", {kImport}, "bad", "", import_incomplete},
      {"parts of an import alone", {kParts}, "", "--from LOCATION", import_incomplete},
      {"with their generation", {kImport, kParts}, "", "--from LOCATION", import_incomplete},
      {"parts of an import beside a store", {kOne, kParts}, kOne, kOne},
      {"parts of an import and a lost generation", {kParts}, kOne, kOne, corruption},
      {"nothing", {}, "", "no store", not_found},
      {"an unfinished init", {kInit}, "", "no store", not_found},
      {"a clone is no store", {"readonly-1-a"}, "", "no store", not_found},
      {"what is not ours is no store", {"photos"}, "", "no store", not_found},
      {"a lost generation is not an empty store", {}, kOne, kOne, corruption},
      {"a lost generation with a damaged CURRENT", {}, "bad", "damaged CURRENT", corruption},
      {"a lost generation beside an unfinished init", {kInit}, kOne, kOne, corruption},
      {"what was being rebuilt was a store", {kRollback}, "", kRollback, corruption},
  };
}

TEST(ForeignEntry, WhatNoStoreHas) {
  const fs::TestDirectory store;
  EXPECT_EQ(foreign_entry(fs::posix(), store / "nothing").value(), std::nullopt);
  for (const std::string& name : {kOne, kImport, std::string("readonly-1-a"), std::string("LOCK"),
                                  std::string("lost+found"), kParts}) {
    make_directories(store / name);
    EXPECT_EQ(foreign_entry(fs::posix(), store.path()).value(), std::nullopt) << name;
  }
  make_directories(store / "photos");
  EXPECT_EQ(foreign_entry(fs::posix(), store.path()).value(), "photos");
}

TEST(ChooseGeneration, EveryRule) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.what);
    const fs::TestDirectory store;
    for (const std::string& name : one.directories) make_directories(store / name);
    if (!one.current.empty()) {
      Bytes current = encode_current(one.current == "bad" ? kOne : one.current);
      if (one.current == "bad") current.resize(current.size() / 2);
      spill(store / "CURRENT", current);
    }
    const auto survey = survey_store(fs::posix(), store.path());
    ASSERT_TRUE(succeeds(survey));
    EXPECT_TRUE(survey->exists);
    const auto choice = choose_generation(store.path(), *survey);
    if (one.error) {
      EXPECT_TRUE(fails_with(choice, *one.error, one.chosen));
    } else {
      ASSERT_TRUE(succeeds(choice));
      EXPECT_EQ(choice->name, one.chosen);
      EXPECT_EQ(choice->current_missing, one.current_missing);
    }
  }
}

TEST(ChooseGeneration, NoDirectoryIsNoStore) {
  const fs::TestDirectory directory;
  const auto survey = survey_store(fs::posix(), directory / "nothing");
  ASSERT_TRUE(succeeds(survey));
  EXPECT_FALSE(survey->exists);
  EXPECT_TRUE(fails_with(choose_generation(directory / "nothing", *survey), ErrorCode::not_found));
  EXPECT_FALSE(std::filesystem::exists(directory / "nothing"));
}

TEST(ChooseGeneration, EveryDamagedCurrentIsSeen) {
  const fs::TestDirectory store;
  make_directories(store / kOne);
  make_directories(store / kTwo);
  const Bytes good = encode_current(kTwo);
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1U << (at % 8)));
    spill(store / "CURRENT", bad);
    const auto survey = survey_store(fs::posix(), store.path());
    ASSERT_TRUE(succeeds(survey));
    ASSERT_TRUE(survey->current_problem) << at;
    ASSERT_TRUE(fails_with(choose_generation(store.path(), *survey), ErrorCode::corruption));
  }
}

TEST(Survey, NewerCurrentIsNotTakenForADamagedOne) {
  const fs::TestDirectory store;
  make_directories(store / kOne);
  std::string text{as_chars(encode_current(kOne))};
  text.resize(text.rfind("  \"digest\""));
  text.replace(text.find("\"format\": 1"), 11, "\"format\": 2");
  spill(store / "CURRENT", seal_text(text));
  EXPECT_TRUE(fails_with(survey_store(fs::posix(), store.path()), ErrorCode::format_too_new));
}

TEST(Survey, OversizedCurrentIsRefusedUnread) {
  const fs::TestDirectory store;
  make_directories(store / kOne);
  spill(store / "CURRENT", std::string(kMaxCurrentBytes + 1, ' '));
  const auto survey = survey_store(fs::posix(), store.path());
  ASSERT_TRUE(succeeds(survey));
  EXPECT_TRUE(survey->current_problem);
}

TEST(Survey, GenerationsAreInOrderOfTheirNumbers) {
  const fs::TestDirectory store;
  for (const char* name : {"gen-100000000", "gen-99999999", "gen-00000005"}) {
    make_directories(store / name);
  }
  make_directories(store / "gen-100000007-repair-tmp");
  const auto survey = survey_store(fs::posix(), store.path());
  ASSERT_TRUE(succeeds(survey));
  EXPECT_EQ(survey->generations,
            (std::vector<std::string>{"gen-00000005", "gen-99999999", "gen-100000000"}));
  EXPECT_EQ(next_generation(*survey), "gen-100000008");
  EXPECT_EQ(next_generation(StoreSurvey{}), "gen-00000001");
  StoreSurvey lost;
  lost.current = "gen-00000041";
  EXPECT_EQ(next_generation(lost), "gen-00000042");
}

TEST(Survey, S7_SomethingElseInPlaceOfADirectoryIsRefused) {
  for (const std::string& name : {kOne, kImport, std::string("readonly-1-a")}) {
    SCOPED_TRACE(name);
    const fs::TestDirectory store;
    make_directories(store / "real");
    std::filesystem::create_symlink("real", store / name);
    EXPECT_TRUE(fails_with(survey_store(fs::posix(), store.path()), ErrorCode::corruption, name));
    std::filesystem::remove(store / name);
    spill(store / name, "a file");
    EXPECT_TRUE(fails_with(survey_store(fs::posix(), store.path()), ErrorCode::corruption, name));
    std::filesystem::remove(store / name);
    ASSERT_EQ(::mkfifo((store / name).c_str(), 0600), 0);
    EXPECT_TRUE(fails_with(survey_store(fs::posix(), store.path()), ErrorCode::corruption, name));
  }
}

TEST(Survey, S7_InsideAGenerationToo) {
  const fs::TestDirectory store;
  const std::string generation = store / kOne;
  make_directories(generation + "/changelog");
  make_directories(generation + "/working/account");
  EXPECT_TRUE(succeeds(check_directories(fs::posix(), generation))) << "missing is another matter";
  std::filesystem::create_symlink("account", generation + "/working/code");
  EXPECT_TRUE(fails_with(check_directories(fs::posix(), generation), ErrorCode::corruption,
                         "working/code"));
  std::filesystem::remove(generation + "/working/code");
  spill(generation + "/flush", "a file");
  EXPECT_TRUE(
      fails_with(check_directories(fs::posix(), generation), ErrorCode::corruption, "flush"));
}

TEST(Survey, AFileIsNoStore) {
  const fs::TestDirectory directory;
  spill(directory / "store", "a file");
  EXPECT_TRUE(fails_with(survey_store(fs::posix(), directory / "store"), ErrorCode::not_found));
}

TEST(Survey, ALinkThatTheUserGivesIsResolvedOnce) {
  const fs::TestDirectory directory;
  make_directories(directory / "real" + "/" + kOne);
  std::filesystem::create_symlink("real", directory / "link");
  const auto resolved = resolve_store_path(fs::posix(), directory / "link");
  ASSERT_TRUE(succeeds(resolved));
  EXPECT_TRUE(std::filesystem::equivalent(*resolved, directory / "real"));
  const auto survey = survey_store(fs::posix(), *resolved);
  ASSERT_TRUE(succeeds(survey));
  EXPECT_EQ(survey->generations.size(), 1U);
  EXPECT_EQ(*resolve_store_path(fs::posix(), directory / "real"), directory / "real");
  EXPECT_EQ(*resolve_store_path(fs::posix(), directory / "none"), directory / "none");
  std::filesystem::create_symlink("nowhere", directory / "dangling");
  EXPECT_TRUE(
      fails_with(resolve_store_path(fs::posix(), directory / "dangling"), ErrorCode::not_found));
}

TEST(Survey, ChangesNothing) {
  const fs::TestDirectory store;
  for (const std::string& name : {kOne, kImport, kInit, std::string("readonly-1-a-tmp")}) {
    make_directories(store / name);
  }
  spill(store / "CURRENT", "bad");
  WatchedFiles files;
  ASSERT_TRUE(succeeds(survey_store(files, store.path())));
  EXPECT_TRUE(files.operations.empty());
}

}  // namespace
}  // namespace flatkv::layout
