// SPDX-License-Identifier: Apache-2.0
#include "changelog/undo_mark.hpp"

#include "changelog/log_follower.hpp"
#include "changelog/reader.hpp"
#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

constexpr std::uint64_t kThreeRecords = kSegmentHeaderBytes + 3 * (kRecordHeaderBytes + 20);

class UndoTest : public LogTest {
 protected:
  /// The mark of an undo from the tip to `version`.
  UndoMark mark_of(std::int64_t version) {
    const LogWalk log = *look(0, false);
    UndoMark mark;
    mark.store = kStore;
    mark.version = version;
    mark.digest = digest_of(log, version);
    mark.next = digest_of(log, version + 1);
    mark.tip = log.tip.version;
    mark.tip_digest = log.tip.digest;
    return mark;
  }
  Digest digest_of(const LogWalk& log, std::int64_t version) {
    if (version == log.base.version) return log.base.digest;
    const auto header = find_header(files, "log", log, kStore, version);
    EXPECT_TRUE(header && *header);
    return (*header)->digest;
  }
  void put(const UndoMark& mark) { files.put("log/UNDO", encode(mark)); }
};

TEST_F(UndoTest, LinesAsSpecified) {
  UndoMark mark{{}, 7, filled(1), filled(2), 9, filled(3)};
  mark.store.fill(0xcd);
  std::string want = "flatkv-undo 1\nstore cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\nversion 7\ndigest " +
                     to_hex(filled(1)) + "\nnext " + to_hex(filled(2)) + "\ntip 9\ntip_digest " +
                     to_hex(filled(3)) + "\n";
  want += "blake3 " + to_hex(blake3::hash(as_bytes(want))) + "\n";
  const Bytes good = encode(mark);
  EXPECT_EQ(as_chars(good), want);
  ASSERT_TRUE(decode_undo_mark(good));
  EXPECT_EQ(encode(*decode_undo_mark(good)), good);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    ASSERT_FALSE(decode_undo_mark(bad)) << bit;
  }
  mark.tip = 7;
  EXPECT_FALSE(decode_undo_mark(encode(mark))) << "nothing would be undone";
}

TEST_F(UndoTest, TheLogEndsWithTheMarkedVersionWhateverStandsAbove) {
  for (const std::int64_t version : {0, 1, 2, 3, 4, 6, 8}) {
    files.restore({});
    static_cast<void>(files.remove_directory("log"));
    fill(9, kThreeRecords);
    put(mark_of(version));
    const auto found = look(9);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->tip.version, version);
    EXPECT_TRUE(found->undone);
    EXPECT_FALSE(found->damage);
    EXPECT_LT(found->synced, std::max<std::int64_t>(version, 1));
    // Neither damage above nor a missing segment changes that.
    files.content(name(7)).back() ^= 1;
    if (version < 7) {
      EXPECT_EQ(look()->tip.version, version);
    }
    ASSERT_TRUE(files.unlink(name(7)));
    if (version < 6) {
      EXPECT_EQ(look()->tip.version, version);
    }
  }
}

TEST_F(UndoTest, CuttingStopsAnywhereAndTheLogGoesOnWithAnotherBranch) {
  for (const std::int64_t version : {0, 2, 3, 5, 8}) {
    for (const bool power : {false, true}) {
      for (int nth = 0;; ++nth) {
        files.restore({});
        static_cast<void>(files.remove_directory("log"));
        fill(9, kThreeRecords);
        const UndoMark mark = mark_of(version);
        put(mark);
        files.settle();
        const Tip tip = look()->tip;
        files.fail_after = nth;
        const bool done = cut_undone(files, "log", tip) && remove_undo(files, "log");
        files.fail_after = -1;
        if (power) files.power_cut();
        const auto found = look();
        ASSERT_TRUE(found) << version << " " << nth;
        ASSERT_EQ(found->tip.version, version) << nth;
        ASSERT_EQ(found->tip.end_offset, tip.end_offset);
        ASSERT_TRUE(reseal(files, "log", found->tip));
        ASSERT_TRUE(remove_undo(files, "log"));
        ASSERT_FALSE(look()->undone);
        const auto log = writer(kThreeRecords);
        ASSERT_TRUE(append_record(*log, version + 1, payload_of(version + 1), 77));
        ASSERT_EQ(look()->tip.version, version + 1);
        ASSERT_FALSE(look()->damage);
        if (done) break;
      }
    }
  }
}

// Until the mark is gone it keeps undone blocks from coming back; so they are durably gone before.
TEST_F(UndoTest, UndoneBlocksAreGoneBeforeTheMarkIs) {
  fill(9, kThreeRecords);
  put(mark_of(2));
  const Tip tip = look()->tip;
  files.log.clear();
  ASSERT_TRUE(cut_undone(files, "log", tip));
  ASSERT_TRUE(remove_undo(files, "log"));
  EXPECT_EQ(files.log,
            (std::vector<std::string>{"unlink " + name(7), "syncdir log", "unlink " + name(4),
                                      "syncdir log", "truncate " + name(1), "sync " + name(1),
                                      "unlink log/UNDO", "syncdir log"}));
}

TEST_F(UndoTest, AMarkAtTheEndOfASegmentIsHeldAgainstTheNextOne) {
  fill(9, kThreeRecords);
  const UndoMark good = mark_of(6);
  UndoMark bad = good;
  bad.next = filled(9);
  put(bad);
  EXPECT_EQ(refusal(), ErrorCode::corruption);
  put(good);
  EXPECT_EQ(look()->tip.version, 6);
  // The segment is the last one now, so its payloads count.
  files.content(name(4)).back() ^= 1;
  EXPECT_EQ(refusal(), ErrorCode::corruption);
  EXPECT_EQ(look(0, false)->tip.version, 6);
}

TEST_F(UndoTest, AMarkOfAnotherLogIsRefused) {
  fill(9, kThreeRecords);
  const UndoMark good = mark_of(4);
  UndoMark bad = good;
  bad.digest = filled(9);
  put(bad);
  EXPECT_EQ(refusal(), ErrorCode::corruption);
  bad = good;
  bad.next = filled(9);
  put(bad);
  EXPECT_EQ(refusal(), ErrorCode::corruption) << "the block above is of another branch";
  bad = good;
  bad.version = 12;
  bad.tip = 13;
  put(bad);
  EXPECT_EQ(refusal(), ErrorCode::corruption) << "the log does not reach it";
  bad = good;
  bad.store.fill(1);
  put(bad);
  EXPECT_EQ(refusal(), ErrorCode::foreign_store);
  files.put("log/UNDO", {1, 2, 3});
  EXPECT_EQ(refusal(), ErrorCode::corruption);
  put(good);
  EXPECT_EQ(look()->tip.version, 4);
}

TEST_F(UndoTest, ASegmentWithASecondNameIsCopied) {
  fill(3);
  put(mark_of(1));
  const Tip tip = look()->tip;
  ASSERT_TRUE(files.link(name(1), "elsewhere"));
  const Bytes before = files.content("elsewhere");
  ASSERT_TRUE(cut_undone(files, "log", tip));
  EXPECT_EQ(files.content("elsewhere"), before);
  EXPECT_EQ(files.content(name(1)).size(), tip.end_offset);
}

TEST_F(UndoTest, ASegmentWithASecondNameIsCopiedThoughNothingOfItIsCut) {
  fill(9, kThreeRecords);
  put(mark_of(6));
  Tip tip = look()->tip;
  ASSERT_EQ(tip.segment, segment_name(4));
  ASSERT_EQ(tip.end_offset, files.content(name(4)).size());
  ASSERT_TRUE(files.link(name(4), "elsewhere"));
  ASSERT_TRUE(cut_undone(files, "log", tip));
  EXPECT_EQ(files.stat(name(4))->links, 1U);
  EXPECT_EQ(files.content(name(4)), files.content("elsewhere"));
}

TEST_F(UndoTest, AFollowerWhoseOpenSegmentIsCutGoesOn) {
  fill(3, kOneSegment, 8000);
  const Tip begin{0, base_.digest, {}, segment_name(1), kSegmentHeaderBytes};
  LogFollower follower(files, "log", kStore, begin, true);
  const auto first = follower.next();
  ASSERT_TRUE(first && *first);
  put(mark_of(1));
  ASSERT_TRUE(cut_undone(files, "log", look()->tip));
  const auto none = follower.next();
  ASSERT_TRUE(none) << none.error().to_string();
  EXPECT_FALSE(*none);
  EXPECT_EQ(follower.chain().version, 1);
}

TEST_F(UndoTest, AFollowerStopsAtTheMark) {
  fill(3, kOneSegment, 8000);
  const Tip begin{0, base_.digest, {}, segment_name(1), kSegmentHeaderBytes};
  LogFollower follower(files, "log", kStore, begin, true);
  // The version of the next record; 0 if there is none.
  const auto next = [&]() -> std::int64_t {
    const auto record = follower.next();
    EXPECT_TRUE(record) << record.error().to_string();
    return record && *record ? (*record)->header.version : 0;
  };
  EXPECT_EQ(next(), 1);
  put(mark_of(2));
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(next(), 0);
  EXPECT_TRUE(follower.is_unclear());
  EXPECT_EQ(follower.chain().version, 2);
  ASSERT_TRUE(cut_undone(files, "log", look()->tip));
  ASSERT_TRUE(remove_undo(files, "log"));
  EXPECT_EQ(next(), 0);
  ASSERT_TRUE(append_record(*writer(kOneSegment), 3, payload_of(30)));
  EXPECT_EQ(next(), 3);
  EXPECT_EQ(next(), 0);
  EXPECT_FALSE(follower.is_unclear());
}

TEST_F(UndoTest, AWriterGoesBack) {
  create();
  const auto log = writer(kThreeRecords);
  std::vector<Tip> tips{log->tip()};
  for (std::int64_t version = 1; version <= 7; ++version) {
    ASSERT_TRUE(append_record(*log, version, payload_of(version)));
    tips.push_back(log->tip());
  }
  ASSERT_TRUE(log->sync());
  ASSERT_TRUE(cut_undone(files, "log", tips[3]));
  ASSERT_TRUE(log->rewind(tips[3]));
  EXPECT_EQ(log->synced(), 3);
  EXPECT_FALSE(append_record(*log, 8, payload_of(8)));
  ASSERT_TRUE(append_record(*log, 4, payload_of(40), 5));
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->synced(), 4);
  const auto found = look();
  EXPECT_EQ(found->tip.version, 4);
  EXPECT_FALSE(found->damage);
  EXPECT_FALSE(log->rewind(tips[7])) << "the segment is not cut to it";
  EXPECT_FALSE(append_record(*log, 5, payload_of(5)));
}

}  // namespace
}  // namespace flatkv::changelog::test
