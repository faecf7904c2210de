// SPDX-License-Identifier: Apache-2.0
// One operation on a file of ours fails, each in turn: the call that needed it returns the error
// with its path, and without the fault the store opens with all that was durable.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <regex>
#include <set>

#include "base/error.hpp"
#include "fs/files.hpp"
#include "recovery/rollback.hpp"
#include "simdisk/simdisk.hpp"
#include "store/commit_store.hpp"
#include "support/checks.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

using simdisk::SimDisk;

constexpr std::uint64_t kSeed = 43;
constexpr const char* kStore = "/store";

/// Versions and generations look alike, and so do databases and their files.
std::string without_numbers(const std::string& path) {
  static const std::regex kNumber("[0-9]+");
  static const std::regex kDatabase("/(account|code|storage|legacy|metadata)(/.*)?");
  return std::regex_replace(std::regex_replace(path, kNumber, "N"), kDatabase, "/DB");
}

/// Passes everything on and notes it; one operation fails.
class FailingFiles final : public fs::FileSystem {
 public:
  explicit FailingFiles(fs::FileSystem& below) : below_(below) {}

  /// Of the operations that look like this, the nth (1: the first) fails.
  void fail_at(const std::string& looks, std::size_t nth) {
    looks_ = looks;
    nth_ = nth;
  }
  bool failed() const { return failed_; }
  /// How often there was what looks like this.
  std::map<std::string, std::size_t> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  Status before(const char* operation, const std::string& path) {
    const std::string looks = operation + std::string(" ") + without_numbers(path);
    const std::lock_guard lock(mutex_);
    if (++seen_[looks] != nth_ || looks != looks_) return {};
    failed_ = true;
    return fail_errno(EIO, operation + std::string(" made to fail"), path);
  }

  Result<std::unique_ptr<fs::AppendFile>> create(const std::string& path) override {
    FLATKV_TRY(before("create", path));
    return appending(path, below_.create(path));
  }
  Result<std::unique_ptr<fs::AppendFile>> open_append(const std::string& path) override {
    FLATKV_TRY(before("open_append", path));
    return appending(path, below_.open_append(path));
  }
  Result<std::unique_ptr<fs::ReadFile>> open_read(const std::string& path) override {
    FLATKV_TRY(before("open_read", path));
    FLATKV_ASSIGN(auto file, below_.open_read(path));
    return std::make_unique<Reading>(*this, path, std::move(file));
  }
  Status make_directory(const std::string& path) override {
    FLATKV_TRY(before("make_directory", path));
    return below_.make_directory(path);
  }
  Result<std::vector<fs::DirEntry>> list(const std::string& path) override {
    FLATKV_TRY(before("list", path));
    return below_.list(path);
  }
  Result<fs::FileInfo> stat(const std::string& path) override {
    FLATKV_TRY(before("stat", path));
    return below_.stat(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    FLATKV_TRY(before("rename", to));
    return below_.rename(from, to);
  }
  Status link(const std::string& from, const std::string& to) override {
    FLATKV_TRY(before("link", to));
    return below_.link(from, to);
  }
  Status unlink(const std::string& path) override {
    FLATKV_TRY(before("unlink", path));
    return below_.unlink(path);
  }
  Status remove_directory(const std::string& path) override {
    FLATKV_TRY(before("remove_directory", path));
    return below_.remove_directory(path);
  }
  Status sync_directory(const std::string& path) override {
    FLATKV_TRY(before("sync_directory", path));
    return below_.sync_directory(path);
  }
  Result<std::unique_ptr<fs::DirLock>> lock_directory(const std::string& path) override {
    FLATKV_TRY(before("lock_directory", path));
    return below_.lock_directory(path);
  }
  Result<bool> is_network(const std::string& path) override { return below_.is_network(path); }

 private:
  class Appending final : public fs::AppendFile {
   public:
    Appending(FailingFiles& files, std::string path, std::unique_ptr<fs::AppendFile> below)
        : files_(files), path_(std::move(path)), below_(std::move(below)) {}
    Status append(std::span<const ByteView> parts) override {
      FLATKV_TRY(files_.before("append", path_));
      return below_->append(parts);
    }
    Status sync() override {
      FLATKV_TRY(files_.before("sync", path_));
      return below_->sync();
    }
    Status truncate(std::uint64_t size) override {
      FLATKV_TRY(files_.before("truncate", path_));
      return below_->truncate(size);
    }
    std::uint64_t size() const override { return below_->size(); }

   private:
    FailingFiles& files_;
    const std::string path_;
    const std::unique_ptr<fs::AppendFile> below_;
  };

  class Reading final : public fs::ReadFile {
   public:
    Reading(FailingFiles& files, std::string path, std::unique_ptr<fs::ReadFile> below)
        : files_(files), path_(std::move(path)), below_(std::move(below)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into) const override {
      FLATKV_TRY(files_.before("read_at", path_));
      return below_->read_at(offset, into);
    }
    std::uint64_t size() const override { return below_->size(); }

   private:
    FailingFiles& files_;
    const std::string path_;
    const std::unique_ptr<fs::ReadFile> below_;
  };

  Result<std::unique_ptr<fs::AppendFile>> appending(const std::string& path,
                                                    Result<std::unique_ptr<fs::AppendFile>> file) {
    if (!file) return file;
    return std::make_unique<Appending>(*this, path, *std::move(file));
  }

  fs::FileSystem& below_;
  std::string looks_;
  std::size_t nth_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::map<std::string, std::size_t> seen_;
};

/// What only cleans up, tells nothing that the store needs, or is there already.
const std::regex kNeedless(
    "(unlink|remove_directory|stat) .*|.*/LOCK|rename .*-tmp|make_directory /store/gen-N/flush|"
    "(list|open_read|read_at) "
    ".*(/snapshot-N.*|/flush|REMOVED|CURSORS|MANIFEST.json|CURRENT|-tmp.*)");

/// Of these each is tried: of the first some only clean up, too, and the others look alike.
const std::regex kMayCleanUp("sync_directory /store(/gen-N(/changelog)?)?");
const std::regex kOfEachDatabase("sync_directory .*/DB");

class FileError : public ::testing::Test {
 protected:
  FileError() {
    options_.create_if_missing = true;
    options_.durability = Durability::sync;
    options_.segment_bytes = 4096;
    options_.snapshot.keep = 0;
    Model model;
    roots_[0] = model.committed().roots();
    for (std::int64_t version = 1; version <= 30; ++version) {
      for (const Changes& changes : script_block(kSeed, version)) model.apply(changes);
      model.commit();
      roots_[version] = model.committed().roots();
    }
  }

  Result<CommitStore> open(const state::Environment& environment) const {
    return store::open_commit_store(environment, kStore, options_);
  }
  Result<CommitStore> open(SimDisk& disk) const { return open({&disk.files(), disk.env()}); }

  static Status blocks(CommitStore& store, int count) {
    for (int i = 0; i < count; ++i) {
      const std::int64_t version = store.version() + 1;
      for (const Changes& changes : script_block(kSeed, version)) FLATKV_TRY(store.apply(changes));
      FLATKV_TRY(store.commit(version));
    }
    return {};
  }

  /// `act` makes the changes and sets the version that must not be lost.
  using Act = std::function<Status(const state::Environment&, std::int64_t& durable)>;

  /// Runs `act` on copies of the disk, and in each but the first another operation fails. The power
  /// goes afterwards. `another_way`: it may come to its end without that operation.
  void each_fails(const SimDisk& disk, const Act& act, bool another_way = false) {
    std::map<std::string, std::size_t> seen;
    {
      const auto whole = disk.clone();
      FailingFiles files(whole->files());
      std::int64_t durable = 0;
      ASSERT_OK(act({&files, whole->env()}, durable));
      seen = files.seen();
      whole->crash(simdisk::CrashMode::drop_unsynced);
      const auto store = open(*whole);
      ASSERT_OK(store);
      EXPECT_EQ(store->version(), durable);
      const OpenReport& report = store->open_report();
      EXPECT_FALSE(report.rebuilt_working_copy || report.rebuilt_metadata || report.lost_log_tail);
    }
    for (const auto& [looks, count] : seen) {
      if (std::regex_match(looks, kNeedless)) continue;
      const bool may_clean_up = std::regex_match(looks, kMayCleanUp);
      const bool each = may_clean_up || std::regex_match(looks, kOfEachDatabase);
      for (std::size_t nth = 1; nth <= (each ? count : 1); ++nth) {
        SCOPED_TRACE(looks + ", " + std::to_string(nth) + " of " + std::to_string(count));
        const auto copy = disk.clone();
        FailingFiles files(copy->files());
        files.fail_at(looks, nth);
        std::int64_t durable = 0;
        const Status done = act({&files, copy->env()}, durable);
        EXPECT_TRUE(files.failed());
        EXPECT_TRUE(!done || may_clean_up || another_way) << "it was not told";
        if (!done) {
          EXPECT_NE(done.error().message.find("made to fail"), std::string::npos)
              << done.error().to_string();
          EXPECT_FALSE(done.error().path.empty()) << done.error().to_string();
        }
        copy->crash(simdisk::CrashMode::drop_unsynced);
        const auto store = open(*copy);
        ASSERT_OK(store);
        EXPECT_GE(store->version(), durable);
        if (done) {
          EXPECT_EQ(store->version(), durable);
        }
        EXPECT_TRUE(same_roots(store->committed_roots(), roots_.at(store->version())));
      }
    }
  }

  /// What a kill would leave of a store with a snapshot at 6 and blocks up to 12, of which those up
  /// to 9 are in the databases.
  std::unique_ptr<SimDisk> killed() {
    SimDisk disk;
    auto store = open(disk);
    EXPECT_OK(store);
    EXPECT_OK(blocks(*store, 6));
    EXPECT_OK(store->snapshot());
    EXPECT_OK(blocks(*store, 3));
    EXPECT_OK(store->flush());
    EXPECT_OK(blocks(*store, 3));
    return disk.clone();
  }
  static std::string generation(SimDisk& disk) {
    for (const auto& [path, content] : disk.tree()) {
      if (path.ends_with("/working/storage/CURRENT")) {
        return fs::parent(fs::parent(fs::parent(path)));
      }
    }
    return "";
  }

  Act opens_and_closes(std::int64_t version) {
    return [this, version](const state::Environment& environment, std::int64_t& durable) -> Status {
      durable = version;
      FLATKV_ASSIGN(auto store, open(environment));
      return store.close();
    };
  }

  Options options_ = small_options();
  std::map<std::int64_t, Roots> roots_;  ///< by version
};

TEST_F(FileError, InALife) {
  const SimDisk empty;
  options_.rollback_depth = 4;
  each_fails(empty, [&](const state::Environment& environment, std::int64_t& durable) -> Status {
    durable = 0;
    FLATKV_ASSIGN(auto store, open(environment));
    const auto step = [&](const Status& done) {
      if (done) durable = store.version();
      return done;
    };
    FLATKV_TRY(step(blocks(store, 6)));
    FLATKV_TRY(store.snapshot());
    FLATKV_TRY(step(blocks(store, 6)));
    FLATKV_TRY(store.snapshot());
    FLATKV_TRY(step(blocks(store, 3)));
    durable = 13;
    FLATKV_TRY(store.rollback(13));
    FLATKV_TRY(step(blocks(store, 2)));
    FLATKV_TRY(store.flush());
    return store.close();
  });
}

TEST_F(FileError, InAnOpenThatReplays) {
  const auto disk = killed();
  each_fails(*disk, opens_and_closes(12));
}

TEST_F(FileError, InARebuildOfTheWorkingCopy) {
  const auto disk = killed();
  ASSERT_OK(fs::remove_tree(disk->files(), generation(*disk) + "/working/storage"));
  each_fails(*disk, opens_and_closes(12));
}

TEST_F(FileError, InARebuildOfTheMetadata) {
  const auto disk = killed();
  ASSERT_OK(fs::remove_tree(disk->files(), generation(*disk) + "/working/metadata"));
  each_fails(*disk, opens_and_closes(12));
}

TEST_F(FileError, InAnOpenOnANewLog) {
  options_.segment_bytes = 1 << 20;
  SimDisk disk;
  std::map<std::string, Bytes> log;
  {
    auto store = open(disk);
    ASSERT_OK(store);
    ASSERT_OK(blocks(*store, 3));
    log = disk.tree(generation(disk) + "/changelog");
    ASSERT_OK(blocks(*store, 2));
    ASSERT_OK(store->close());
  }
  // The databases are ahead of an older log.
  for (const auto& [path, content] : disk.tree(generation(disk) + "/changelog")) {
    ASSERT_TRUE(log.contains(path));
    ASSERT_TRUE(disk.overwrite(path, log.at(path)));
  }
  ASSERT_OK(disk.files().unlink(generation(disk) + "/CLEAN"));
  each_fails(disk, [&](const state::Environment& environment, std::int64_t& durable) -> Status {
    durable = 5;
    FLATKV_ASSIGN(auto store, open(environment));
    EXPECT_TRUE(store.open_report().lost_log_tail);
    return store.close();
  });
}

TEST_F(FileError, InAnOpenAndARollbackOfAClosedStore) {
  options_.rollback_depth = 4;
  SimDisk disk;
  {
    auto store = open(disk);
    ASSERT_OK(store);
    ASSERT_OK(blocks(*store, 6));
    ASSERT_OK(store->snapshot());
    ASSERT_OK(blocks(*store, 6));
    ASSERT_OK(store->close());
  }
  each_fails(disk, opens_and_closes(12));
  for (const std::int64_t version : {10, 7}) {  // undone, and replayed from the snapshot
    SCOPED_TRACE(version);
    each_fails(
        disk,
        [&](const state::Environment& environment, std::int64_t& durable) {
          durable = version;
          return recovery::rollback_store(environment, kStore, version, {});
        },
        true);
  }
}

TEST_F(FileError, InAnOpenThatFinishesAnUndo) {
  options_.rollback_depth = 4;
  SimDisk disk;
  {
    FailingFiles files(disk.files());
    auto store = open({&files, disk.env()});
    ASSERT_OK(store);
    ASSERT_OK(blocks(*store, 12));
    files.fail_at("truncate /store/gen-N/changelog/N.log", 1);
    EXPECT_FALSE(store->rollback(10));
    ASSERT_TRUE(files.failed());
  }
  ASSERT_OK(disk.files().stat(generation(disk) + "/changelog/UNDO"));
  each_fails(disk, opens_and_closes(10));
}

}  // namespace
}  // namespace flatkv::test
