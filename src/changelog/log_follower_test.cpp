// SPDX-License-Identifier: Apache-2.0
#include "changelog/log_follower.hpp"

#include <functional>

#include "base/version_arithmetic.hpp"
#include "changelog/reader.hpp"
#include "changelog/segment_file.hpp"
#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

constexpr std::uint64_t kTwoRecords = kSegmentHeaderBytes + 2 * (kRecordHeaderBytes + 20);

class FollowerTest : public LogTest {
 protected:
  LogFollower follow(bool with_payloads = true) {
    return {files, "log", kStore, Tip{0, base_.digest, {}, segment_name(1), kSegmentHeaderBytes},
            with_payloads};
  }
  /// The version of the next record; 0 if there is none.
  static std::int64_t next(LogFollower& follower) {
    const auto record = follower.next();
    EXPECT_TRUE(record) << record.error().to_string();
    return record && *record ? (*record)->header.version : 0;
  }
  static ErrorCode refusal(LogFollower& follower) {
    const auto record = follower.next();
    EXPECT_FALSE(record);
    return record ? ErrorCode::cancelled : record.error().code;
  }
};

TEST_F(FollowerTest, ReadsEachRecordWhenItIsThereAndWhereItIs) {
  create();
  const auto log = writer(kTwoRecords);
  LogFollower whole = follow();
  LogFollower headers = follow(false);
  for (std::int64_t version = 1; version <= 5; ++version) {
    EXPECT_EQ(next(whole), 0);
    EXPECT_FALSE(whole.is_unclear());
    ASSERT_TRUE(append_record(*log, version, payload_of(version)));
    const auto record = whole.next();
    ASSERT_TRUE(record && *record);
    EXPECT_EQ((*record)->header.version, version);
    EXPECT_EQ((*record)->payload, payload_of(version));
    EXPECT_EQ((*record)->segment, log->tip().segment);
    EXPECT_EQ((*record)->offset, log->tip().end_offset - kRecordHeaderBytes - 20);
    EXPECT_EQ(whole.chain().digest, log->tip().digest);
    EXPECT_EQ((*headers.next())->payload, Bytes{});
  }
}

TEST_F(FollowerTest, ARecordThatIsBeingWrittenIsUnclearUntilItIsWhole) {
  fill(2);
  LogFollower follower = follow();
  Bytes& segment = files.content(name(1));
  const std::uint8_t last = segment.back();
  segment.pop_back();
  EXPECT_EQ(next(follower), 1);
  EXPECT_EQ(next(follower), 0);
  EXPECT_TRUE(follower.is_unclear());
  segment.push_back(last);
  EXPECT_EQ(next(follower), 2);
  EXPECT_EQ(next(follower), 0);
  EXPECT_FALSE(follower.is_unclear());
}

TEST_F(FollowerTest, BehindTheLastVersionThatThereIsComesNothing) {
  create(kLastVersion - 1);
  const auto log = writer();
  ASSERT_TRUE(append_record(*log, kLastVersion, payload_of(1)));
  LogFollower follower(
      files, "log", kStore,
      Tip{kLastVersion - 1, base_.digest, {}, segment_name(kLastVersion), kSegmentHeaderBytes},
      true);
  EXPECT_EQ(next(follower), kLastVersion);
  EXPECT_EQ(next(follower), 0);
  EXPECT_FALSE(follower.is_unclear());
  files.erase(name(kLastVersion));
  EXPECT_EQ(refusal(follower), ErrorCode::not_found);
}

TEST_F(FollowerTest, ASegmentThatWasPrunedIsMissedOnlyIfItWasNotReadToItsEnd) {
  fill(5, kTwoRecords);
  LogFollower done = follow();
  EXPECT_EQ(next(done), 1);
  EXPECT_EQ(next(done), 2);
  LogFollower behind = follow();
  files.erase(name(1));
  EXPECT_EQ(next(done), 3);
  EXPECT_EQ(refusal(behind), ErrorCode::not_found);
}

TEST_F(FollowerTest, ALogThatWentBackOrOnElsewhereIsNotFollowed) {
  fill(4, kTwoRecords);
  const auto old = files.everything();
  const auto at = [&](std::int64_t version) {
    files.restore(old);
    LogFollower follower = follow();
    while (follower.chain().version < version) EXPECT_NE(next(follower), 0);
    return follower;
  };
  LogFollower shorter = at(2);
  files.content(name(1)).resize(kSegmentHeaderBytes);
  EXPECT_EQ(refusal(shorter), ErrorCode::version_mismatch);

  files.restore(old);
  Bytes& segment = files.content(name(1));
  segment.resize(kTwoRecords - kRecordHeaderBytes - 20);
  LogFollower other = follow();
  EXPECT_EQ(next(other), 1);
  RecordHeader header;
  header.version = 2;
  header.previous = filled(9);
  append(segment, raw_record(kStore, header, payload_of(2)));
  EXPECT_EQ(refusal(other), ErrorCode::version_mismatch) << "another block before it";
  segment.resize(kTwoRecords - kRecordHeaderBytes - 20);
  header.version = 3;
  header.previous = other.chain().digest;
  append(segment, raw_record(kStore, header, payload_of(2)));
  EXPECT_EQ(refusal(other), ErrorCode::version_mismatch) << "another version";

  LogFollower branch = at(2);
  files.content(name(3)) = to_bytes(encode(SegmentHeader{kStore, {2, filled(9)}}));
  EXPECT_EQ(refusal(branch), ErrorCode::version_mismatch);
  files.content(name(3)) = to_bytes(encode(SegmentHeader{kOtherStore, {2, branch.chain().digest}}));
  EXPECT_EQ(refusal(branch), ErrorCode::foreign_store);
  files.content(name(3)).resize(8);
  EXPECT_EQ(refusal(branch), ErrorCode::corruption);
}

TEST_F(FollowerTest, AReadThatFailsIsAnErrorAndTheNextCallGoesOn) {
  fill(3, kTwoRecords, 9000);
  int failed = 0;
  for (int nth = 0;; ++nth) {
    LogFollower follower = follow();
    files.fail_read_after = nth;
    std::int64_t version = 0;
    while (version < 3) {
      const auto record = follower.next();
      if (record) {
        ASSERT_TRUE(*record);
        ++version;
        EXPECT_EQ((*record)->payload, payload_of(version, 9000)) << nth;
      } else {
        EXPECT_EQ(record.error().code, ErrorCode::io);
        ++failed;
      }
    }
    if (files.fail_read_after >= 0) break;
  }
  files.fail_read_after = -1;
  EXPECT_GE(failed, 3);
}

// The other readers of a log.
TEST_F(FollowerTest, AReadThatFailsIsNoEndOfTheLog) {
  fill(6, kTwoRecords);
  files.content(name(5)).back() ^= 1;
  const auto good = look(0, false);
  const auto expect_all = [&](const std::string& what, const std::function<Status()>& action) {
    int nth = 0;
    for (;; ++nth) {
      files.fail_read_after = nth;
      const Status status = action();
      if (files.fail_read_after >= 0) {
        EXPECT_TRUE(status) << what;
        break;
      }
      ASSERT_FALSE(status) << what << " " << nth;
      EXPECT_EQ(status.error().code, ErrorCode::io) << what << " " << nth;
    }
    files.fail_read_after = -1;
    EXPECT_GE(nth, 1) << what;
  };
  const auto status_of = [](const auto& result) {
    return result ? Status{} : std::unexpected(result.error());
  };
  expect_all("walk", [&] { return status_of(try_look()); });
  expect_all("walk from the middle", [&] { return status_of(try_look(3)); });
  expect_all("find", [&] { return status_of(find_header(files, "log", *good, kStore, 4)); });
  expect_all("read", [&]() -> Status {
    FLATKV_ASSIGN(auto reader, Reader::open(files, "log", *good, kStore, 2, true));
    for (std::int64_t version = 2; version <= 5; ++version) {
      FLATKV_ASSIGN(const auto record, reader.next());
      EXPECT_EQ(record->payload, payload_of(version));
    }
    return {};
  });
}

}  // namespace
}  // namespace flatkv::changelog::test
