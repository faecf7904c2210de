// SPDX-License-Identifier: Apache-2.0
#include "layout/snapshots.hpp"

#include "base/failpoint.hpp"
#include "changelog/log_maintenance.hpp"
#include "layout/cleanup.hpp"
#include "layout/test_support.hpp"

namespace flatkv::layout {
namespace {

std::string file_in(const std::string& generation, std::int64_t version, const std::string& name) {
  return snapshot_path(generation, version) + "/" + name;
}

std::vector<std::int64_t> valid_versions(const std::string& generation) {
  std::vector<std::int64_t> versions;
  const auto list = list_snapshots(fs::posix(), generation, true);
  if (!list) return {-1};
  for (const SnapshotEntry& entry : *list) {
    if (entry.manifest) versions.push_back(entry.version);
  }
  return versions;
}

Result<std::optional<std::int64_t>> prune(fs::FileSystem& files, const std::string& generation,
                                          std::uint32_t keep_older) {
  FLATKV_ASSIGN(auto all, list_snapshots(files, generation, true));
  return prune_snapshots(files, generation, std::move(all), keep_older);
}

TEST(Snapshots, PublishedOnesAreFoundInOrder) {
  const fs::TestDirectory generation;
  for (const std::int64_t version : {9, 100, 10}) make_snapshot(generation.path(), version);
  make_directories(generation / "snapshot-00000000000000000200-tmp");
  make_directories(generation / "snapshot-7");
  EXPECT_EQ(valid_versions(generation.path()), (std::vector<std::int64_t>{9, 10, 100}));
  const auto found = find_snapshot(fs::posix(), generation.path(), 10, true);
  ASSERT_TRUE(succeeds(found));
  EXPECT_EQ(found->files.size(), 15U);
  EXPECT_EQ(found->state.hashes, sample_snapshot(10).state.hashes);
  EXPECT_TRUE(
      fails_with(find_snapshot(fs::posix(), generation.path(), 11, true), ErrorCode::not_found));
}

TEST(Snapshots, S3_OneIsNotValidBecauseItExists) {
  const fs::TestDirectory generation;
  fill_databases(snapshot_path(generation.path(), 8));
  const auto list = list_snapshots(fs::posix(), generation.path(), false);
  ASSERT_TRUE(succeeds(list));
  ASSERT_EQ(list->size(), 1U);
  EXPECT_TRUE(fails_with(list->front().manifest, ErrorCode::corruption, "missing"));
}

TEST(Snapshots, ManifestOfAnotherVersionIsRefused) {
  const fs::TestDirectory generation;
  make_snapshot(generation.path(), 8);
  std::filesystem::rename(snapshot_path(generation.path(), 8), snapshot_path(generation.path(), 9));
  EXPECT_TRUE(fails_with(find_snapshot(fs::posix(), generation.path(), 9, false),
                         ErrorCode::corruption, "another version"));
}

TEST(Snapshots, S7_ALinkInPlaceOfADirectoryIsRefused) {
  const fs::TestDirectory generation;
  make_snapshot(generation.path(), 8);
  const std::string moved = generation / "moved";
  std::filesystem::rename(snapshot_path(generation.path(), 8), moved);
  std::filesystem::create_directory_symlink("moved", snapshot_path(generation.path(), 8));
  EXPECT_TRUE(
      fails_with(list_snapshots(fs::posix(), generation.path(), false), ErrorCode::corruption));
  std::filesystem::remove(snapshot_path(generation.path(), 8));
  std::filesystem::rename(moved, snapshot_path(generation.path(), 8));

  const std::string inside = file_in(generation.path(), 8, "code");
  std::filesystem::rename(inside, moved);
  std::filesystem::create_directory_symlink("../moved", inside);
  EXPECT_TRUE(fails_with(find_snapshot(fs::posix(), generation.path(), 8, true),
                         ErrorCode::corruption, "code"));
}

TEST(Snapshots, S9_AnyFileMissingCutExtendedOrFlippedIsFound) {
  const fs::TestDirectory generation;
  make_snapshot(generation.path(), 8);
  const auto good = find_snapshot(fs::posix(), generation.path(), 8, true);
  ASSERT_TRUE(succeeds(good));
  const auto expect_bad = [&](const std::string& what, const std::string& path) {
    EXPECT_TRUE(fails_with(find_snapshot(fs::posix(), generation.path(), 8, true),
                           ErrorCode::corruption, path))
        << what;
    EXPECT_TRUE(valid_versions(generation.path()).empty());
  };
  for (const SnapshotFile& file : good->files) {
    const std::string path = file_in(generation.path(), 8, file.path);
    const Bytes content = slurp(path);
    std::filesystem::remove(path);
    expect_bad("missing", path);
    std::filesystem::create_symlink("/dev/null", path);
    expect_bad("a link", path);
    std::filesystem::remove(path);
    spill(path, ByteView(content).first(content.size() - 1));
    expect_bad("cut", path);
    Bytes changed = content;
    changed.push_back(0);
    spill(path, changed);
    expect_bad("extended", path);
    if (file.crc32c) {
      for (std::size_t at = 0; at < content.size(); at += 7) {
        changed = content;
        changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1U << (at % 8)));
        spill(path, changed);
        expect_bad("flipped", path);
      }
    }
    spill(path, content);
  }
  EXPECT_TRUE(succeeds(find_snapshot(fs::posix(), generation.path(), 8, true)));
}

TEST(Snapshots, FilesThatDoNotBelongThereAreNotTakenIn) {
  const fs::TestDirectory directory;
  const auto refused = [&](const std::string& part) {
    return fails_with(list_snapshot_files(fs::posix(), directory.path()), ErrorCode::corruption,
                      part);
  };
  EXPECT_TRUE(refused("account"));
  fill_databases(directory.path());
  EXPECT_TRUE(succeeds(list_snapshot_files(fs::posix(), directory.path())));
  make_directories(directory / "code/sub");
  EXPECT_TRUE(refused("code/sub"));
  std::filesystem::remove(directory / "code/sub");
  std::filesystem::create_symlink("CURRENT", directory / "code/000099.sst");
  EXPECT_TRUE(refused("code/000099.sst"));
  std::filesystem::remove(directory / "code/000099.sst");
  spill(directory / "legacy/a name", "x");
  EXPECT_TRUE(refused("legacy/a name"));
}

// docs/hazards.md#rename-without-directory-sync
TEST(Snapshots, PublishingSyncsEveryRename) {
  const fs::TestDirectory generation;
  fill_databases(unfinished_snapshot_path(generation.path(), 8));
  WatchedFiles files;
  ASSERT_TRUE(succeeds(publish_snapshot(files, generation.path(), sample_snapshot(8))));
  EXPECT_TRUE(files.renames_are_synced());
}

TEST(Snapshots, AValidOneIsNeverReplaced) {
  const fs::TestDirectory generation;
  make_snapshot(generation.path(), 8);
  fill_databases(unfinished_snapshot_path(generation.path(), 8));
  EXPECT_TRUE(fails_with(publish_snapshot(fs::posix(), generation.path(), sample_snapshot(8)),
                         ErrorCode::invalid_argument));
  EXPECT_EQ(valid_versions(generation.path()), std::vector<std::int64_t>{8});
}

// docs/hazards.md#snapshot-rewritten-in-place
TEST(Snapshots, ReplacingABadOneNeverLosesAnotherAndEndsValid) {
  std::size_t failed = 0;
  for (std::size_t at = 1;; ++at) {
    const fs::TestDirectory generation;
    make_snapshot(generation.path(), 7);
    make_snapshot(generation.path(), 8);
    spill(file_in(generation.path(), 8, "SNAPSHOT"), "bad");
    fill_databases(unfinished_snapshot_path(generation.path(), 8));
    WatchedFiles files;
    bool injected = false;
    files.before = [&](std::size_t index, const WatchedFiles::Operation&) -> Status {
      if (index < at) return {};
      injected = true;
      return fail(ErrorCode::io, "injected");
    };
    const Status published = publish_snapshot(files, generation.path(), sample_snapshot(8));
    if (!injected) {
      EXPECT_TRUE(succeeds(published));
      EXPECT_EQ(valid_versions(generation.path()), (std::vector<std::int64_t>{7, 8}));
      break;
    }
    ++failed;
    const auto versions = valid_versions(generation.path());
    EXPECT_TRUE(versions == std::vector<std::int64_t>({7}) ||
                versions == std::vector<std::int64_t>({7, 8}))
        << at;
    EXPECT_TRUE(remove_unfinished(fs::posix(), generation.path()).empty());
    if (versions.size() == 2) continue;
    fill_databases(unfinished_snapshot_path(generation.path(), 8));
    EXPECT_TRUE(succeeds(publish_snapshot(fs::posix(), generation.path(), sample_snapshot(8))));
  }
  EXPECT_GE(failed, 6U);
}

TEST(Snapshots, CloneLinksTablesAndCopiesTheRest) {
  const fs::TestDirectory generation;
  make_snapshot(generation.path(), 8);
  const std::string from = snapshot_path(generation.path(), 8);
  make_directories(generation / "next");
  const std::string to = snapshot_path(generation / "next", 8);
  ASSERT_TRUE(succeeds(clone_snapshot(fs::posix(), from, to, sample_manifest())));
  EXPECT_TRUE(succeeds(find_snapshot(fs::posix(), generation / "next", 8, true)));
  EXPECT_EQ(slurp(from + "/SNAPSHOT"), slurp(to + "/SNAPSHOT"));
  EXPECT_EQ(std::filesystem::hard_link_count(to + "/storage/000012.sst"), 2U);
  EXPECT_EQ(std::filesystem::hard_link_count(to + "/storage/CURRENT"), 1U);
}

TEST(Snapshots, S13_CloneCopiesWhereLinksAreNotPossible) {
  const fs::TestDirectory generation;
  make_snapshot(generation.path(), 8);
  const std::string to = snapshot_path(generation / "next", 8);
  make_directories(generation / "next");
  WatchedFiles files;
  files.no_links = true;
  ASSERT_TRUE(
      succeeds(clone_snapshot(files, snapshot_path(generation.path(), 8), to, sample_manifest())));
  EXPECT_TRUE(succeeds(find_snapshot(fs::posix(), generation / "next", 8, true)));
  EXPECT_EQ(std::filesystem::hard_link_count(to + "/storage/000012.sst"), 1U);
}

TEST(Snapshots, CloneRefusesADamagedOrForeignOne) {
  const fs::TestDirectory generation;
  make_snapshot(generation.path(), 8);
  const std::string from = snapshot_path(generation.path(), 8);
  Manifest other = sample_manifest();
  other.store[0] ^= 1;
  EXPECT_TRUE(fails_with(clone_snapshot(fs::posix(), from, generation / "a", other),
                         ErrorCode::foreign_store));
  spill(from + "/legacy/CURRENT", "MANIFEST-000005\n");
  EXPECT_TRUE(fails_with(clone_snapshot(fs::posix(), from, generation / "b", sample_manifest()),
                         ErrorCode::corruption, "legacy/CURRENT"));
  EXPECT_FALSE(std::filesystem::exists(generation / "b/SNAPSHOT")) << "it is written last";
}

TEST(Snapshots, PruningCountsOnlyValidOnes) {
  const fs::TestDirectory generation;
  for (const std::int64_t version : {8, 9, 10, 11}) make_snapshot(generation.path(), version);
  spill(file_in(generation.path(), 10, "code/CURRENT"), "flipped");
  const auto oldest = prune(fs::posix(), generation.path(), 1);
  ASSERT_TRUE(succeeds(oldest));
  EXPECT_EQ(*oldest, 9);
  EXPECT_EQ(valid_versions(generation.path()), (std::vector<std::int64_t>{9, 11}));
  EXPECT_TRUE(std::filesystem::exists(snapshot_path(generation.path(), 10)));
  EXPECT_EQ(*prune(fs::posix(), generation.path(), 5), 9);
  EXPECT_EQ(*prune(fs::posix(), generation.path(), 0), 11);
  const fs::TestDirectory empty;
  EXPECT_EQ(*prune(fs::posix(), empty.path(), 0), std::nullopt);
}

TEST(Snapshots, S15_AnErrorWhilePruningLeavesNoHalfSnapshotUnderItsName) {
  std::size_t failed = 0;
  for (std::size_t at = 1;; ++at) {
    const fs::TestDirectory generation;
    for (const std::int64_t version : {8, 9, 10}) make_snapshot(generation.path(), version);
    WatchedFiles files;
    bool injected = false;
    files.before = [&](std::size_t index, const WatchedFiles::Operation&) -> Status {
      if (index < at) return {};
      injected = true;
      return fail(ErrorCode::io, "injected");
    };
    const auto pruned = prune(files, generation.path(), 0);
    if (!injected) break;
    ++failed;
    EXPECT_FALSE(pruned);
    const auto list = list_snapshots(fs::posix(), generation.path(), true);
    ASSERT_TRUE(succeeds(list));
    for (const SnapshotEntry& entry : *list) EXPECT_TRUE(succeeds(entry.manifest)) << at;
    EXPECT_TRUE(remove_unfinished(fs::posix(), generation.path()).empty());
  }
  EXPECT_GE(failed, 20U);
}

TEST(Snapshots, PruningWhereADirectoryCannotBeRenamed) {
  std::size_t failed = 0;
  for (std::size_t at = 1;; ++at) {
    const fs::TestDirectory generation;
    for (const std::int64_t version : {8, 9, 10}) make_snapshot(generation.path(), version);
    WatchedFiles files;
    files.no_directory_renames = true;
    bool injected = false;
    files.before = [&](std::size_t index, const WatchedFiles::Operation&) -> Status {
      if (index < at) return {};
      injected = true;
      return fail(ErrorCode::io, "injected");
    };
    const auto pruned = prune(files, generation.path(), 0);
    if (!injected) {
      EXPECT_EQ(*pruned, 10);
      EXPECT_EQ(valid_versions(generation.path()), std::vector<std::int64_t>{10});
      break;
    }
    ++failed;
    EXPECT_FALSE(pruned);
    // Between its last two steps a removal leaves an empty directory.
    const auto list = list_snapshots(fs::posix(), generation.path(), true);
    ASSERT_TRUE(succeeds(list));
    for (const SnapshotEntry& entry : *list) {
      EXPECT_TRUE(entry.manifest || std::filesystem::is_empty(entry.path)) << at;
    }
    // A removed snapshot can be made again.
    if (!find_snapshot(fs::posix(), generation.path(), 8, true)) {
      fill_databases(unfinished_snapshot_path(generation.path(), 8));
      EXPECT_TRUE(succeeds(publish_snapshot(fs::posix(), generation.path(), sample_snapshot(8))))
          << at;
    }
    EXPECT_TRUE(remove_unfinished(fs::posix(), generation.path()).empty());
    EXPECT_EQ(*prune(fs::posix(), generation.path(), 0), 10);
    EXPECT_EQ(valid_versions(generation.path()), std::vector<std::int64_t>{10});
  }
  EXPECT_GE(failed, 20U);
}

#ifdef FLATKV_FAILPOINTS
TEST(Snapshots, S1_ACrashAtAnyStepLeavesTheOlderOne) {
  for (const auto& [site, published] :
       std::vector<std::pair<std::string, bool>>{{"layout.snapshot.before_manifest", false},
                                                 {"layout.snapshot.before_sync", false},
                                                 {"layout.snapshot.before_rename", false},
                                                 {"layout.snapshot.after_rename", true}}) {
    SCOPED_TRACE(site);
    const fs::TestDirectory generation;
    make_snapshot(generation.path(), 7);
    fill_databases(unfinished_snapshot_path(generation.path(), 8));
    const int status = fs::in_child([&] {
      failpoint::arm(site, []() -> Status { ::_exit(77); });
      return publish_snapshot(fs::posix(), generation.path(), sample_snapshot(8)).has_value();
    });
    ASSERT_EQ(status, 77);
    auto expected = std::vector<std::int64_t>{7};
    if (published) expected.push_back(8);
    EXPECT_EQ(valid_versions(generation.path()), expected);
    EXPECT_TRUE(remove_unfinished(fs::posix(), generation.path()).empty());
    EXPECT_FALSE(std::filesystem::exists(unfinished_snapshot_path(generation.path(), 8)));
  }
}
#endif

}  // namespace
}  // namespace flatkv::layout
