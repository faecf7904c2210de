// SPDX-License-Identifier: Apache-2.0
// SimDisk through our own file layer: what a crash may lose and what it must keep.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "fs/files.hpp"
#include "simdisk/simdisk.hpp"

namespace flatkv::simdisk {
namespace {

constexpr std::uint64_t kSeeds = 200;

Status append_text(fs::AppendFile& file, std::string_view text) {
  const ByteView part = as_bytes(text);
  return file.append({&part, 1});
}

std::string text_of(const std::map<std::string, Bytes>& tree, const std::string& path) {
  const auto found = tree.find(path);
  return found == tree.end() ? "(absent)" : std::string(as_chars(found->second));
}

std::string text_of(SimDisk& disk, const std::string& path) { return text_of(disk.tree(), path); }

template <class T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode::invalid_argument : result.error().code;
}

/// A file with durable content and a durable name.
void put_durable(SimDisk& disk, const std::string& path, std::string_view text) {
  ASSERT_TRUE(fs::write_file(disk.files(), path, as_bytes(text)).has_value());
  ASSERT_TRUE(disk.files().sync_directory(fs::parent(path)).has_value());
}

TEST(SimDisk, DropsContentAndNamesThatWereNotSynced) {
  SimDisk disk;
  put_durable(disk, "/kept", "12345");
  put_durable(disk, "/removed", "r");
  ASSERT_TRUE(append_text(**disk.files().open_append("/kept"), "678").has_value());
  const auto unnamed = disk.files().create("/unnamed");
  ASSERT_TRUE(append_text(**unnamed, "x").has_value());
  ASSERT_TRUE((*unnamed)->sync().has_value());  // syncs its content, not its name
  ASSERT_TRUE(disk.files().unlink("/removed").has_value());
  EXPECT_EQ(text_of(disk, "/kept"), "12345678");
  EXPECT_EQ(text_of(disk.durable_tree(), "/kept"), "12345");
  EXPECT_EQ(text_of(disk, "/removed"), "(absent)");

  disk.crash(CrashMode::drop_unsynced);
  EXPECT_EQ(text_of(disk, "/kept"), "12345");
  EXPECT_EQ(text_of(disk, "/unnamed"), "(absent)");
  EXPECT_EQ(text_of(disk, "/removed"), "r");
  EXPECT_EQ(disk.tree(), disk.durable_tree());
}

TEST(SimDisk, OtherModesLoseNothing) {
  for (const CrashMode mode : {CrashMode::process, CrashMode::keep_all}) {
    SimDisk disk;
    ASSERT_TRUE(disk.files().make_directory("/d").has_value());
    ASSERT_TRUE(append_text(**disk.files().create("/d/file"), "x").has_value());
    disk.crash(mode);
    EXPECT_EQ(text_of(disk, "/d/file"), "x");
    // After the death of a process the power may still go.
    disk.crash(CrashMode::drop_unsynced);
    EXPECT_EQ(text_of(disk, "/d/file"), mode == CrashMode::keep_all ? "x" : "(absent)");
  }
}

TEST(SimDisk, ADirectoryThatIsLostTakesAllWithIt) {
  SimDisk disk;
  ASSERT_TRUE(disk.files().make_directory("/d").has_value());
  put_durable(disk, "/d/file", "x");
  auto with_parent = disk.clone();
  ASSERT_TRUE(with_parent->files().sync_directory("/").has_value());
  disk.crash(CrashMode::drop_unsynced);
  with_parent->crash(CrashMode::drop_unsynced);
  EXPECT_EQ(code_of(disk.files().stat("/d")), ErrorCode::not_found);
  EXPECT_EQ(text_of(*with_parent, "/d/file"), "x");
}

TEST(SimDisk, WhatWasOpenIsDeadAfterACrash) {
  SimDisk disk;
  put_durable(disk, "/file", "x");
  fs::FileSystem& before = disk.files();
  const auto file = before.open_append("/file");
  const auto read = before.open_read("/file");
  auto lock = before.lock_directory("/");
  ASSERT_TRUE(lock.has_value());
  EXPECT_EQ(code_of(before.lock_directory("/")), ErrorCode::locked);
  disk.crash(CrashMode::process);
  Bytes buffer(1);
  EXPECT_EQ(code_of(append_text(**file, "y")), ErrorCode::io);
  EXPECT_EQ(code_of((*file)->sync()), ErrorCode::io);
  EXPECT_EQ(code_of((*read)->read_at(0, buffer)), ErrorCode::io);
  EXPECT_EQ(code_of(before.stat("/file")), ErrorCode::io);
  EXPECT_EQ(code_of(before.unlink("/file")), ErrorCode::io);
  const auto again = disk.files().lock_directory("/");
  ASSERT_TRUE(again.has_value());
  lock->reset();  // the old holder's late release frees nothing
  EXPECT_EQ(code_of(disk.files().lock_directory("/")), ErrorCode::locked);
  EXPECT_EQ(text_of(disk, "/file"), "x");
}

TEST(SimDisk, LocksSeeThatTheirDirectoryMoved) {
  SimDisk disk;
  ASSERT_TRUE(disk.files().make_directory("/store").has_value());
  const auto lock = disk.files().lock_directory("/store");
  EXPECT_TRUE((*lock)->still_at("/store").value());
  ASSERT_TRUE(disk.files().rename("/store", "/moved").has_value());
  EXPECT_FALSE((*lock)->still_at("/store").value());
  ASSERT_TRUE(disk.files().make_directory("/store").has_value());
  EXPECT_FALSE((*lock)->still_at("/store").value());
}

TEST(SimDisk, HardLinksShareContentAndItsDurability) {
  SimDisk disk;
  put_durable(disk, "/a", "1");
  ASSERT_TRUE(disk.files().link("/a", "/b").has_value());
  EXPECT_EQ(code_of(disk.files().link("/a", "/b")), ErrorCode::io);
  EXPECT_EQ(disk.files().stat("/a")->inode, disk.files().stat("/b")->inode);
  EXPECT_EQ(disk.used(), 1U);
  const auto file = disk.files().open_append("/a");
  ASSERT_TRUE(append_text(**file, "2").has_value());
  ASSERT_TRUE((*file)->sync().has_value());
  ASSERT_TRUE(disk.files().unlink("/a").has_value());
  EXPECT_EQ(text_of(disk, "/b"), "12");
  auto other = disk.clone();
  disk.crash(CrashMode::drop_unsynced);
  EXPECT_EQ(text_of(disk, "/a"), "12") << "neither the new name nor the end of the old was synced";
  EXPECT_EQ(text_of(disk, "/b"), "(absent)");
  ASSERT_TRUE(other->files().sync_directory("/").has_value());
  other->crash(CrashMode::drop_unsynced);
  EXPECT_EQ(text_of(*other, "/a"), "(absent)");
  EXPECT_EQ(text_of(*other, "/b"), "12");
}

TEST(SimDisk, RandomCrashesKeepEverySyncedByteAndTearTheRest) {
  SimDisk disk;
  const std::string synced(3 * kPage + 100, 's');
  put_durable(disk, "/log", synced);
  const std::string tail(5 * kPage, 't');
  ASSERT_TRUE(append_text(**disk.files().open_append("/log"), tail).has_value());
  CrashReport sum;
  std::set<std::size_t> sizes;
  bool zeros = false;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto one = disk.clone();
    one->crash(CrashMode::random, seed);
    const std::string left = text_of(*one, "/log");
    ASSERT_EQ(left.substr(0, synced.size()), synced) << seed;
    ASSERT_LE(left.size(), synced.size() + tail.size());
    ASSERT_EQ(left.find_first_not_of(std::string_view("t\0", 2), synced.size()), std::string::npos);
    zeros = zeros || left.find('\0') != std::string::npos;
    sizes.insert(left.size());
    const CrashReport report = one->last_crash();
    EXPECT_EQ(report.files_changed, 1U);
    sum.pages_old += report.pages_old;
    sum.pages_new += report.pages_new;
    sum.pages_mixed += report.pages_mixed;
  }
  EXPECT_GT(sum.pages_old, 50U);
  EXPECT_GT(sum.pages_new, 50U);
  EXPECT_GT(sum.pages_mixed, 50U);
  EXPECT_GT(sizes.size(), 20U);
  EXPECT_TRUE(sizes.contains(synced.size()) && sizes.contains(synced.size() + tail.size()));
  EXPECT_TRUE(zeros);
}

TEST(SimDisk, TheSameSeedGivesTheSameDisk) {
  SimDisk disk;
  for (int i = 0; i < 20; ++i) {
    const auto file = disk.files().create("/file" + std::to_string(i));
    ASSERT_TRUE(append_text(**file, std::string(10'000, 'x')).has_value());
  }
  std::set<std::map<std::string, Bytes>> different;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto one = disk.clone();
    const auto other = disk.clone();
    one->crash(CrashMode::random, seed);
    other->crash(CrashMode::random, seed);
    ASSERT_EQ(one->tree(), other->tree()) << seed;
    different.insert(one->tree());
  }
  EXPECT_GT(different.size(), 15U);
}

TEST(SimDisk, NamesAreKeptOrLostEachByItself) {
  SimDisk disk;
  put_durable(disk, "/old", "old");
  put_durable(disk, "/gone", "gone");
  ASSERT_TRUE(fs::write_file(disk.files(), "/new", as_bytes("new")).has_value());
  ASSERT_TRUE(disk.files().link("/old", "/second").has_value());
  ASSERT_TRUE(disk.files().rename("/new", "/newer").has_value());
  ASSERT_TRUE(disk.files().unlink("/gone").has_value());
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto one = disk.clone();
    one->crash(CrashMode::random, seed);
    std::string names;
    for (const auto& [path, content] : one->tree()) names += path;
    seen.insert(names);
    // A rename is one step, and nothing can be renamed that was never created.
    ASSERT_FALSE(names.find("/newer") != std::string::npos && one->tree().contains("/new"));
    ASSERT_EQ(text_of(*one, "/old"), "old");
    EXPECT_EQ(one->last_crash().entries_kept + one->last_crash().entries_lost, 4U);
  }
  // {gone or not} x {second or not} x {neither, new, newer}
  EXPECT_EQ(seen.size(), 12U);
}

TEST(SimDisk, RenamesBetweenDirectoriesAreOneStep) {
  SimDisk disk;
  for (const char* name : {"/a", "/b"}) {
    ASSERT_TRUE(fs::ensure_directory(disk.files(), name).has_value());
  }
  put_durable(disk, "/a/file", "x");
  put_durable(disk, "/b/file", "before");
  ASSERT_TRUE(disk.files().rename("/a/file", "/b/file").has_value());
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const auto one = disk.clone();
    one->crash(CrashMode::random, seed);
    seen.insert(text_of(*one, "/a/file") + text_of(*one, "/b/file"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"xbefore", "(absent)x"}));
  ASSERT_TRUE(disk.files().sync_directory("/a").has_value());
  disk.crash(CrashMode::drop_unsynced);
  EXPECT_EQ(text_of(disk, "/b/file"), "x");
  EXPECT_EQ(text_of(disk, "/a/file"), "(absent)");
}

TEST(SimDisk, AfterAFailedSyncThePagesAreSeenButNeverWritten) {
  SimDisk disk;
  put_durable(disk, "/log", "1");
  {
    const auto file = disk.files().open_append("/log");
    ASSERT_TRUE(append_text(**file, "2").has_value());
    disk.inject({.operation = Operation::sync, .suffix = "/log"});
    EXPECT_EQ(code_of((*file)->sync()), ErrorCode::io);
    EXPECT_EQ(code_of((*file)->sync()), ErrorCode::io) << "a failed sync is not tried again";
  }
  disk.crash(CrashMode::process);
  EXPECT_EQ(text_of(disk, "/log"), "12");
  EXPECT_TRUE((*disk.files().open_append("/log"))->sync().has_value()) << "and it looks well";
  disk.crash(CrashMode::drop_unsynced);
  EXPECT_EQ(text_of(disk, "/log"), std::string("1\0", 2));
}

TEST(SimDisk, ALyingDiskLosesWhatItSaidItHad) {
  SimDisk disk;
  put_durable(disk, "/log", "1");
  disk.lie_about_syncs();
  put_durable(disk, "/other", "x");
  const auto file = disk.files().open_append("/log");
  ASSERT_TRUE(append_text(**file, "2").has_value());
  ASSERT_TRUE((*file)->sync().has_value());
  EXPECT_GE(disk.injected(), 3U);
  disk.crash(CrashMode::drop_unsynced);
  EXPECT_EQ(text_of(disk, "/log"), "1");
  EXPECT_EQ(text_of(disk, "/other"), "(absent)");
  put_durable(disk, "/other", "y");  // the crash has cleared the fault
  disk.crash(CrashMode::drop_unsynced);
  EXPECT_EQ(text_of(disk, "/other"), "y");
}

TEST(SimDisk, FailsTheNthOfAKindOnAPath) {
  SimDisk disk;
  fs::FileSystem& files = disk.files();
  disk.inject({.operation = Operation::create, .suffix = ".sst", .error = ENOSPC, .nth = 2});
  EXPECT_TRUE(files.create("/1.sst").has_value());
  EXPECT_TRUE(files.create("/2.log").has_value());
  EXPECT_EQ(code_of(files.create("/3.sst")), ErrorCode::no_space);
  EXPECT_TRUE(files.create("/3.sst").has_value());
  EXPECT_EQ(disk.injected(), 1U);

  disk.inject({.operation = {}, .contains = "/3", .times = 0});
  EXPECT_TRUE(files.stat("/3.sst").has_value()) << "it changes nothing";
  EXPECT_EQ(code_of(files.unlink("/3.sst")), ErrorCode::io);
  EXPECT_EQ(code_of(files.link("/1.sst", "/3.link")), ErrorCode::io);
  disk.clear_faults();
  EXPECT_TRUE(files.unlink("/3.sst").has_value());

  disk.inject({.operation = Operation::read});
  EXPECT_EQ(code_of(fs::read_file(files, "/2.log", 10)), ErrorCode::io);
  disk.inject({.operation = Operation::append, .partial = true});
  const auto file = files.open_append("/2.log");
  EXPECT_EQ(code_of(append_text(**file, "abcd")), ErrorCode::io);
  EXPECT_EQ(text_of(disk, "/2.log"), "ab");
  disk.inject({.operation = Operation::link, .error = EXDEV});
  EXPECT_TRUE(fs::link_or_copy(files, "/2.log", "/copy").has_value());
  EXPECT_EQ(text_of(disk, "/copy"), "ab");
  EXPECT_NE(files.stat("/copy")->inode, files.stat("/2.log")->inode);
}

TEST(SimDisk, AFullDiskTakesWhatFits) {
  SimDisk disk;
  disk.set_capacity(10);
  {
    const auto file = disk.files().create("/a");
    EXPECT_EQ(code_of(append_text(**file, "123456789012")), ErrorCode::no_space);
  }
  EXPECT_EQ(text_of(disk, "/a"), "1234567890");
  EXPECT_EQ(code_of(fs::write_file(disk.files(), "/b", {})), ErrorCode::no_space);
  ASSERT_TRUE(disk.files().unlink("/a").has_value());
  EXPECT_EQ(disk.used(), 0U);
  EXPECT_TRUE(fs::write_file(disk.files(), "/b", as_bytes("123")).has_value());
  EXPECT_EQ(disk.used(), 3U);
  disk.crash(CrashMode::keep_all);
  EXPECT_EQ(disk.used(), 3U);
}

/// For N = 1, 2, 3, ... cuts the power at operation N, until there are fewer operations.
struct LoopResult {
  unsigned rounds = 0;
  std::set<std::string> contents;
};
LoopResult crash_loop(const std::function<Status(fs::FileSystem&)>& script, CrashMode mode) {
  LoopResult result;
  for (std::uint64_t nth = 1;; ++nth) {
    for (std::uint64_t seed = 0; seed < (mode == CrashMode::random ? 40U : 1U); ++seed) {
      SimDisk disk;
      put_durable(disk, "/CURRENT", "old");
      disk.crash_at(nth, mode, seed);
      const Status status = script(disk.files());
      if (disk.crashes() == 0) {
        EXPECT_TRUE(status.has_value());
        EXPECT_EQ(text_of(disk, "/CURRENT"), "newer");
        return result;
      }
      ++result.rounds;
      EXPECT_FALSE(status.has_value());
      result.contents.insert(text_of(disk, "/CURRENT"));
    }
  }
}

// docs/hazards.md#rename-without-directory-sync
TEST(SimDisk, ReplacedFilesAreOldOrNewWhereverThePowerGoes) {
  const std::set<std::string> allowed = {"old", "newer"};
  for (const CrashMode mode :
       {CrashMode::process, CrashMode::keep_all, CrashMode::drop_unsynced, CrashMode::random}) {
    const LoopResult result = crash_loop(
        [](fs::FileSystem& files) {
          return fs::replace_file(files, "/CURRENT", as_bytes("newer"));
        },
        mode);
    EXPECT_GE(result.rounds, 5U);
    for (const std::string& content : result.contents) EXPECT_TRUE(allowed.contains(content));
  }
}

TEST(SimDisk, TheLoopFindsAReplacementThatDoesNotSync) {
  const LoopResult result = crash_loop(
      [](fs::FileSystem& files) -> Status {
        {
          FLATKV_ASSIGN(const auto file, files.create("/CURRENT-tmp"));
          FLATKV_TRY(append_text(*file, "newer"));
        }
        FLATKV_TRY(files.rename("/CURRENT-tmp", "/CURRENT"));
        return files.sync_directory("/");
      },
      CrashMode::random);
  EXPECT_TRUE(result.contents.contains("")) << "an empty file under the final name";
}

}  // namespace
}  // namespace flatkv::simdisk
