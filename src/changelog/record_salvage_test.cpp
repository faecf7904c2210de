// SPDX-License-Identifier: Apache-2.0
#include "changelog/record_salvage.hpp"

#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

class SearchTest : public LogTest {
 protected:
  /// Makes a log of three records, the second with this payload and a damaged header. Returns what
  /// is found from there on.
  Found found_behind(const Bytes& payload) {
    files.restore({});
    EXPECT_TRUE(files.remove_directory("log"));
    create();
    const auto log = writer();
    EXPECT_TRUE(append_record(*log, 1, payload_of(1)));
    const std::uint64_t second = log->tip().end_offset;
    EXPECT_TRUE(append_record(*log, 2, payload));
    EXPECT_TRUE(log->sync());
    EXPECT_TRUE(append_record(*log, 3, payload_of(3)));
    files.content(name(1))[second + 8] ^= 1;
    auto file = SegmentFile::open(files, "log", segment_name(1));
    EXPECT_TRUE(file);
    Found found;
    EXPECT_TRUE(search_records(*file, kStore, second, 2, found));
    return found;
  }
};

RecordHeader header_of(std::int64_t version, std::int64_t synced) {
  RecordHeader header;
  header.version = version;
  header.synced = synced;
  return header;
}

/// All of a header that can be written without the store's id.
Bytes forged_fields() {
  RecordHeader header = header_of(3, 0);
  const auto bytes = encode(kOtherStore, header);
  return to_bytes(ByteView(bytes).first(32));
}

TEST_F(SearchTest, NoPayloadHidesTheRecordBehindIt) {
  const Bytes fields = forged_fields();
  for (const std::size_t size : {0UL, 1UL, 31UL, 288UL, 5000UL, (256UL << 10) + 7}) {
    Bytes magic(size);
    Bytes forged(size);
    for (std::size_t i = 0; i < size; ++i) {
      magic[i] = kRecordMagic[i % kRecordMagic.size()];
      forged[i] = fields[i % fields.size()];
    }
    for (const Bytes& payload : {magic, forged, Bytes(size, kRecordMagic[0])}) {
      const Found found = found_behind(payload);
      EXPECT_TRUE(found.above) << size;
      EXPECT_EQ(found.highest, 3);
      EXPECT_EQ(found.synced, 2);
    }
  }
}

TEST_F(SearchTest, ARecordWithABadPayloadLeadsToTheNext) {
  // Records inside its payload do not count: a whole record follows it.
  fill(1);
  Bytes& segment = files.content(name(1));
  const std::size_t begin = segment.size();
  const Bytes inside = raw_record(kStore, header_of(9, 8), payload_of(9));
  append(segment, raw_record(kStore, header_of(3, 1), inside));
  segment.back() ^= 1;
  append(segment, raw_record(kStore, header_of(4, 1), payload_of(4)));
  auto file = SegmentFile::open(files, "log", segment_name(1));
  Found found;
  ASSERT_TRUE(search_records(*file, kStore, begin, 2, found));
  EXPECT_TRUE(found.above);
  EXPECT_EQ(found.highest, 4);
}

TEST_F(SearchTest, ARecordThatLeadsNowhereIsSearchedItself) {
  fill(1);
  Bytes& segment = files.content(name(1));
  const std::size_t begin = segment.size();
  const Bytes inside = raw_record(kStore, header_of(9, 8), payload_of(9));
  append(segment, raw_record(kStore, header_of(3, 1), inside));
  segment[begin + kRecordHeaderBytes + 8] ^=
      1;  // the payload's digest is wrong, the record inside unfit
  const auto search = [&] {
    auto file = SegmentFile::open(files, "log", segment_name(1));
    Found found;
    EXPECT_TRUE(search_records(*file, kStore, begin, 2, found));
    return found;
  };
  EXPECT_FALSE(search().above);
  EXPECT_EQ(search().highest, 3);
  segment[begin + kRecordHeaderBytes + 8] ^= 1;
  segment[begin + 2 * kRecordHeaderBytes] ^= 1;  // of the payload inside
  EXPECT_FALSE(search().above) << "the end of the segment is a right place to lead to";
  EXPECT_EQ(search().highest, 3);
  append(segment, Bytes(10));
  EXPECT_EQ(search().highest, 9) << "what follows is no record, so it is not one either";
}

TEST_F(SearchTest, NothingIsFoundInNothing) {
  fill(1);
  auto file = SegmentFile::open(files, "log", segment_name(1));
  for (const std::uint64_t begin : {file->size(), file->size() - 1, file->size() + 10}) {
    Found found;
    ASSERT_TRUE(search_records(*file, kStore, begin, 0, found));
    EXPECT_FALSE(found.above);
    EXPECT_EQ(found.synced, 0);
  }
}

}  // namespace
}  // namespace flatkv::changelog::test
