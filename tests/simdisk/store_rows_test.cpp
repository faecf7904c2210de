// Rows of the fault matrix that need a disk which fails, lies or loses power at a chosen place.
// FLATKV_LOOP=all: every one of the cases that the short run takes a part of.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "history/rollback.hpp"
#include "simdisk/moments.hpp"
#include "store/commit_store.hpp"
#include "transfer/row_import.hpp"

namespace flatkv::simdisk {
namespace {

using test::Came;
using test::count_fault;

bool all_cases() {
  const char* value = std::getenv("FLATKV_LOOP");
  return value != nullptr && std::string_view(value) == "all";
}

class StoreRows : public ::testing::Test {
 protected:
  /// A copy of the disk as it is after the crash.
  static std::unique_ptr<SimDisk> crashed(const SimDisk& disk, CrashMode mode,
                                          std::uint64_t seed = 0) {
    auto after = disk.clone();
    after->crash(mode, seed);
    return after;
  }

  /// Crashes here in each way; each must come to one of these places.
  void crash_here(SimDisk& disk, const Life& life, std::string_view row) {
    for (const CrashMode mode :
         {CrashMode::process, CrashMode::keep_all, CrashMode::drop_unsynced, CrashMode::random}) {
      SCOPED_TRACE("crash mode " + std::to_string(static_cast<int>(mode)));
      const auto after = crashed(disk, mode, ++seed_);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_,
                           life.progress().allowed(mode != CrashMode::process), &ending));
      count_fault(row, ending.came);
    }
  }

  /// Crashes at every operation of the open that this disk needs.
  void crash_the_open(const SimDisk& disk, const std::vector<Place>& allowed, std::string_view row,
                      std::size_t fewest) {
    const auto whole = disk.clone();
    const std::vector<Moment> moments = moments_of(*whole, [&] {
      ASSERT_OK(store::open_commit_store(environment_of(*whole), kStore, options_));
    });
    ASSERT_GT(moments.size(), fewest);
    const std::size_t step = all_cases() ? 1 : 1 + moments.size() / 25;
    for (std::size_t i = 0; i < moments.size(); i += step) {
      for (const CrashMode mode :
           {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
        SCOPED_TRACE(moments[i].name());
        const auto after = crashed(*moments[i].disk, mode, ++seed_);
        Ending ending;
        ASSERT_TRUE(recovers(*after, oracle_, options_, allowed, &ending));
        Sites::all().hit(site_of(moments[i].operation, moments[i].path));
        count_fault(row, ending.came);
      }
    }
  }

  /// Refused with this code, and nothing changed; the message.
  static std::string refused(SimDisk& disk, const Options& options, ErrorCode code) {
    const auto before = picture(disk);
    const auto opened = store::open_commit_store(environment_of(disk), kStore, options);
    EXPECT_TRUE(test::fails(opened, code));
    EXPECT_TRUE(picture(disk) == before) << "a refused open changed something";
    return opened ? "" : opened.error().to_string();
  }

  static Fault lie(Operation operation, std::string contains) {
    Fault fault;
    fault.operation = operation;
    fault.contains = std::move(contains);
    fault.error = 0;
    fault.times = 0;
    return fault;
  }
  static void lie_about(SimDisk& disk, const std::string& contains) {
    disk.inject(lie(Operation::sync, contains));
    disk.inject(lie(Operation::sync_directory, contains));
  }

  SimDisk disk_;
  Oracle oracle_{2};
  Options options_ = sim_options(Durability::sync);
  std::uint64_t seed_ = 1000;
};

// C2: the process ended, or the power went, with any number of bytes of the record on disk.
TEST_F(StoreRows, RecordCutAtEveryByte) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(1);
  std::string log;
  std::size_t before = 0;
  disk_.watch([&](Operation operation, const std::string& path) {
    if (operation != Operation::append || path_class(path) != "log") return;
    log = path;
    before = disk_.tree(path).at(path).size();
  });
  life.commits(1);
  disk_.watch({});
  const Place whole = life.progress().acked;
  const auto after = crashed(disk_, CrashMode::process);
  const Bytes content = after->tree(log).at(log);
  const std::size_t record = content.size() - before;
  ASSERT_GT(record, 300U);
  for (std::size_t kept = 0; kept <= record; kept += all_cases() || kept + 9 > record ? 1 : 9) {
    for (const bool zeros : {false, true}) {  // a size that was written back before its pages
      if (zeros && !all_cases() && kept % 5 != 0) continue;
      SCOPED_TRACE(std::to_string(kept) + " bytes of the record");
      const auto torn = after->clone();
      Bytes cut(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(before + kept));
      if (zeros) cut.resize(content.size());
      ASSERT_TRUE(torn->overwrite(log, cut));
      Ending ending;
      const bool complete = cut == content;
      ASSERT_TRUE(recovers(*torn, oracle_, options_,
                           {{"", complete ? whole.version : whole.version - 1}}, &ending));
      // A rest of zeros is an end, not damage.
      EXPECT_EQ(ending.report.truncated_log.has_value(), !complete && kept > 0);
      count_fault(zeros ? "W4" : "C2", ending.came);
    }
  }
}

// C2 again, with pages and sectors of a record of several pages kept and lost by chance.
TEST_F(StoreRows, PagesOfARecordKeptAndLost) {
  options_ = sim_options(Durability::process);
  options_.segment_bytes = 1 << 20;
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(6);  // the fifth has three pages
  const std::vector<Place> allowed = life.progress().allowed(true);
  ASSERT_EQ(allowed.size(), 7U);
  std::set<std::int64_t> found;
  for (int i = 0; i < (all_cases() ? 400 : 40); ++i) {
    const auto after = crashed(disk_, CrashMode::random, ++seed_);
    SCOPED_TRACE("seed " + std::to_string(seed_));
    Ending ending;
    ASSERT_TRUE(recovers(*after, oracle_, options_, allowed, &ending));
    found.insert(ending.place.version);
    count_fault("C2", ending.came);
  }
  EXPECT_GT(found.size(), 2U) << "nothing was ever torn";
}

// C3: an append that fails, with none or a part of it written.
TEST_F(StoreRows, AppendFails) {
  for (const int error : {EIO, ENOSPC}) {
    for (const bool partial : {false, true}) {
      SimDisk disk;
      Life life(disk, oracle_, options_);
      life.open();
      life.commits(2);
      Fault fault;
      fault.operation = Operation::append;
      fault.contains = "/changelog/";
      fault.error = error;
      fault.partial = partial;
      disk.inject(fault);
      life.commits(1);
      ASSERT_EQ(disk.injected(), 1U);
      ASSERT_TRUE(life.failure());
      EXPECT_EQ(life.failure()->code, error == ENOSPC ? ErrorCode::no_space : ErrorCode::io);
      life.expect_failed_and_readable();
      count_fault("C3", Came::failed);
      life.close();
      crash_here(disk, life, "C3");
    }
  }
}

// C4 and C5: the sync fails, is not tried again, and the process starts again without a reboot:
// what it sees of the record must be durable before it counts.
TEST_F(StoreRows, SyncOfTheLogFails) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(3);
  Fault fault;
  fault.operation = Operation::sync;
  fault.contains = "/changelog/";
  disk_.inject(fault);
  const std::uint64_t syncs = disk_.count(Operation::sync);
  life.commits(1);
  EXPECT_EQ(disk_.count(Operation::sync), syncs + 1) << "a failed sync was tried again";
  life.expect_failed_and_readable();
  count_fault("C4", Came::failed);
  life.close();
  EXPECT_EQ(disk_.count(Operation::sync), syncs + 1) << "a failed sync was tried again";
  crash_here(disk_, life, "C4");

  const auto restarted = crashed(disk_, CrashMode::process);
  auto opened = store::open_commit_store(environment_of(*restarted), kStore, options_);
  ASSERT_OK(opened);
  const Place found{"", opened->version()};
  EXPECT_EQ(found.version, 4) << "the record was still seen";
  restarted->crash(CrashMode::drop_unsynced);
  Ending ending;
  ASSERT_TRUE(recovers(*restarted, oracle_, options_, {found}, &ending));
  count_fault("C5", ending.came);
}

// C6: the disk lies about the log and loses power. All databases level and right: they are kept.
TEST_F(StoreRows, LyingDiskLosesTheLogAlone) {
  options_.segment_bytes = 1 << 20;
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.flush();
  lie_about(disk_, "/changelog/");
  life.commits(2);
  life.flush();
  life.commits(1);
  const auto after = crashed(disk_, CrashMode::drop_unsynced);
  crash_the_open(*after, {{"", 4}}, "C6", 30);
  Ending ending;
  ASSERT_TRUE(recovers(*after, oracle_, options_, {{"", 4}}, &ending, true));
  EXPECT_TRUE(ending.report.lost_log_tail);
  count_fault("C6", Came::rebuilt);
}

// C6 with databases that are not level: refused, naming all; the way out that it names works.
TEST_F(StoreRows, LyingDiskLosesLogAndADatabase) {
  options_.segment_bytes = 1 << 20;
  for (const char* behind : {"account", "code", "storage", "legacy"}) {
    SCOPED_TRACE(behind);
    SimDisk disk;
    Life life(disk, oracle_, options_);
    life.open();
    life.commits(2);
    life.flush();
    lie_about(disk, "/changelog/");
    lie_about(disk, std::string("/working/") + behind);
    life.commits(2);
    life.flush();
    const auto after = crashed(disk, CrashMode::drop_unsynced);
    const std::string message = refused(*after, options_, ErrorCode::log_behind);
    EXPECT_TRUE(message.contains("the changelog reaches version 2")) << message;
    EXPECT_TRUE(message.contains("version 4 is known to be durable")) << message;
    EXPECT_TRUE(message.contains(std::string(behind) + " is at 2")) << message;
    EXPECT_TRUE(message.contains("rollback STORE 2")) << message;
    count_fault("C6", Came::refused);
    ASSERT_OK(history::rollback_store(environment_of(*after), kStore, 2, {}));
    ASSERT_TRUE(recovers(*after, oracle_, options_, {{"", 2}}));
    count_fault("C6", Came::recovered);
  }
}

// A disk that lies about everything may lose everything, but never gives a state that never was.
TEST_F(StoreRows, LyingDiskNeverGivesAWrongState) {
  unsigned opened_at_all = 0;
  for (int round = 0; round < (all_cases() ? 400 : 40); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    SimDisk disk;
    Life life(disk, oracle_, options_);
    life.open();
    life.commits(2);
    if (round % 2 == 0) life.snapshot();
    disk.lie_about_syncs(round % 3 != 0);
    life.commits(2);
    life.flush();
    life.commits(2);
    if (round % 4 == 0) life.snapshot();
    disk.crash(round % 5 == 0 ? CrashMode::drop_unsynced : CrashMode::random, ++seed_);
    Options options = options_;
    options.create_if_missing = round % 2 == 0;
    const auto before = picture(disk);
    auto opened = store::open_commit_store(environment_of(disk), kStore, options);
    if (opened) {
      ++opened_at_all;
      ASSERT_GE(opened->version(), 2) << "what was durable before the disk lied is lost";
      ASSERT_TRUE(test::store_is(*opened, oracle_.at({"", opened->version()})));
      count_fault("C6", Came::recovered);
      continue;
    }
    const ErrorCode code = opened.error().code;
    EXPECT_TRUE(code == ErrorCode::corruption || code == ErrorCode::log_behind ||
                code == ErrorCode::log_gap)
        << opened.error().to_string();
    EXPECT_TRUE(picture(disk) == before) << opened.error().to_string();
    count_fault("C6", Came::refused);
  }
  EXPECT_GT(opened_at_all, 0U);
}

struct FlushStep {
  Operation operation;
  const char* place;  ///< "%" stands for the database
  const char* suffix;
};
constexpr FlushStep kFlushSteps[] = {
    {Operation::create, "/flush/%-", ".sst"},      {Operation::append, "/flush/%-", ".sst"},
    {Operation::sync, "/flush/%-", ".sst"},        {Operation::link, "/working/%/", ".sst"},
    {Operation::sync_directory, "/working/%", ""}, {Operation::append, "/working/%/MANIFEST-", ""},
    {Operation::sync, "/working/%/MANIFEST-", ""}};

std::string in_database(const char* pattern, const char* database) {
  std::string text = pattern;
  return text.replace(text.find('%'), 1, database);
}

// C8 and C12: the power goes at every operation of a flush of all five.
TEST_F(StoreRows, CrashAtEveryStepOfAFlush) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.flush();
  life.commits(3);
  const Place tip = life.progress().acked;
  const std::vector<Moment> moments = moments_of(disk_, [&] { life.flush(); });
  ASSERT_GT(moments.size(), 5 * std::size(kFlushSteps));
  std::set<std::string> databases;
  for (const Moment& moment : moments) {
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      if (!all_cases() && mode != CrashMode::drop_unsynced && moment.n % 3 != 0) continue;
      const auto after = crashed(*moment.disk, mode, ++seed_);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_, {tip}, &ending));
      count_fault(moment.path.contains("metadata") ? "C12" : "C8", ending.came);
    }
    for (const char* name : test::kNames) {
      if (moment.path.contains(name)) databases.insert(name);
    }
  }
  EXPECT_EQ(databases.size(), 5U);
}

// C9: any step of a flush fails, in any database, also after its MANIFEST record was written.
TEST_F(StoreRows, AStepOfAFlushFails) {
  Life base(disk_, oracle_, options_);
  unsigned made = 0;
  for (const char* database : test::kNames) {
    for (const FlushStep& step : kFlushSteps) {
      const int error = ++made % 3 == 0 ? ENOSPC : EIO;
      SCOPED_TRACE(std::string(to_string(step.operation)) + " " +
                   in_database(step.place, database));
      SimDisk disk;
      Life life(disk, oracle_, options_);
      life.open();
      life.commits(2);
      Fault fault;
      fault.operation = step.operation;
      fault.contains = in_database(step.place, database);
      fault.suffix = step.suffix;
      fault.error = error;
      disk.inject(fault);
      life.flush();
      ASSERT_EQ(disk.injected(), 1U) << "a flush has no such step";
      ASSERT_TRUE(life.failure());
      life.expect_failed_and_readable();
      count_fault("C9", Came::failed);
      life.close();
      for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced}) {
        const auto after = crashed(disk, mode);
        Ending ending;
        ASSERT_TRUE(recovers(*after, oracle_, options_, {{"", 2}}, &ending));
        count_fault("C9", ending.came);
      }
    }
  }
}

// C10: the power takes the last ingests of any of the databases: skew of several flushes.
TEST_F(StoreRows, DatabasesFarApart) {
  for (unsigned lost = 1; lost < 32; ++lost) {
    if (!all_cases() && lost % 3 != 1) continue;
    for (const bool pruned : {false, true}) {
      SCOPED_TRACE("databases " + std::to_string(lost) + (pruned ? ", log pruned" : ""));
      Options options = options_;
      options.snapshot_keep = 0;
      SimDisk disk;
      Life life(disk, oracle_, options);
      life.open();
      life.commits(2);
      life.flush();
      for (std::size_t i = 0; i < 5; ++i) {
        if ((lost >> i & 1U) != 0) lie_about(disk, std::string("/working/") + test::kNames[i]);
      }
      life.commits(3);
      life.flush();
      life.commits(3);
      if (pruned) {
        life.snapshot();
      } else {
        life.flush();
      }
      life.commits(2);
      const auto after = crashed(disk, CrashMode::drop_unsynced);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options, {{"", 10}}, &ending, true));
      if (pruned && (lost & 15U) != 0) {
        EXPECT_TRUE(ending.report.rebuilt_working_copy);
      }
      count_fault("C10", ending.came);
    }
  }
}

// C10, with the snapshot lost too: nothing reaches any more, and that is said.
TEST_F(StoreRows, DatabasesFarApartAndNoSnapshot) {
  options_.snapshot_keep = 0;
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.flush();
  lie_about(disk_, "/working/storage");
  lie_about(disk_, "/storage/");
  life.commits(4);
  life.snapshot();
  life.commits(2);
  lie_about(disk_, "/snapshot-");
  const auto after = crashed(disk_, CrashMode::drop_unsynced);
  static_cast<void>(refused(*after, options_, ErrorCode::log_gap));
  count_fault("C10", Came::refused);
}

// C13: a compaction fails between flushes.
TEST_F(StoreRows, CompactionFails) {
  Life life(disk_, oracle_, options_);
  life.open();
  Fault fault;
  fault.operation = Operation::create;  // ingested tables are linked: only compactions make some
  fault.contains = "/working/storage/";
  fault.suffix = ".sst";
  fault.times = 0;
  disk_.inject(fault);
  for (int i = 0; i < 300 && life.running(); ++i) {
    life.commits(1);
    if (life.running()) static_cast<void>(life.store().flush());
    if (i > 20) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_FALSE(life.running()) << "no compaction ran";
  EXPECT_GT(disk_.injected(), 0U);
  life.expect_failed_and_readable();
  count_fault("C13", Came::failed);
  life.close();
  crash_here(disk_, life, "C13");
}

// S11, S12, W12: openings that build a next generation can be cut off anywhere.
TEST_F(StoreRows, CrashWhileTheWorkingCopyIsRebuilt) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(3);
  life.snapshot();
  life.commits(3);
  life.flush();
  life.commits(1);
  const Place tip = life.progress().acked;
  const auto after = crashed(disk_, CrashMode::drop_unsynced);
  const std::string working = std::string(kStore) + "/gen-00000001/working/";
  const auto no_storage = after->clone();
  ASSERT_TRUE(no_storage->overwrite(working + "storage/CURRENT", test::text("gone")));
  crash_the_open(*no_storage, {tip}, "S11", 50);
  const auto no_metadata = after->clone();
  ASSERT_TRUE(no_metadata->overwrite(working + "metadata/CURRENT", test::text("gone")));
  crash_the_open(*no_metadata, {tip}, "S11", 50);
  const auto no_current = after->clone();
  ASSERT_TRUE(no_current->overwrite(std::string(kStore) + "/CURRENT", test::text("gen-0")));
  crash_the_open(*no_current, {tip}, "S12", 20);
  crash_the_open(*after, {tip}, "W12", 20);
}

// B1 by path: before the swap the old tip, after it the target; then it can be tried again.
TEST_F(StoreRows, CrashAtEveryStepOfARollbackByPath) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(3);
  life.snapshot();
  life.commits(6);
  const Place tip = life.progress().acked;
  const Place target = tip.back_to(5);
  life.close();
  const std::vector<Moment> moments = moments_of(disk_, [&] {
    ASSERT_OK(history::rollback_store(environment_of(disk_), kStore, target.version, {}));
  });
  ASSERT_GT(moments.size(), 60U);
  std::set<std::int64_t> found;
  for (const Moment& moment : moments) {
    if (!all_cases() && moment.n % 4 != 0 && path_class(moment.path) != "CURRENT") continue;
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      const auto after = crashed(*moment.disk, mode, ++seed_);
      if (moment.n % 3 == 0) {
        ASSERT_OK(history::rollback_store(environment_of(*after), kStore, target.version, {}));
        ASSERT_TRUE(recovers(*after, oracle_, options_, {target}));
        continue;
      }
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_, {tip, target}, &ending));
      found.insert(ending.place.version);
      count_fault("B1", ending.came);
    }
  }
  EXPECT_EQ(found.size(), 2U) << "the swap was not reached, or only the swap";
}

/// Imports what a view shows into the store of a disk.
Status import_from(const CommitStore& source, SimDisk& disk, bool force) {
  FLATKV_ASSIGN(const ReadView view, source.view());
  ImportOptions options;
  options.force = force;
  FLATKV_ASSIGN(const auto import,
                transfer::RowImport::begin(environment_of(disk), kStore, options));
  std::array<LtHash, 4> hashes;
  std::array<DatabaseStats, 4> stats;
  for (const Database database : test::kData) {
    const auto i = static_cast<std::size_t>(database);
    hashes[i] = view.hash(database);
    stats[i] = view.stats(database);
    FLATKV_ASSIGN(RowIterator rows, view.iterate(database));
    for (; rows.valid(); rows.next()) {
      const ImportRow row{database, rows.key(), rows.value()};
      FLATKV_TRY(import->write({&row, 1}));
    }
    FLATKV_TRY(rows.status());
  }
  return import->finish(view.version(), hashes, stats);
}

class StoreImport : public StoreRows {
 protected:
  StoreImport() : source_(source_disk_, oracle_, options_) {
    source_.open();
    source_.commits(6);
    imported_ = source_.progress().acked;
  }
  SimDisk source_disk_;
  Life source_;
  Place imported_;
};

// I1 over a store: the old one before the swap, the new one after it.
TEST_F(StoreImport, CrashAtEveryStepOverAStore) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.snapshot();
  life.commits(2);
  const Place old = life.progress().acked;
  life.close();
  const std::vector<Moment> moments =
      moments_of(disk_, [&] { ASSERT_OK(import_from(source_.store(), disk_, true)); });
  ASSERT_GT(moments.size(), 100U);
  std::set<std::int64_t> found;
  for (const Moment& moment : moments) {
    if (!all_cases() && moment.n % 6 != 0 && path_class(moment.path) != "CURRENT") continue;
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      const auto after = crashed(*moment.disk, mode, ++seed_);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_, {old, imported_}, &ending));
      found.insert(ending.place.version);
      count_fault("I1", ending.came);
    }
  }
  EXPECT_EQ(found, (std::set<std::int64_t>{old.version, imported_.version}));
}

// I1 where nothing was: `import_incomplete` until the swap, and it can be done again.
TEST_F(StoreImport, CrashAtEveryStepIntoNothing) {
  const std::vector<Moment> moments =
      moments_of(disk_, [&] { ASSERT_OK(import_from(source_.store(), disk_, false)); });
  ASSERT_GT(moments.size(), 100U);
  unsigned incomplete = 0;
  for (const Moment& moment : moments) {
    if (!all_cases() && moment.n % 6 != 0 && path_class(moment.path) != "CURRENT") continue;
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      const auto after = crashed(*moment.disk, mode, ++seed_);
      Options options = options_;
      options.create_if_missing = false;
      const auto before = picture(*after);
      auto opened = store::open_commit_store(environment_of(*after), kStore, options);
      if (opened) {
        EXPECT_OK(opened->close());
        opened = fail(ErrorCode::unsupported, "");  // lets go
        ASSERT_TRUE(recovers(*after, oracle_, options, {imported_}));
        count_fault("I1", Came::recovered);
        continue;
      }
      const ErrorCode code = opened.error().code;
      ASSERT_TRUE(code == ErrorCode::import_incomplete || code == ErrorCode::not_found)
          << opened.error().to_string();
      EXPECT_TRUE(picture(*after) == before);
      incomplete += code == ErrorCode::import_incomplete ? 1 : 0;
      count_fault("I1", Came::refused);
      if (moment.n % 4 != 0) continue;
      ASSERT_OK(import_from(source_.store(), *after, false));
      ASSERT_TRUE(recovers(*after, oracle_, options, {imported_}));
    }
  }
  EXPECT_GT(incomplete, 20U);
}

// I1: a step of the import fails. The old store stands, or the new one; it can be done again.
TEST_F(StoreImport, AStepFails) {
  std::uint64_t n = 1;
  for (;; n += all_cases() ? 1 : 13) {
    SCOPED_TRACE("operation " + std::to_string(n));
    SimDisk disk;
    Life life(disk, oracle_, options_);
    life.open();
    life.commits(4);
    const Place old = life.progress().acked;
    life.close();
    Fault fault;
    fault.nth = static_cast<unsigned>(n);
    disk.inject(fault);
    const Status done = import_from(source_.store(), disk, true);
    if (disk.injected() == 0) break;
    disk.clear_faults();
    const bool power_lost = n % 2 == 0;
    const auto after = crashed(disk, power_lost ? CrashMode::drop_unsynced : CrashMode::process);
    std::vector<Place> allowed = {imported_};
    if (!done) allowed.push_back(old);
    Ending ending;
    ASSERT_TRUE(recovers(*after, oracle_, options_, allowed, &ending))
        << (done ? "it succeeded" : done.error().to_string());
    count_fault("I1", ending.came);
    if (!done && n % 3 == 0) {
      ASSERT_OK(import_from(source_.store(), disk, true));
      ASSERT_TRUE(recovers(disk, oracle_, options_, {imported_}));
    }
  }
  EXPECT_GT(n, 100U);
}

// N1: the disk is full at any fill level; then there is space again.
TEST_F(StoreRows, FullAtEveryLevel) {
  const auto script = [](Life& life) {
    life.open();
    life.commits(3);
    life.flush();
    life.commits(2);
    life.snapshot();
    life.commits(3);
    life.flush();
    life.close();
  };
  {
    Life life(disk_, oracle_, options_);
    script(life);
    ASSERT_FALSE(life.failure());
  }
  const std::uint64_t enough = disk_.used();
  const std::uint64_t step = enough / (all_cases() ? 500 : 40) + 1;
  unsigned ran_full = 0;
  for (std::uint64_t capacity = 0; capacity < enough + enough / 4; capacity += step) {
    SCOPED_TRACE("capacity " + std::to_string(capacity));
    SimDisk disk;
    disk.set_capacity(capacity);
    Life life(disk, oracle_, options_);
    script(life);
    if (life.failure()) {
      ++ran_full;
      EXPECT_EQ(life.failure()->code, ErrorCode::no_space) << life.failure()->to_string();
    }
    disk.set_capacity(~std::uint64_t{0});
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced}) {
      const auto after = crashed(disk, mode);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_,
                           life.progress().allowed(mode != CrashMode::process), &ending));
      count_fault("N1", ending.came);
    }
  }
  EXPECT_GT(ran_full, 20U);
}

}  // namespace
}  // namespace flatkv::simdisk
