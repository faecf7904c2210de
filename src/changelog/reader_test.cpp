// SPDX-License-Identifier: Apache-2.0
#include "changelog/reader.hpp"

#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

constexpr std::size_t kRecord = kRecordHeaderBytes + 20;
constexpr std::uint64_t kTwoRecords = kSegmentHeaderBytes + 2 * kRecord;

class ReaderTest : public LogTest {
 protected:
  Result<Reader> open(std::int64_t from, bool with_payloads = true) {
    return Reader::open(files, "log", *look(0, false), kStore, from, with_payloads);
  }
};

TEST_F(ReaderTest, FromEveryVersionToTheEnd) {
  fill(7, kTwoRecords);
  for (std::int64_t from = 1; from <= 8; ++from) {
    for (const bool with_payloads : {false, true}) {
      auto reader = open(from, with_payloads);
      ASSERT_TRUE(reader);
      for (std::int64_t version = from; version <= 7; ++version) {
        const auto record = reader->next();
        ASSERT_TRUE(record) << record.error().to_string();
        ASSERT_TRUE(*record);
        EXPECT_EQ((*record)->header.version, version);
        EXPECT_EQ((*record)->header.roots, roots_of(version));
        EXPECT_EQ((*record)->payload, with_payloads ? payload_of(version) : Bytes{});
        EXPECT_EQ((*record)->segment, segment_name((version - 1) / 2 * 2 + 1));
        EXPECT_EQ((*record)->offset, kSegmentHeaderBytes + (version % 2 == 0 ? kRecord : 0));
      }
      EXPECT_FALSE(*reader->next());
      EXPECT_FALSE(*reader->next()) << "the end stays the end";
    }
  }
}

TEST_F(ReaderTest, OutsideOfTheLogIsAGapThatNamesTheRange) {
  create(10);
  ASSERT_TRUE(append_record(*writer(), 11, payload_of(11)));
  for (const std::int64_t from : {-1, 0, 9, 10, 13}) {
    const auto reader = open(from);
    ASSERT_FALSE(reader) << from;
    EXPECT_EQ(reader.error().code, ErrorCode::log_gap);
    EXPECT_NE(reader.error().message.find("from version 11 to 11"), std::string::npos);
  }
  EXPECT_TRUE(open(12));
}

TEST_F(ReaderTest, NothingBeyondTheSurveyedTip) {
  fill(3);
  const auto before = look();
  const auto log = writer(kTwoRecords);
  ASSERT_TRUE(append_record(*log, 4, payload_of(4)));
  ASSERT_TRUE(append_record(*log, 5, payload_of(5)));
  auto reader = Reader::open(files, "log", *before, kStore, 3, true);
  EXPECT_EQ((*reader->next())->header.version, 3);
  EXPECT_FALSE(*reader->next());
}

TEST_F(ReaderTest, EverySegmentIsOpenBeforeTheFirstRecord) {
  fill(6, kTwoRecords);
  auto reader = open(1);
  ASSERT_TRUE(reader);
  for (const std::int64_t first : {1, 3, 5}) files.erase(name(first));
  for (std::int64_t version = 1; version <= 6; ++version) {
    EXPECT_EQ((*reader->next())->payload, payload_of(version));
  }
}

TEST_F(ReaderTest, SegmentPrunedSinceTheSurveyIsNotFound) {
  fill(6, kTwoRecords);
  const auto before = look();
  files.erase(name(1));
  const auto reader = Reader::open(files, "log", *before, kStore, 1, true);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::not_found);
  EXPECT_TRUE(Reader::open(files, "log", *before, kStore, 3, true)) << "not needed, not missed";
}

TEST_F(ReaderTest, W3_FlippedBitsAreNamedWhenTheRecordIsRead) {
  fill(6, kTwoRecords);
  const auto good = look();
  const std::uint64_t offset = kSegmentHeaderBytes + kRecord;  // of version 4
  for (std::size_t byte = 0; byte < kRecord; ++byte) {
    files.content(name(3))[offset + byte] ^= 0x10;
    auto reader = Reader::open(files, "log", *good, kStore, 3, true);
    ASSERT_TRUE(reader);
    EXPECT_TRUE(reader->next());
    const auto bad = reader->next();
    ASSERT_FALSE(bad) << byte;
    EXPECT_EQ(bad.error().code, ErrorCode::corruption);
    EXPECT_EQ(bad.error().path, name(3));
    EXPECT_EQ(bad.error().version, 4);
    EXPECT_EQ(bad.error().offset, offset);
    EXPECT_TRUE(Reader::open(files, "log", *good, kStore, 6, true))
        << "nothing below 5 is read for 6";
    files.content(name(3))[offset + byte] ^= 0x10;
  }
}

TEST_F(ReaderTest, PayloadsAreCheckedOnlyWhenRead) {
  fill(3);
  const auto good = look();
  files.content(name(1))[kSegmentHeaderBytes + kRecordHeaderBytes] ^= 1;
  auto headers = Reader::open(files, "log", *good, kStore, 1, false);
  EXPECT_TRUE(headers->next());
  auto whole = Reader::open(files, "log", *good, kStore, 1, true);
  EXPECT_FALSE(whole->next());
  auto above = Reader::open(files, "log", *good, kStore, 2, true);
  EXPECT_TRUE(above->next());
}

TEST_F(ReaderTest, SegmentThatBecameShorterIsCorruption) {
  fill(3);
  const auto good = look();
  files.content(name(1)).pop_back();
  EXPECT_EQ(Reader::open(files, "log", *good, kStore, 1, true).error().code, ErrorCode::corruption);
  files.content(name(1)) = {};
  EXPECT_EQ(Reader::open(files, "log", *good, kStore, 1, true).error().code, ErrorCode::corruption);
}

// docs/hazards.md#skipped-versions
TEST_F(ReaderTest, GapBetweenSegmentsIsNeverSkipped) {
  fill(6, kTwoRecords);
  auto doctored = look();
  files.erase(name(3));
  doctored->segments.erase(doctored->segments.begin() + 1);
  auto reader = Reader::open(files, "log", *doctored, kStore, 1, true);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->next());
  EXPECT_TRUE(reader->next());
  const auto gap = reader->next();
  ASSERT_FALSE(gap);
  EXPECT_EQ(gap.error().code, ErrorCode::log_gap);
  EXPECT_EQ(gap.error().version, 3);
}

TEST_F(ReaderTest, SegmentWithABaseOfAnotherChainIsCorruption) {
  fill(4, kTwoRecords);
  auto doctored = look();
  doctored->segments[1].header.base.digest = filled(9);
  auto reader = Reader::open(files, "log", *doctored, kStore, 2, true);
  EXPECT_TRUE(reader->next());
  const auto bad = reader->next();
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::corruption);
  EXPECT_EQ(bad.error().path, name(3));
  EXPECT_EQ(bad.error().version, 3);
}

TEST_F(ReaderTest, FindHeaderOfEveryVersion) {
  fill(7, kTwoRecords);
  const auto found = look();
  for (std::int64_t version = -1; version <= 9; ++version) {
    const auto header = find_header(files, "log", *found, kStore, version);
    ASSERT_TRUE(header);
    ASSERT_EQ(header->has_value(), version >= 1 && version <= 7) << version;
    if (*header) {
      EXPECT_EQ((*header)->version, version);
      EXPECT_EQ((*header)->roots, roots_of(version));
    }
  }
  const auto place = find_record(files, "log", *found, kStore, 3);
  EXPECT_EQ((*place)->segment, segment_name(3));
  EXPECT_EQ((*place)->end_offset, kSegmentHeaderBytes + kRecord);
}

TEST_F(ReaderTest, LogWithoutRecords) {
  create();
  auto reader = open(1);
  ASSERT_TRUE(reader);
  EXPECT_FALSE(*reader->next());
  EXPECT_FALSE(*find_header(files, "log", *look(), kStore, 0));
}

}  // namespace
}  // namespace flatkv::changelog::test
