#include "changelog/search.hpp"

#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

constexpr std::size_t kChunk = std::size_t{256} << 10;  // of the search

class SearchTest : public LogTest {
 protected:
  std::optional<RecordHeader> last() {
    auto file = SegmentFile::open(files, "log", segment_name(1));
    EXPECT_TRUE(file);
    auto found = last_record(*file, kStore);
    EXPECT_TRUE(found);
    return *found;
  }
};

TEST_F(SearchTest, LastRecordIsFoundWhereverItBegins) {
  // Its magic lies before, across and behind the border of the piece that is read from the end.
  for (std::size_t size = kChunk - kRecordHeaderBytes - 6; size < kChunk - kRecordHeaderBytes + 6;
       ++size) {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    create();
    const auto log = writer();
    ASSERT_TRUE(append_record(*log, 1, payload_of(1)));
    const auto digest = append_record(*log, 2, payload_of(2, size));
    const auto found = last();
    ASSERT_TRUE(found) << size;
    EXPECT_EQ(found->version, 2);
    EXPECT_EQ(found->digest, *digest);
  }
}

TEST_F(SearchTest, LastRecordMustEndWithTheSegment) {
  fill(3);
  EXPECT_EQ(last()->version, 3);
  files.content(name(1)).push_back(0);
  EXPECT_FALSE(last());
  files.content(name(1)).resize(files.content(name(1)).size() - 2);
  EXPECT_FALSE(last());
  files.content(name(1)).resize(kSegmentHeaderBytes);
  EXPECT_FALSE(last());
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
