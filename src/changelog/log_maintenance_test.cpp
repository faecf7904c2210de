// SPDX-License-Identifier: Apache-2.0
#include "changelog/log_maintenance.hpp"

#include <functional>

#include "base/failpoint.hpp"
#include "changelog/reader.hpp"
#include "changelog/test_support.hpp"
#include "changelog/undo_mark.hpp"

namespace flatkv::changelog::test {
namespace {

constexpr std::size_t kRecord = kRecordHeaderBytes + 20;
constexpr std::uint64_t kTwoRecords = kSegmentHeaderBytes + 2 * kRecord;

class MaintainTest : public LogTest {
 protected:
  std::vector<std::string> operations() {
    std::vector<std::string> all;
    all.swap(files.log);
    return all;
  }
  std::vector<std::int64_t> segments() {
    std::vector<std::int64_t> firsts;
    for (const auto& [path, content] : files.everything()) {
      if (const auto first = parse_segment_name(path.substr(path.find('/') + 1))) {
        firsts.push_back(*first);
      }
    }
    return firsts;
  }
};

TEST_F(MaintainTest, CreateMakesASegmentWithOnlyAHeaderThatSurvivesAPowerCut) {
  create(41);
  EXPECT_EQ(operations(),
            (std::vector<std::string>{"mkdir log", "create " + name(42) + "-tmp",
                                      "append " + name(42) + "-tmp", "sync " + name(42) + "-tmp",
                                      "rename " + name(42) + "-tmp " + name(42), "syncdir log"}));
  files.power_cut();
  EXPECT_EQ(files.content(name(42)), to_bytes(encode(SegmentHeader{kStore, base_})));
  EXPECT_FALSE(create_log(files, "log", kStore, base_)) << "an existing log stays";
}

// ---- reseal ----

TEST_F(MaintainTest, ResealCopiesThePrefixAndSyncsItBeforeItIsTrusted) {
  fill(3);
  append(files.content(name(1)), Bytes{1, 2, 3});
  const Tip tip = look()->tip;
  static_cast<void>(operations());
  ASSERT_TRUE(reseal(files, "log", tip));
  EXPECT_EQ(operations(),
            (std::vector<std::string>{"create " + name(1) + "-tmp", "append " + name(1) + "-tmp",
                                      "sync " + name(1) + "-tmp",
                                      "rename " + name(1) + "-tmp " + name(1), "syncdir log"}));
  const auto found = look();
  EXPECT_FALSE(found->damage);
  EXPECT_EQ(found->tip.version, 3);
  EXPECT_EQ(found->tip.end_offset, tip.end_offset);
}

TEST_F(MaintainTest, ResealMakesDurableWhatWasOnlyInMemory) {
  create();
  const auto log = writer();
  for (std::int64_t version = 1; version <= 3; ++version) {
    ASSERT_TRUE(append_record(*log, version, payload_of(version)));
  }
  // The process dies; the page cache has the bytes, the disk does not.
  ASSERT_TRUE(reseal(files, "log", look()->tip));
  files.power_cut();
  EXPECT_EQ(look()->tip.version, 3);
}

TEST_F(MaintainTest, ResealRemovesWhatLiesAboveFromTheTop) {
  fill(8, kTwoRecords);
  files.content(name(3))[kSegmentHeaderBytes] ^= 1;
  files.put("log/00000000000000000009.log-tmp", {1});
  const Tip tip = look()->tip;
  ASSERT_EQ(tip.version, 2);
  ASSERT_EQ(tip.segment, segment_name(3));
  static_cast<void>(operations());
  ASSERT_TRUE(reseal(files, "log", tip));
  const auto done = operations();
  EXPECT_EQ(
      std::vector(done.begin(), done.begin() + 5),
      (std::vector<std::string>{"unlink log/00000000000000000009.log-tmp", "unlink " + name(7),
                                "syncdir log", "unlink " + name(5), "syncdir log"}));
  EXPECT_EQ(segments(), (std::vector<std::int64_t>{1, 3}));
  const auto found = look();
  EXPECT_FALSE(found->damage);
  EXPECT_EQ(found->tip.version, 2);
  const auto log = writer(kTwoRecords);
  EXPECT_TRUE(append_record(*log, 3, payload_of(3))) << "and the log goes on";
}

TEST_F(MaintainTest, W12_ResealInterruptedAtEveryOperationThenAgain) {
  const auto damage = [&] {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    fill(6, kTwoRecords);
    files.content(name(3))[kSegmentHeaderBytes + kRecord + 100] ^= 1;
    files.put("log/00000000000000000007.log-tmp", {1});
    files.settle();
  };
  int steps = 0;
  for (const bool power : {false, true}) {
    for (int nth = 0;; ++nth) {
      damage();
      const Tip tip = look()->tip;
      ASSERT_EQ(tip.version, 3);
      files.fail_after = nth;
      const Status status = reseal(files, "log", tip);
      files.fail_after = -1;
      if (power) files.power_cut();
      const auto between = look();
      ASSERT_TRUE(between);
      ASSERT_EQ(between->tip.version, 3) << nth;
      ASSERT_EQ(between->tip.digest, tip.digest);
      ASSERT_TRUE(reseal(files, "log", between->tip));
      files.power_cut();
      const auto after = look();
      ASSERT_TRUE(after);
      ASSERT_FALSE(after->damage) << nth;
      ASSERT_EQ(after->tip.version, 3);
      ASSERT_EQ(segments(), (std::vector<std::int64_t>{1, 3}));
      if (status) break;
      ++steps;
    }
  }
  EXPECT_GE(steps, 2 * 7) << "an empty loop proves nothing";
}

TEST_F(MaintainTest, ResealTwiceIsResealOnce) {
  fill(3);
  files.content(name(1)).resize(files.content(name(1)).size() - 5);
  ASSERT_TRUE(reseal(files, "log", look()->tip));
  const auto once = files.everything();
  ASSERT_TRUE(reseal(files, "log", look()->tip));
  EXPECT_EQ(files.everything(), once);
}

TEST_F(MaintainTest, ResealLeavesALinkedFileOfAnotherGenerationAlone) {
  fill(3);
  ASSERT_TRUE(files.link(name(1), "elsewhere"));
  const Bytes before = files.content("elsewhere");
  Tip tip = look()->tip;
  tip.end_offset -= kRecord;
  ASSERT_TRUE(reseal(files, "log", tip));
  EXPECT_EQ(files.content("elsewhere"), before);
}

TEST_F(MaintainTest, ASegmentIsSharedWhileItHasASecondName) {
  fill(3);
  const Tip tip = look()->tip;
  EXPECT_FALSE(*is_shared(files, "log", tip));
  ASSERT_TRUE(files.link(name(1), "elsewhere"));
  EXPECT_TRUE(*is_shared(files, "log", tip));
  ASSERT_TRUE(reseal(files, "log", tip));
  EXPECT_FALSE(*is_shared(files, "log", tip));
  const Bytes before = files.content("elsewhere");
  ASSERT_TRUE(append_record(*writer(), 4, payload_of(4)));
  EXPECT_EQ(files.content("elsewhere"), before);
}

// ---- prune ----

TEST_F(MaintainTest, PruneOldestFirstWithASyncAfterEach) {
  fill(8, kTwoRecords);
  static_cast<void>(operations());
  ASSERT_TRUE(prune(files, "log", 5));
  EXPECT_EQ(operations(), (std::vector<std::string>{"unlink " + name(1), "syncdir log",
                                                    "unlink " + name(3), "syncdir log"}));
  EXPECT_EQ(look(5)->base.version, 4);
  EXPECT_EQ(look(5)->tip.version, 8);
}

TEST_F(MaintainTest, PruneKeepsWhatIsNeededAtEveryVersion) {
  for (std::int64_t keep = -1; keep <= 12; ++keep) {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    fill(8, kTwoRecords);
    ASSERT_TRUE(prune(files, "log", keep));
    const auto found = look();
    ASSERT_TRUE(found);
    EXPECT_LE(found->base.version, std::max<std::int64_t>(keep, 0));
    EXPECT_GT(found->base.version + 2, std::min<std::int64_t>(keep, 6)) << "and no more than that";
    EXPECT_EQ(found->tip.version, 8) << "the last segment stays";
    EXPECT_FALSE(found->damage);
  }
}

TEST_F(MaintainTest, PruneInterruptedAnywhereLeavesNoGap) {
  for (int nth = 0; nth < 4; ++nth) {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    fill(8, kTwoRecords);
    files.settle();
    files.fail_after = nth;
    EXPECT_FALSE(prune(files, "log", 4));
    files.fail_after = -1;
    EXPECT_FALSE(look()->damage) << nth;
    files.power_cut();
    EXPECT_FALSE(look()->damage) << nth;
    EXPECT_EQ(look()->tip.version, 8);
    EXPECT_LE(look()->base.version, 4);
  }
}

TEST_F(MaintainTest, StraysAreRemovedLikePrunedSegments) {
  fill(8, kTwoRecords);
  files.erase(name(5));
  files.put("log/x-tmp", {});
  static_cast<void>(operations());
  ASSERT_TRUE(remove_strays(files, "log", *look(7)));
  EXPECT_EQ(operations(),
            (std::vector<std::string>{"unlink " + name(1), "syncdir log", "unlink " + name(3),
                                      "syncdir log", "unlink log/x-tmp", "syncdir log"}));
  EXPECT_TRUE(look()->strays.empty());
  EXPECT_EQ(look()->base.version, 6);
}

// ---- clone ----

TEST_F(MaintainTest, CloneUntilEveryVersion) {
  fill(7, kTwoRecords);
  const auto source = look();
  const auto before = files.everything();
  for (std::int64_t version = 0; version <= 7; ++version) {
    const std::string to = "clone" + std::to_string(version);
    ASSERT_TRUE(clone_until(files, "log", to, *source, kStore, version));
    const auto cut = walk_segments(files, to, {kStore, 0, true});
    ASSERT_TRUE(cut);
    ASSERT_TRUE(*cut);
    EXPECT_FALSE((*cut)->damage);
    EXPECT_EQ((*cut)->base, source->base);
    EXPECT_EQ((*cut)->tip.version, version);
    if (version > 0) {
      EXPECT_EQ((*cut)->tip.digest, (*find_header(files, "log", *source, kStore, version))->digest);
      EXPECT_EQ((*cut)->tip.roots, roots_of(version));
    }
    for (const Segment& segment : (*cut)->segments) {
      const bool last = segment.name == (*cut)->tip.segment;
      EXPECT_EQ(files.same_file("log/" + segment.name, to + "/" + segment.name), !last)
          << "sealed ones are linked, the one that grows is not";
    }
    // The clone continues on a branch of its own.
    auto log = Writer::open(files, to, (*cut)->tip, {kStore, kTwoRecords});
    ASSERT_TRUE(log);
    ASSERT_TRUE(append_record(**log, version + 1, payload_of(99)));
  }
  auto after = files.everything();
  std::erase_if(after, [](const auto& entry) { return entry.first.starts_with("clone"); });
  EXPECT_EQ(after, before);
}

TEST_F(MaintainTest, CloneIsDurableAndOutsideOfTheLogItIsRefused) {
  fill(5, kTwoRecords);
  files.settle();
  const auto source = look();
  ASSERT_TRUE(clone_until(files, "log", "clone", *source, kStore, 4));
  files.power_cut();
  const auto cut = walk_segments(files, "clone", {kStore, 0, true});
  ASSERT_TRUE(cut && *cut);
  EXPECT_EQ((*cut)->tip.version, 4);
  for (const std::int64_t version : {-1, 6}) {
    const Status refused = clone_until(files, "log", "other", *source, kStore, version);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::log_gap);
  }
  EXPECT_FALSE(files.everything().contains("other")) << "refused before anything is made";
}

TEST_F(MaintainTest, CloneLeavesOutATornTailAndNewSegments) {
  fill(3, kTwoRecords);
  append(files.content(name(3)), Bytes(100, 0x77));
  const auto source = look();
  ASSERT_TRUE(clone_until(files, "log", "clone", *source, kStore, 3));
  EXPECT_FALSE((*walk_segments(files, "clone", {kStore, 0, true}))->damage);
}

// ---- errors ----

TEST_F(MaintainTest, EveryChangeThatFailsIsTheErrorThatComesOut) {
  const auto begin = [&] {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    fill(6, kTwoRecords);
    files.put("log/00000000000000000007.log-tmp", {1});
  };
  const auto expect_all = [&](const std::string& what, const std::function<Status()>& action) {
    begin();
    static_cast<void>(operations());
    ASSERT_TRUE(action()) << what;
    const std::vector<std::string> all = operations();
    ASSERT_FALSE(all.empty());
    for (std::size_t nth = 0; nth < all.size(); ++nth) {
      begin();
      files.fail_after = static_cast<int>(nth);
      const Status status = action();
      files.fail_after = -1;
      ASSERT_FALSE(status) << what << ": " << all[nth];
      EXPECT_EQ(status.error().message, "injected: " + all[nth]) << what;
    }
  };
  Tip third;
  third.segment = segment_name(3);
  third.end_offset = kSegmentHeaderBytes + kRecord;
  expect_all("create", [&] { return create_log(files, "new", kStore, base_); });
  expect_all("reseal", [&] { return reseal(files, "log", third); });
  expect_all("prune", [&] { return prune(files, "log", 4); });
  expect_all("strays", [&] { return remove_strays(files, "log", *look()); });
  expect_all("clone", [&] { return clone_until(files, "log", "clone", *look(), kStore, 3); });
  expect_all("undo", [&] { return cut_undone(files, "log", third); });
  expect_all("mark", [&] { return write_undo(files, "log", {.store = kStore, .tip = 1}); });
}

// ---- failpoints ----

#ifdef FLATKV_FAILPOINTS

TEST_F(MaintainTest, EverySiteIsHitAndItsErrorComesOut) {
  const auto expect_hit = [&](const std::string& site, const std::function<Status()>& action) {
    files.restore({});
    ASSERT_TRUE(files.remove_directory("log"));
    fill(6, kTwoRecords);
    failpoint::arm(site, []() -> Status { return fail(ErrorCode::no_space, "injected"); });
    const Status status = action();
    failpoint::disarm_all();
    ASSERT_FALSE(status) << site;
    EXPECT_EQ(status.error().code, ErrorCode::no_space) << site;
    if (!site.starts_with("changelog.reseal")) {
      EXPECT_EQ(look()->tip.version, 6) << site;
    }
  };
  const auto cut = [&] {
    Tip tip = look()->tip;
    const auto place = find_record(files, "log", *look(), kStore, 3);
    tip.segment = (*place)->segment;
    tip.end_offset = (*place)->end_offset;
    return reseal(files, "log", tip);
  };
  for (const std::string step : {"before", "after_temporary", "before_remove", "before_copy",
                                 "after_copy", "after_rename", "after_sync"}) {
    expect_hit("changelog.reseal." + step, cut);
    EXPECT_GE(look()->tip.version, 3) << step;
  }
  for (const std::string step : {"before_unlink", "after_unlink", "after_sync"}) {
    expect_hit("changelog.prune." + step, [&] { return prune(files, "log", 4); });
  }
  for (const std::string step :
       {"before", "after_directory", "after_link", "after_copy", "after_sync"}) {
    expect_hit("changelog.clone." + step,
               [&] { return clone_until(files, "log", "clone", *look(), kStore, 3); });
  }
}

#endif

}  // namespace
}  // namespace flatkv::changelog::test
