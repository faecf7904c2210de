// SPDX-License-Identifier: Apache-2.0
#include "changelog/log_walk.hpp"

#include <limits>

#include "base/endian.hpp"
#include "base/version_arithmetic.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

using SurveyTest = LogTest;

constexpr std::size_t kRecord = kRecordHeaderBytes + 20;  // of a payload of 20 bytes
constexpr std::uint64_t end_of(std::int64_t version) {
  return kSegmentHeaderBytes + static_cast<std::uint64_t>(version) * kRecord;
}
constexpr std::uint64_t kTwoRecords = kSegmentHeaderBytes + 2 * kRecord;

TEST_F(SurveyTest, MissingAndEmptyDirectoriesAreNothing) {
  EXPECT_FALSE(*try_look());
  ASSERT_TRUE(files.make_directory("log"));
  EXPECT_FALSE(*try_look());
  files.put("log/notes.txt", {1, 2, 3});
  files.put("log/00000000000000000001.log-tmp", {1, 2, 3});
  EXPECT_FALSE(*try_look());
}

TEST_F(SurveyTest, TheOrderOfADirectoryDoesNotMatter) {
  fill(6, kTwoRecords);
  files.list_backwards = true;
  EXPECT_EQ(look()->tip.version, 6);
  EXPECT_FALSE(look()->damage);
}

TEST_F(SurveyTest, SomethingElseThanADirectoryIsCorruption) {
  files.put("log", {}, fs::FileType::symlink);
  EXPECT_EQ(refusal(), ErrorCode::corruption);
}

TEST_F(SurveyTest, LogWithoutRecordsEndsAtItsBase) {
  create(41);
  const auto found = look();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->base, base_);
  EXPECT_EQ(found->tip.version, 41);
  EXPECT_EQ(found->tip.digest, base_.digest);
  EXPECT_FALSE(found->tip.roots);
  EXPECT_EQ(found->tip.segment, segment_name(42));
  EXPECT_EQ(found->tip.end_offset, kSegmentHeaderBytes);
  EXPECT_FALSE(found->damage);
  EXPECT_EQ(found->synced, 0);
}

TEST_F(SurveyTest, WholeLog) {
  fill(5, kTwoRecords);
  const auto found = look();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->segments.size(), 3U);
  EXPECT_EQ(found->segments[1].first_version, 3);
  EXPECT_EQ(found->segments[1].header.base.version, 2);
  EXPECT_EQ(found->tip.version, 5);
  EXPECT_EQ(found->tip.roots, roots_of(5));
  EXPECT_EQ(found->tip.segment, segment_name(5));
  EXPECT_EQ(found->tip.end_offset, end_of(1));
  EXPECT_EQ(found->synced, 4);
  EXPECT_FALSE(found->damage);
  EXPECT_TRUE(found->strays.empty());
}

// ---- W1, W2: the last segment, exhaustively ----

TEST_F(SurveyTest, W1_LastSegmentCutAtEveryByte) {
  fill(3);
  const Bytes whole = files.content(name(1));
  ASSERT_EQ(whole.size(), end_of(3));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    files.content(name(1)) = to_bytes(ByteView(whole).first(size));
    if (size < kSegmentHeaderBytes) {
      ASSERT_EQ(refusal(), ErrorCode::corruption) << size << ": a header is never a torn write";
      continue;
    }
    const auto found = look();
    ASSERT_TRUE(found);
    const auto kept = static_cast<std::int64_t>((size - kSegmentHeaderBytes) / kRecord);
    ASSERT_EQ(found->tip.version, kept) << size;
    ASSERT_EQ(found->tip.end_offset, end_of(kept));
    ASSERT_EQ(found->damage.has_value(), size != end_of(kept)) << size;
    if (found->damage) {
      ASSERT_EQ(found->damage->offset, end_of(kept));
      ASSERT_EQ(found->damage->version, kept + 1);
      ASSERT_FALSE(found->damage->valid_above);
      ASSERT_FALSE(found->damage->zeros_only);
    }
  }
}

TEST_F(SurveyTest, W2_EveryBitFlipped) {
  fill(3);
  const Bytes whole = files.content(name(1));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    files.content(name(1)) = whole;
    files.content(name(1))[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    if (bit / 8 < kSegmentHeaderBytes) {
      const ErrorCode code = refusal();
      ASSERT_EQ(code, ErrorCode::corruption) << bit;
      continue;
    }
    const auto found = look();
    ASSERT_TRUE(found);
    const auto kept = static_cast<std::int64_t>((bit / 8 - kSegmentHeaderBytes) / kRecord);
    ASSERT_EQ(found->tip.version, kept) << bit;
    ASSERT_TRUE(found->damage);
    ASSERT_EQ(found->damage->offset, end_of(kept));
    ASSERT_EQ(found->damage->valid_above, kept < 2) << "records above the flipped one are whole";
    ASSERT_FALSE(found->damage->zeros_only);
    const bool in_payload = (bit / 8 - kSegmentHeaderBytes) % kRecord >= kRecordHeaderBytes;
    ASSERT_EQ(found->synced, kept == 2 && !in_payload ? 1 : 2) << "what is above still tells";
  }
}

TEST_F(SurveyTest, W3_SealedSegmentsAreWalkedByHeadersAlone) {
  fill(5, kTwoRecords);
  files.content(name(1))[kSegmentHeaderBytes + kRecordHeaderBytes] ^= 1;  // payload of version 1
  EXPECT_FALSE(look()->damage);
  files.content(name(5))[kSegmentHeaderBytes + kRecordHeaderBytes] ^= 1;  // payload of version 5
  EXPECT_FALSE(look(0, false)->damage) << "payloads only when asked for";
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->tip.version, 4);
  EXPECT_EQ(found->tip.roots, roots_of(4));
  EXPECT_EQ(found->tip.segment, segment_name(5));
  EXPECT_EQ(found->tip.end_offset, kSegmentHeaderBytes);
}

TEST_F(SurveyTest, W3_DamageInASealedSegment) {
  fill(5, kTwoRecords);
  files.content(name(1))[end_of(1) + 50] ^= 1;  // header of version 2
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->segment, segment_name(1));
  EXPECT_EQ(found->damage->offset, end_of(1));
  EXPECT_EQ(found->damage->version, 2);
  EXPECT_TRUE(found->damage->valid_above);
  EXPECT_EQ(found->tip.version, 1);
  EXPECT_EQ(found->synced, 4);
  EXPECT_FALSE(look(3)->damage) << "nothing below is looked at";
  EXPECT_EQ(look(3)->tip.version, 5);
}

TEST_F(SurveyTest, PayloadsOfTheSegmentThatWouldBeCutCount) {
  fill(6, kTwoRecords);
  files.content(name(3))[kSegmentHeaderBytes + kRecordHeaderBytes] ^= 1;  // payload of version 3
  EXPECT_FALSE(look()->damage);
  const Bytes third = files.content(name(3));
  files.content(name(3))[end_of(1) + 50] ^= 1;  // header of version 4
  for (const bool gap : {false, true}) {
    if (gap) {
      files.content(name(3)) = third;
      files.content(name(3)).resize(end_of(1));
    }
    const auto found = look();
    ASSERT_TRUE(found->damage);
    EXPECT_EQ(found->tip.version, 2);
    EXPECT_EQ(found->tip.roots, roots_of(2));
    EXPECT_EQ(found->tip.segment, segment_name(3));
    EXPECT_EQ(found->tip.end_offset, kSegmentHeaderBytes);
    EXPECT_EQ(found->damage->version, 3);
    EXPECT_TRUE(found->damage->valid_above);
    EXPECT_EQ(look(0, false)->tip.version, 3);
  }
}

TEST_F(SurveyTest, W3_SealedSegmentCutAtARecordIsAGap) {
  fill(5, kTwoRecords);
  files.content(name(1)).resize(end_of(1));
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "gap");
  EXPECT_EQ(found->damage->version, 2);
  EXPECT_TRUE(found->damage->valid_above);
  EXPECT_EQ(found->tip.version, 1);
  EXPECT_EQ(found->tip.segment, segment_name(1));
  EXPECT_EQ(found->tip.end_offset, end_of(1));
}

// ---- W4, W5: tails ----

TEST_F(SurveyTest, W4_ZerosAtARecordBoundaryAreAnEnd) {
  fill(3);
  const Bytes whole = files.content(name(1));
  for (const std::size_t zeros : {1UL, 3UL, 287UL, 288UL, 4096UL, 1UL << 20}) {
    files.content(name(1)) = whole;
    files.content(name(1)).resize(whole.size() + zeros);
    const auto found = look();
    ASSERT_TRUE(found->damage);
    EXPECT_TRUE(found->damage->zeros_only);
    EXPECT_FALSE(found->damage->valid_above);
    EXPECT_EQ(found->tip.version, 3);
    EXPECT_EQ(found->tip.end_offset, whole.size());
    files.content(name(1)).back() = 1;
    EXPECT_FALSE(look()->damage->zeros_only) << "one byte that is not zero is enough";
  }
}

TEST_F(SurveyTest, W4_ZerosInsideARecordAreDamage) {
  fill(3);
  const Bytes whole = files.content(name(1));
  for (std::size_t from = end_of(2) + 1; from < whole.size(); ++from) {
    files.content(name(1)) = whole;
    std::fill(files.content(name(1)).begin() + static_cast<std::ptrdiff_t>(from),
              files.content(name(1)).end(), std::uint8_t{0});
    const auto found = look();
    ASSERT_TRUE(found->damage) << from;
    ASSERT_FALSE(found->damage->zeros_only);
    ASSERT_EQ(found->tip.version, 2);
  }
}

TEST_F(SurveyTest, W4_ZerosInASealedSegmentAreDamage) {
  fill(5, kTwoRecords);
  files.content(name(1)).resize(end_of(2) + 100);
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_FALSE(found->damage->zeros_only);
  EXPECT_TRUE(found->damage->valid_above);
}

TEST_F(SurveyTest, W5_GarbageTails) {
  fill(3);
  const Bytes whole = files.content(name(1));
  unsigned state = 1;
  for (std::size_t size = 1; size < 700; ++size) {
    files.content(name(1)) = whole;
    for (std::size_t i = 0; i < size; ++i) {
      state = state * 1664525U + 1013904223U;
      files.content(name(1)).push_back(static_cast<std::uint8_t>(state >> 24U));
    }
    const auto found = look();
    ASSERT_EQ(found->tip.version, 3);
    ASSERT_TRUE(found->damage);
    ASSERT_FALSE(found->damage->valid_above);
    ASSERT_EQ(found->damage->offset, whole.size());
  }
}

// docs/hazards.md#torn-tail-by-length
TEST_F(SurveyTest, StaleRecordsOfTheSameLengthAtTheTail) {
  fill(3);
  Bytes& segment = files.content(name(1));
  const Bytes whole = segment;
  // An older record of this log, aligned where the fourth would be.
  append(segment, ByteView(whole).subspan(end_of(1), kRecord));
  auto found = look();
  EXPECT_EQ(found->tip.version, 3);
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "record of version 2");
  EXPECT_FALSE(found->damage->valid_above);
  // A record of the right version that continues another chain.
  RecordHeader other;
  other.version = 4;
  other.synced = 3;
  other.previous = filled(9);
  files.content(name(1)) = whole;
  append(files.content(name(1)), raw_record(kStore, other, payload_of(4)));
  found = look();
  EXPECT_EQ(found->tip.version, 3);
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "record of another chain");
  EXPECT_FALSE(found->damage->valid_above) << "it stands where version 4 is looked for";
}

TEST_F(SurveyTest, W5_RecordOfAnotherStore) {
  fill(3);
  RecordHeader other;
  other.version = 4;
  other.previous = look()->tip.digest;
  append(files.content(name(1)), raw_record(kOtherStore, other, payload_of(4)));
  const auto found = look();
  EXPECT_EQ(found->tip.version, 3);
  ASSERT_TRUE(found->damage);
  EXPECT_FALSE(found->damage->valid_above);
  EXPECT_EQ(found->synced, 2);
}

TEST_F(SurveyTest, MissingRecordInTheMiddle) {
  fill(3);
  Bytes& segment = files.content(name(1));
  segment.erase(segment.begin() + static_cast<std::ptrdiff_t>(end_of(1)),
                segment.begin() + static_cast<std::ptrdiff_t>(end_of(2)));
  const auto found = look();
  EXPECT_EQ(found->tip.version, 1);
  ASSERT_TRUE(found->damage);
  EXPECT_TRUE(found->damage->valid_above);
}

TEST_F(SurveyTest, ValidRecordsAboveAreFoundAtAnyAlignment) {
  fill(4);
  const Bytes whole = files.content(name(1));
  const ByteView fourth = ByteView(whole).subspan(end_of(3));
  const std::size_t chunk = std::size_t{256} << 10;
  for (const std::size_t gap : {0UL, 1UL, 2UL, 3UL, 5UL, 4095UL, 4096UL, chunk - 5, chunk - 4,
                                chunk - 3, chunk - 2, chunk - 1, chunk, chunk + 1, 3 * chunk - 2}) {
    Bytes& segment = files.content(name(1));
    segment = to_bytes(ByteView(whole).first(end_of(2)));
    segment.resize(segment.size() + gap, 0x5a);
    append(segment, fourth);
    const auto found = look();
    ASSERT_EQ(found->tip.version, 2);
    ASSERT_TRUE(found->damage);
    EXPECT_TRUE(found->damage->valid_above) << gap;
    EXPECT_EQ(found->synced, 3);
    segment.back() ^= 1;
    EXPECT_FALSE(look()->damage->valid_above) << "its payload counts";
    EXPECT_EQ(look()->synced, 3) << "its header is right all the same";
  }
}

TEST_F(SurveyTest, RightHeaderWithATornPayloadEndsTheWalk) {
  fill(3, kOneSegment, 5000);
  const Bytes whole = files.content(name(1));
  for (const std::size_t missing : {1UL, 2500UL, 4999UL, 5000UL}) {
    files.content(name(1)) = to_bytes(ByteView(whole).first(whole.size() - missing));
    const auto found = look();
    EXPECT_EQ(found->tip.version, 2);
    ASSERT_TRUE(found->damage);
    EXPECT_FALSE(found->damage->valid_above);
    EXPECT_EQ(found->synced, 2) << "the header of 3 says so and is right";
  }
}

TEST_F(SurveyTest, W9_HugeLengthsAreDamageAndNoAllocation) {
  fill(2);
  RecordHeader huge;
  huge.version = 3;
  huge.previous = look()->tip.digest;
  huge.payload_bytes = kMaxPayloadBytes;
  append(files.content(name(1)), encode(kStore, huge));
  const auto found = look();
  EXPECT_EQ(found->tip.version, 2);
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "the payload does not end within the segment");
}

TEST_F(SurveyTest, LargePayloadsAreHashedInPieces) {
  fill(2, kOneSegment, (3 << 20) + 7);  // the last piece is smaller
  EXPECT_FALSE(look()->damage);
  files.content(name(1))[kSegmentHeaderBytes + kRecordHeaderBytes + (2 << 20)] ^= 1;
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->tip.version, 0);
  EXPECT_TRUE(found->damage->valid_above);
}

// ---- W6, W10, W11: segments ----

// docs/hazards.md#skipped-versions
TEST_F(SurveyTest, MissingSegmentIsAGapAndNeverSkipped) {
  fill(8, kTwoRecords);
  files.erase(name(3));
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "gap");
  EXPECT_EQ(found->damage->segment, segment_name(5));
  EXPECT_EQ(found->damage->version, 3);
  EXPECT_TRUE(found->damage->valid_above);
  EXPECT_EQ(found->damage->highest_above, 8);
  EXPECT_EQ(found->tip.version, 2);
  EXPECT_EQ(found->synced, 7);
  EXPECT_EQ(found->segments.size(), 1U);
  EXPECT_TRUE(found->strays.empty());
}

TEST_F(SurveyTest, AGapBelowASegmentWithoutRecordsHasNothingAbove) {
  fill(5, kTwoRecords);
  files.erase(name(3));
  files.content(name(5)).resize(kSegmentHeaderBytes);
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "gap");
  EXPECT_FALSE(found->damage->valid_above);
  EXPECT_EQ(found->damage->highest_above, 0) << "the records below it are not above";
}

TEST_F(SurveyTest, SegmentsBelowAGapThatNobodyNeedsAreStrays) {
  fill(8, kTwoRecords);
  files.erase(name(3));
  files.put("log/00000000000000000007.log-tmp", {});
  for (const std::int64_t from : {4, 5, 6, 7, 8}) {
    const auto found = look(from);
    EXPECT_FALSE(found->damage) << from;
    EXPECT_EQ(found->tip.version, 8);
    EXPECT_EQ(found->strays,
              (std::vector<std::string>{segment_name(1), "00000000000000000007.log-tmp"}));
  }
  EXPECT_TRUE(look(3)->damage) << "version 4 is missing";
}

TEST_F(SurveyTest, DamageIsNotTakenForAGap) {
  fill(6, kTwoRecords);
  files.content(name(1))[end_of(1) + 9] ^= 1;  // the last record of the segment cannot be read
  const auto found = look(4);
  EXPECT_FALSE(found->damage);
  EXPECT_TRUE(found->strays.empty()) << "it may be needed, and is damaged, not left over";
}

TEST_F(SurveyTest, WalkStartsInTheSegmentThatHoldsTheVersion) {
  fill(8, kTwoRecords);
  const auto first = [&](std::int64_t from) { return look(from)->segments.front().first_version; };
  EXPECT_EQ(first(0), 1);
  EXPECT_EQ(first(1), 1);
  EXPECT_EQ(first(2), 1) << "record 2 tells what the rows at version 2 must be";
  EXPECT_EQ(first(3), 3);
  EXPECT_EQ(first(4), 3);
  EXPECT_EQ(first(8), 7);
  EXPECT_EQ(first(100), 7);
  EXPECT_EQ(look(100)->tip.version, 8);
  EXPECT_EQ(look(5)->base.version, 4);
}

TEST_F(SurveyTest, SegmentsBelowTheWalkAreReadByHeadersWhateverTheirPayloads) {
  create();
  {
    const auto log = writer(1);  // a segment for each record
    Bytes magic(1 << 20);
    for (std::size_t i = 0; i < magic.size(); ++i) magic[i] = kRecordMagic[i % 4];
    for (std::int64_t version = 1; version <= 4; ++version) {
      ASSERT_TRUE(append_record(*log, version, magic));
    }
    ASSERT_TRUE(append_record(*log, 5, payload_of(5)));
  }
  files.bytes_read = 0;
  const auto found = look(5);
  EXPECT_FALSE(found->damage);
  EXPECT_TRUE(found->strays.empty());
  EXPECT_EQ(found->tip.version, 5);
  EXPECT_LT(files.bytes_read, 64U << 10);
}

TEST_F(SurveyTest, LogThatEndsAtTheLastVersionThereCanBe) {
  create(kLastVersion - 2);
  {
    const auto log = writer(1);
    for (const std::int64_t version : {kLastVersion - 1, kLastVersion}) {
      ASSERT_TRUE(append_record(*log, version, payload_of(version % 7)));
    }
    const auto beyond = append_record(*log, std::numeric_limits<std::int64_t>::min(), {});
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().code, ErrorCode::invalid_argument);
  }
  for (const std::int64_t from : {std::int64_t{0}, kLastVersion - 1, kLastVersion}) {
    const auto found = look(from);
    EXPECT_FALSE(found->damage);
    EXPECT_EQ(found->tip.version, kLastVersion);
  }
  RecordHeader again;
  again.version = kLastVersion;
  append(files.content(name(kLastVersion)), raw_record(kStore, again, payload_of(1)));
  const auto found = look();
  ASSERT_TRUE(found->damage) << "nothing can follow it";
  EXPECT_EQ(found->tip.version, kLastVersion);
  const Status made = create_log(files, "other", kStore, {kLastVersion, {}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::version_mismatch);
}

TEST_F(SurveyTest, FreshSegmentWithoutRecordsStillTellsTheRootsOfItsBase) {
  fill(2, kTwoRecords);
  const Tip tip = look()->tip;
  files.put(name(3), to_bytes(encode(SegmentHeader{kStore, {2, tip.digest}})));
  const auto found = look(2);
  EXPECT_FALSE(found->damage);
  EXPECT_EQ(found->tip.version, 2);
  EXPECT_EQ(found->tip.roots, roots_of(2));
  EXPECT_EQ(found->tip.segment, segment_name(3));
  EXPECT_EQ(found->tip.end_offset, kSegmentHeaderBytes);
}

TEST_F(SurveyTest, LogThatBeginsAboveTheVersionSaysSo) {
  create(100);
  ASSERT_TRUE(append_record(*writer(), 101, payload_of(101)));
  const auto found = look(7);
  EXPECT_EQ(found->base.version, 100);
  EXPECT_EQ(found->tip.version, 101);
  EXPECT_FALSE(found->damage);
}

TEST_F(SurveyTest, W6_DuplicatedAndReorderedNamesAreCorruption) {
  fill(6, kTwoRecords);
  const Bytes third = files.content(name(3));
  files.put(name(7), third);
  EXPECT_EQ(refusal(), ErrorCode::corruption);
  files.erase(name(7));
  EXPECT_FALSE(look()->damage);
  std::swap(files.content(name(3)), files.content(name(5)));
  EXPECT_EQ(refusal(), ErrorCode::corruption);
  EXPECT_EQ(refusal(5), ErrorCode::corruption);
}

TEST_F(SurveyTest, BaseOfAnotherChainIsDamage) {
  fill(3, kTwoRecords);
  const auto header = encode(SegmentHeader{kStore, {2, filled(7)}});
  std::ranges::copy(header, files.content(name(3)).begin());
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "the segment's base is of another chain");
  EXPECT_EQ(found->damage->segment, segment_name(3));
  EXPECT_EQ(found->damage->offset, 0U);
  EXPECT_EQ(found->tip.version, 2);
}

TEST_F(SurveyTest, SegmentThatGoesBeyondTheNextOnesBaseIsDamage) {
  fill(4, kTwoRecords);
  RecordHeader third;
  third.version = 3;
  third.previous = look(2)->segments[1].header.base.digest;
  append(files.content(name(1)), raw_record(kStore, third, payload_of(3)));
  const auto found = look();
  ASSERT_TRUE(found->damage);
  EXPECT_EQ(found->damage->reason, "the segment before it reaches further");
}

TEST_F(SurveyTest, W10_W11_NewerFormatAndForeignStoreAreRefusedWhereverTheyAre) {
  fill(6, kTwoRecords);
  EXPECT_EQ(refusal(0, kOtherStore), ErrorCode::foreign_store);
  const Bytes good = files.content(name(1));
  Bytes newer = to_bytes(ByteView(good).first(kSegmentHeaderBytes));
  newer[8] = 2;
  const Digest digest = blake3::hash(ByteView(newer).first(kSegmentHeaderBytes - 32));
  std::ranges::copy(digest, newer.end() - 32);
  files.put(name(1), newer);
  EXPECT_EQ(refusal(6), ErrorCode::format_too_new);
  files.put(name(1), to_bytes(encode(SegmentHeader{kOtherStore, base_})));
  EXPECT_EQ(refusal(6), ErrorCode::foreign_store);
}

TEST_F(SurveyTest, SymlinksAndDirectoriesInPlaceOfASegmentAreCorruption) {
  for (const fs::FileType type :
       {fs::FileType::symlink, fs::FileType::directory, fs::FileType::other}) {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    fill(2);
    files.put(name(3), {}, type);
    EXPECT_EQ(refusal(), ErrorCode::corruption);
  }
}

// docs/hazards.md#reader-repairs-the-log
TEST_F(SurveyTest, LookingChangesNothing) {
  fill(6, kTwoRecords);
  files.content(name(5)).pop_back();
  files.put("log/00000000000000000009.log-tmp", {1});
  const auto before = files.everything();
  files.log.clear();
  EXPECT_TRUE(look()->damage);
  EXPECT_TRUE(files.log.empty());
  EXPECT_EQ(files.everything(), before);
}

}  // namespace
}  // namespace flatkv::changelog::test
