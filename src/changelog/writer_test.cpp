// SPDX-License-Identifier: Apache-2.0
#include "changelog/writer.hpp"

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/endian.hpp"
#include "base/failpoint.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/reader.hpp"
#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

constexpr std::size_t kRecord = kRecordHeaderBytes + 20;
constexpr std::uint64_t kTwoRecords = kSegmentHeaderBytes + 2 * kRecord;

class WriterTest : public LogTest {
 protected:
  void SetUp() override { create(); }

  std::vector<std::string> operations() {
    std::vector<std::string> all;
    all.swap(files.log);
    return all;
  }
};

TEST_F(WriterTest, BytesAreHeaderThenPayloadChainedFromTheBase) {
  const auto log = writer();
  const Bytes first = payload_of(1, 7);
  const Bytes second = payload_of(2, 0);
  const Digest first_digest = *append_record(*log, 1, first);
  const Digest second_digest = *append_record(*log, 2, second);
  // Build the same bytes by hand; record_test.cpp checks `encode` against raw bytes.
  Bytes want = to_bytes(encode(SegmentHeader{kStore, base_}));
  RecordHeader one{1, 0, 7, base_.digest, blake3::hash(first), roots_of(1), {}};
  append(want, encode(kStore, one));
  append(want, first);
  RecordHeader two{2, 0, 0, one.digest, blake3::hash(second), roots_of(2), {}};
  append(want, encode(kStore, two));
  EXPECT_EQ(files.content(name(1)), want);
  EXPECT_EQ(first_digest, one.digest);
  EXPECT_EQ(second_digest, two.digest);
}

TEST_F(WriterTest, OneWriteForEachRecordAndOneSync) {
  const auto log = writer();
  static_cast<void>(operations());
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  ASSERT_TRUE(log->sync());
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(operations(), (std::vector<std::string>{"append " + name(1), "sync " + name(1)}));
}

TEST_F(WriterTest, TipSyncedAndBytes) {
  const auto log = writer();
  EXPECT_EQ(log->tip().version, 0);
  EXPECT_EQ(log->tip().digest, base_.digest);
  EXPECT_EQ(log->synced(), 0);
  const auto digest = append_record(*log, 1, payload_of(1));
  EXPECT_EQ(log->tip().version, 1);
  EXPECT_EQ(log->tip().digest, *digest);
  EXPECT_EQ(log->tip().roots, roots_of(1));
  EXPECT_EQ(log->tip().segment, segment_name(1));
  EXPECT_EQ(log->tip().end_offset, kSegmentHeaderBytes + kRecord);
  EXPECT_EQ(log->appended_bytes(), kRecord);
  EXPECT_EQ(log->synced(), 0);
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->synced(), 1);
  // A log walk must find what the writer reports.
  const Tip found = look()->tip;
  EXPECT_EQ(found.digest, log->tip().digest);
  EXPECT_EQ(found.end_offset, log->tip().end_offset);
}

TEST_F(WriterTest, SyncedInRecordsIsWhatWasDurableBefore) {
  const auto log = writer();
  for (std::int64_t version = 1; version <= 9; ++version) {
    ASSERT_TRUE(append_record(*log, version, payload_of(version)));
    if (version % 3 == 0) {
      ASSERT_TRUE(log->sync());
    }
  }
  auto reader = Reader::open(files, "log", *look(), kStore, 1, false);
  for (std::int64_t version = 1; version <= 9; ++version) {
    EXPECT_EQ((*reader->next())->header.synced, (version - 1) / 3 * 3) << version;
  }
}

TEST_F(WriterTest, ContinuesAfterReopening) {
  for (std::int64_t version = 1; version <= 5; ++version) {
    const auto log = writer(kTwoRecords);
    EXPECT_EQ(log->synced(), version - 1);
    ASSERT_TRUE(append_record(*log, version, payload_of(version)));
  }
  EXPECT_EQ(look()->tip.version, 5);
  EXPECT_EQ(look()->segments.size(), 3U);
  EXPECT_EQ(look()->synced, 4) << "what was found at opening is durable";
}

TEST_F(WriterTest, WrongVersionsAreRefusedAndHarmless) {
  const auto log = writer();
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  const Bytes before = files.content(name(1));
  for (const std::int64_t version : {0, 1, 3, -1}) {
    const auto result = append_record(*log, version, payload_of(1));
    ASSERT_FALSE(result) << version;
    EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_EQ(files.content(name(1)), before);
  EXPECT_TRUE(append_record(*log, 2, payload_of(2)));
}

TEST_F(WriterTest, SegmentThatIsNotAsLongAsTheTipSaysIsRefused) {
  Tip tip = look()->tip;
  files.content(name(1)).push_back(0);
  EXPECT_EQ(Writer::open(files, "log", tip, {kStore}).error().code, ErrorCode::corruption);
  files.content(name(1)).resize(10);
  EXPECT_EQ(Writer::open(files, "log", tip, {kStore}).error().code, ErrorCode::corruption);
  tip.segment = segment_name(2);
  EXPECT_EQ(Writer::open(files, "log", tip, {kStore}).error().code, ErrorCode::not_found);
}

// ---- rotation ----

// docs/hazards.md#rename-without-directory-sync
TEST_F(WriterTest, RotationIsDurableStepByStep) {
  const auto log = writer(kTwoRecords);
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  ASSERT_TRUE(append_record(*log, 2, payload_of(2)));
  static_cast<void>(operations());
  ASSERT_TRUE(append_record(*log, 3, payload_of(3)));
  const std::string temporary = name(3) + "-tmp";
  EXPECT_EQ(operations(), (std::vector<std::string>{"sync " + name(1), "create " + temporary,
                                                    "append " + temporary, "sync " + temporary,
                                                    "rename " + temporary + " " + name(3),
                                                    "syncdir log", "append " + name(3)}));
  EXPECT_EQ(log->synced(), 2);
  const auto second = find_header(files, "log", *look(), kStore, 2);
  EXPECT_EQ(look()->segments[1].header.base, (Base{2, (*second)->digest}));
}

TEST_F(WriterTest, SegmentsAreFullOrHoldOneLargeRecord) {
  const auto log = writer(kTwoRecords);
  const std::vector<std::size_t> sizes = {20, 20, 5000, 20, 5000, 5000, 0, 40, 1};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto version = static_cast<std::int64_t>(i + 1);
    ASSERT_TRUE(append_record(*log, version, payload_of(version, sizes[i])));
  }
  const auto found = look();
  EXPECT_FALSE(found->damage);
  std::vector<std::int64_t> firsts;
  for (const Segment& segment : found->segments) firsts.push_back(segment.first_version);
  // 7 and 8 fill a segment to the last byte.
  EXPECT_EQ(firsts, (std::vector<std::int64_t>{1, 3, 4, 5, 6, 7, 9}));
  EXPECT_EQ(found->tip.version, 9);
}

TEST_F(WriterTest, LargeFirstRecordNeedsNoEmptySegmentBeforeIt) {
  const auto log = writer(kTwoRecords);
  ASSERT_TRUE(append_record(*log, 1, payload_of(1, 5000)));
  EXPECT_EQ(look()->segments.size(), 1U);
}

TEST_F(WriterTest, RotationNeverTakesThePlaceOfAFile) {
  const auto log = writer(kTwoRecords);
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  ASSERT_TRUE(append_record(*log, 2, payload_of(2)));
  files.put(name(3), {1, 2, 3});
  EXPECT_EQ(append_record(*log, 3, payload_of(3)).error().code, ErrorCode::corruption);
  EXPECT_EQ(files.content(name(3)), (Bytes{1, 2, 3}));
}

TEST_F(WriterTest, AnOldTemporaryFileIsNoObstacle) {
  const auto log = writer(kTwoRecords);
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  ASSERT_TRUE(append_record(*log, 2, payload_of(2)));
  files.put(name(3) + "-tmp", {1, 2, 3});
  EXPECT_TRUE(append_record(*log, 3, payload_of(3)));
  EXPECT_EQ(look()->tip.version, 3);
}

// ---- failures ----

TEST_F(WriterTest, AfterAFailedOperationEverythingIsStoreFailed) {
  // The script below makes 9 changes after the writer is open.
  for (int nth = 0; nth < 9; ++nth) {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    create();
    const auto log = writer(kTwoRecords);
    files.fail_after = nth;
    std::int64_t acknowledged = 0;
    std::int64_t durable = 0;
    bool failed = false;
    for (std::int64_t version = 1; version <= 3 && !failed; ++version) {
      failed = !append_record(*log, version, payload_of(version));
      if (!failed) acknowledged = version;
    }
    if (!failed) {
      failed = !log->sync();
      EXPECT_TRUE(failed) << nth;
    }
    durable = log->synced();
    files.fail_after = -1;
    EXPECT_EQ(append_record(*log, acknowledged + 1, payload_of(1)).error().code,
              ErrorCode::store_failed);
    const auto operations_before = files.log.size();
    EXPECT_EQ(log->sync().error().code, ErrorCode::store_failed) << "no sync is tried again";
    EXPECT_EQ(files.log.size(), operations_before);
    EXPECT_EQ(log->tip().version, acknowledged);
    files.power_cut();
    const auto found = look();
    ASSERT_TRUE(found);
    EXPECT_GE(found->tip.version, durable) << nth;
    EXPECT_LE(found->tip.version, 3);
  }
}

TEST_F(WriterTest, PowerCutKeepsWhatWasSynced) {
  const auto log = writer(kTwoRecords);
  for (std::int64_t version = 1; version <= 20; ++version) {
    ASSERT_TRUE(append_record(*log, version, payload_of(version)));
    if (version == 13) {
      ASSERT_TRUE(log->sync());
    }
  }
  files.power_cut();
  const auto found = look();
  // The rotation before 19 made 18 durable.
  EXPECT_EQ(found->tip.version, 18);
  EXPECT_FALSE(found->damage);
}

#ifdef FLATKV_FAILPOINTS

class WriterFailpointTest : public WriterTest {
 protected:
  void TearDown() override { failpoint::disarm_all(); }
};

TEST_F(WriterFailpointTest, EverySiteIsHitAndKillsTheWriter) {
  for (const std::string site :
       {"changelog.append.before", "changelog.append.after", "changelog.sync.before",
        "changelog.sync.after", "changelog.rotate.before", "changelog.rotate.after_sync",
        "changelog.rotate.after_create", "changelog.create.before", "changelog.create.before_write",
        "changelog.create.after_write", "changelog.create.after_sync",
        "changelog.create.after_rename", "changelog.create.after_directory_sync"}) {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    create();
    const auto log = writer(kTwoRecords);
    ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
    ASSERT_TRUE(append_record(*log, 2, payload_of(2)));
    failpoint::arm(site, []() -> Status { return fail(ErrorCode::io, "injected failure"); });
    const auto result = append_record(*log, 3, payload_of(3));
    ASSERT_FALSE(result) << site;
    EXPECT_EQ(result.error().code, ErrorCode::io);
    EXPECT_EQ(append_record(*log, 3, payload_of(3)).error().code, ErrorCode::store_failed);
    EXPECT_EQ(log->sync().error().code, ErrorCode::store_failed);
    EXPECT_EQ(log->tip().version, 2);
    const auto found = look();
    ASSERT_TRUE(found) << site;
    EXPECT_GE(found->tip.version, 2) << site;
    EXPECT_FALSE(found->damage) << site;
  }
}

TEST_F(WriterFailpointTest, AppendIsNotTheVersionBeforeItsRecordIsWritten) {
  const auto log = writer();
  failpoint::arm("changelog.append.before", [&]() -> Status {
    EXPECT_EQ(log->tip().version, 0);
    return {};
  });
  failpoint::arm("changelog.append.after", [&]() -> Status {
    EXPECT_EQ(log->tip().version, 0);
    return {};
  });
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  EXPECT_EQ(log->tip().version, 1);
}

TEST_F(WriterFailpointTest, SyncCoversOnlyWhatWasAppendedBeforeItBegan) {
  const auto log = writer(kTwoRecords);
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  // Two records arrive during the sync of the first, the second in a new segment. The rotation
  // waits for the sync, so it needs a thread of its own.
  std::thread appender;
  std::atomic<bool> second = false;
  failpoint::arm("changelog.sync.before", [&]() -> Status {
    appender = std::thread([&] {
      EXPECT_TRUE(append_record(*log, 2, payload_of(2)));
      second = true;
      EXPECT_TRUE(append_record(*log, 3, payload_of(3)));
    });
    while (!second) std::this_thread::yield();
    return {};
  });
  ASSERT_TRUE(log->sync());
  appender.join();
  EXPECT_GE(log->synced(), 1);
  EXPECT_LE(log->synced(), 2) << "3 was never synced";
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->synced(), 3);
  files.power_cut();
  EXPECT_EQ(look()->tip.version, 3);
}

TEST_F(WriterFailpointTest, NoSyncReturnsOkWhileAnotherOneFails) {
  const auto log = writer();
  ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
  std::atomic<bool> inside = false;
  std::atomic<bool> other_called = false;
  failpoint::arm("changelog.sync.before", [&]() -> Status {
    inside = true;
    while (!other_called) std::this_thread::yield();
    return fail(ErrorCode::io, "injected failure");
  });
  Status first;
  std::thread thread([&] { first = log->sync(); });
  while (!inside) std::this_thread::yield();
  std::thread other([&] {
    other_called = true;
    EXPECT_EQ(log->sync().error().code, ErrorCode::store_failed);
  });
  thread.join();
  other.join();
  EXPECT_EQ(first.error().code, ErrorCode::io);
  EXPECT_EQ(log->synced(), 0);
}

#endif

// ---- threads ----

TEST(WriterThreads, AppendAndSyncAtTheSameTimeAcrossRotations) {
  const std::filesystem::path directory =
      std::filesystem::path(::testing::TempDir()) / ("changelog-" + std::to_string(::getpid()));
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  const std::string path = (directory / "log").string();
  const Base base{0, filled(1)};
  ASSERT_TRUE(create_log(fs::posix(), path, kStore, base));
  const Tip tip = walk_segments(fs::posix(), path, {kStore, 0, true})->value().tip;
  auto log = Writer::open(fs::posix(), path, tip, {kStore, 4096});
  ASSERT_TRUE(log);
  constexpr std::int64_t kLast = 400;
  std::atomic<bool> done = false;
  const auto flush = [&] {
    std::int64_t before = 0;
    while (!done) {
      const std::int64_t appended = (*log)->tip().version;
      ASSERT_TRUE((*log)->sync());
      const std::int64_t synced = (*log)->synced();
      ASSERT_GE(synced, appended);
      ASSERT_GE(synced, before);
      before = synced;
    }
  };
  std::thread one(flush);
  std::thread two(flush);
  for (std::int64_t version = 1; version <= kLast; ++version) {
    ASSERT_TRUE(append_record(**log, version,
                              payload_of(version, 100 + static_cast<std::size_t>(version) % 300)));
  }
  done = true;
  one.join();
  two.join();
  const auto found = walk_segments(fs::posix(), path, {kStore, 0, true});
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->tip.version, kLast);
  EXPECT_FALSE((*found)->damage);
  EXPECT_GT((*found)->segments.size(), 20U);
  std::int64_t synced = 0;
  auto reader = Reader::open(fs::posix(), path, **found, kStore, 1, true);
  for (std::int64_t version = 1; version <= kLast; ++version) {
    const auto record = reader->next();
    ASSERT_TRUE(record) << record.error().to_string();
    EXPECT_GE((*record)->header.synced, synced) << "what is durable never becomes less";
    synced = (*record)->header.synced;
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace flatkv::changelog::test
