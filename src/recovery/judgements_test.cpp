// SPDX-License-Identifier: Apache-2.0
// What recovery and reading conclude from what they have found, case by case.
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "recovery/clean_check.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/recovery_analysis.hpp"
#include "recovery/replay.hpp"

namespace flatkv::recovery {
namespace {

using enum ErrorCode;

std::set<ErrorCode> codes_of(bool (*holds)(const Error&)) {
  std::set<ErrorCode> found;
  for (int code = 0; code <= static_cast<int>(stale); ++code) {
    if (holds(fail(static_cast<ErrorCode>(code), "").error())) {
      found.insert(static_cast<ErrorCode>(code));
    }
  }
  return found;
}

TEST(Judgements, WhatIsDamageAndWhatMayHaveMoved) {
  EXPECT_EQ(codes_of(is_damage),
            (std::set<ErrorCode>{corruption, not_found, invalid_argument, unsupported}));
  EXPECT_EQ(codes_of(may_have_moved),
            (std::set<ErrorCode>{not_found, corruption, log_gap, log_behind, version_mismatch}));
}

TEST(Judgements, WhatKeptMovingIsNotCalledLost) {
  LiveGeneration place;
  place.store = "/s";
  place.generation = "/s/gen-1";
  const Error gone = fail(not_found, "gone").path("/s/gen-1/changelog").version(3).error();
  const Error moved = kept_moving(place, gone);
  EXPECT_EQ(moved.code, locked);
  EXPECT_EQ(moved.path, "/s");
  EXPECT_NE(moved.message.find(gone.to_string()), std::string::npos);
  EXPECT_EQ(kept_moving(place, fail(not_found, "gone").path("/s").error()).code, not_found);
  EXPECT_EQ(kept_moving(place, fail(corruption, "bad").path("/s/gen-1/x").error()).code,
            corruption);
}

std::string text_of(std::vector<VersionRange> ranges) { return range_text(std::move(ranges)); }

TEST(Judgements, RangesThatTouchAreOne) {
  EXPECT_EQ(text_of({}), "none");
  EXPECT_EQ(text_of({{30, 40}, {11, 15}, {16, 20}, {25, 25}, {12, 13}}), "11 to 20, 25, 30 to 40");
  EXPECT_EQ(text_of({{1, 9}, {2, 4}, {5, 12}}), "1 to 12");
  EXPECT_EQ(text_of({{1, 2}, {4, 4}}), "1 to 2, 4");
  EXPECT_EQ(joined({{7, 8}, {1, 3}}).size(), 2U);
}

TEST(Judgements, AGapEndsBelowTheSegmentAboveIt) {
  const auto with = [](std::optional<changelog::Break> damage) {
    changelog::LogWalk walk;
    walk.damage = std::move(damage);
    return Result<std::optional<changelog::LogWalk>>(walk);
  };
  changelog::Break gap;
  gap.reason = "gap";
  gap.segment = "00000000000000000042.log";
  EXPECT_EQ(gap_end(with(gap)), 41);
  gap.reason = "digest";
  EXPECT_EQ(gap_end(with(gap)), std::nullopt);
  EXPECT_EQ(gap_end(with(std::nullopt)), std::nullopt);
  EXPECT_EQ(gap_end(std::optional<changelog::LogWalk>()), std::nullopt);
  EXPECT_EQ(gap_end(std::unexpected(fail(io, "").error())), std::nullopt);
}

TEST(Judgements, AnEndIsSoundUnlessMoreWasDurable) {
  LiveGeneration place;
  place.generation = "/s/gen-1";
  changelog::LogWalk walk;
  walk.tip.version = 7;
  walk.synced = 7;
  EXPECT_TRUE(end_is_sound(place, walk));
  walk.damage.emplace();
  walk.damage->segment = "1.log";
  walk.damage->version = 8;
  walk.damage->offset = 99;
  walk.damage->valid_above = true;
  EXPECT_TRUE(end_is_sound(place, walk));  // a hole in what was never synced
  walk.synced = 8;
  const Status hole = end_is_sound(place, walk);
  ASSERT_FALSE(hole);
  EXPECT_EQ(hole.error().code, corruption);
  EXPECT_EQ(hole.error().path, "/s/gen-1/changelog/1.log");
  EXPECT_EQ(hole.error().version, 8);
  EXPECT_EQ(hole.error().offset, 99U);
  for (const bool damaged : {true, false}) {
    if (damaged) {
      walk.damage->valid_above = false;
    } else {
      walk.damage.reset();
    }
    const Status behind = end_is_sound(place, walk);
    ASSERT_FALSE(behind);
    EXPECT_EQ(behind.error().code, log_behind);
    EXPECT_EQ(behind.error().path, "/s/gen-1/changelog");
    EXPECT_EQ(behind.error().version, 8);
  }
}

/// All databases at `version`, and the metadata too.
CopyAnalysis copy_at(std::int64_t version) {
  CopyAnalysis copy;
  for (const Database which : kDataDatabases) copy.data[which].version = version;
  copy.metadata.emplace();
  copy.metadata->version = version;
  return copy;
}

TEST(Judgements, WhereACopyStands) {
  CopyAnalysis copy = copy_at(5);
  EXPECT_TRUE(copy.level_at(5));
  EXPECT_FALSE(copy.level_at(4));
  copy.data[Database::code].version = 3;
  copy.data[Database::legacy].version = 9;
  EXPECT_EQ(copy.lowest(), 3);
  EXPECT_EQ(copy.highest(), 9);
  EXPECT_FALSE(copy.level_at(5));
}

TEST(Judgements, NothingIsUndoneBelowWhatIsOnDisk) {
  RecoveryAnalysis found;
  found.manifest.initial_version = 10;
  found.copy = copy_at(0);
  EXPECT_EQ(found.undo_floor(), 9);
  found.copy = copy_at(20);
  EXPECT_EQ(found.undo_floor(), 20);
  found.copy.metadata->version = 21;
  EXPECT_EQ(found.undo_floor(), 21);
  found.log.emplace();
  found.log->base.version = 22;
  EXPECT_EQ(found.undo_floor(), 22);
  layout::SnapshotEntry snapshot;
  snapshot.version = 23;
  snapshot.manifest = layout::SnapshotManifest{};
  found.snapshots.push_back(snapshot);
  EXPECT_EQ(found.undo_floor(), 23);
  found.snapshots.back().version = 24;
  found.snapshots.back().manifest = std::unexpected(fail(corruption, "").error());
  EXPECT_EQ(found.undo_floor(), 22);
}

TEST(Judgements, CleanFitsDatabasesThatAreAllWhereItSays) {
  changelog::CleanMark clean;
  clean.version = 12;
  clean.unflushed = 2;
  EXPECT_TRUE(clean_fits_copy(clean, copy_at(10)));
  EXPECT_FALSE(clean_fits_copy(clean, copy_at(12)));
  CopyAnalysis copy = copy_at(10);
  copy.metadata->version = 11;
  EXPECT_FALSE(clean_fits_copy(clean, copy));
  copy.metadata.reset();
  EXPECT_FALSE(clean_fits_copy(clean, copy));
  copy = copy_at(10);
  copy.data[Database::storage].version = 9;
  EXPECT_FALSE(clean_fits_copy(clean, copy));
  copy = copy_at(10);
  copy.unusable = fail(corruption, "").error();
  EXPECT_FALSE(clean_fits_copy(clean, copy));
}

TEST(Judgements, CleanTellsOfACopyWhoseHashesItHas) {
  CopyAnalysis copy = copy_at(12);
  changelog::CleanMark clean;
  clean.version = 12;
  PerDataDatabase<LtHash> hashes;
  clean.roots = layout::roots_of(hashes);
  EXPECT_TRUE(clean_tells_of_copy(clean, copy, 12));
  EXPECT_FALSE(clean_tells_of_copy(std::nullopt, copy, 12));
  EXPECT_FALSE(clean_tells_of_copy(clean, copy, 11));
  clean.roots.code[0] ^= 1;
  EXPECT_FALSE(clean_tells_of_copy(clean, copy, 12));
  copy.data[Database::code].version = 11;  // of an older version, whose hash it does not have
  EXPECT_TRUE(clean_tells_of_copy(clean, copy, 12));
  copy = copy_at(12);
  copy.data[Database::code].problem = fail(corruption, "").error();
  EXPECT_TRUE(clean_tells_of_copy(clean, copy, 12));
}

TEST(Judgements, ACoreThatOnlyReplaysWaitsForNothingAndKeepsNothing) {
  Options options;
  options.snapshot.interval = 5;
  options.recent_versions = 7;
  options.rollback_depth = 9;
  options.threads = 3;
  options.flush.level0_limit = 0;
  options.flush.pending_compaction_limit_bytes = 0;
  const Options replay = replay_options(options);
  EXPECT_EQ(replay.snapshot.interval, 0U);
  EXPECT_EQ(replay.recent_versions, 0U);
  EXPECT_EQ(replay.rollback_depth, 0U);
  EXPECT_EQ(replay.threads, 3U);
  EXPECT_EQ(replay.flush.level0_limit, std::numeric_limits<std::uint32_t>::max());
  EXPECT_EQ(replay.flush.pending_compaction_limit_bytes, std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
}  // namespace flatkv::recovery
