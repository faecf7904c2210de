// SPDX-License-Identifier: Apache-2.0
// Replay of many blocks together (docs/recovery.md#replay): the same states, roots and errors as
// one block after the other, whatever is staged together.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "blake3/blake3.hpp"
#include "changelog/writer.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/tools/inspect.hpp"
#include "layout/generation.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

#ifdef FLATKV_FAILPOINTS

class Replay : public StoreFixture, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override { window(GetParam()); }
  void TearDown() override {
    failpoint::disarm_all();
    ::unsetenv("FLATKV_TEST_REPLAY_WINDOW");
  }

  /// How many blocks are staged together from the next open on.
  static void window(int blocks) {
    ::setenv("FLATKV_TEST_REPLAY_WINDOW", std::to_string(blocks).c_str(), 1);
  }
  /// The store as a kill at this moment would leave it.
  void kill() {
    image("killed");
    close();
    restore("killed");
  }
  std::string error() {
    const auto opened = try_open();
    return opened ? "it opened" : opened.error().to_string();
  }
};

/// Few keys, so that each is written in many blocks, also several times in one.
std::vector<Changes> few_keys(std::uint64_t seed, std::int64_t version) {
  const Pools pools{.addresses = 4, .slots = 2, .legacy_keys = 3};
  return script_block(seed, version, pools, 40);
}

/// Its record is whole and all digests fit, but no store of ours would have written it.
TEST_P(Replay, ALoggedBlockThatNobodyMayApplyIsDamage) {
  open();
  blocks(5);
  kill();
  const std::string generation = live_generation(path());
  const std::string log = layout::changelog_path(generation);
  const auto manifest = layout::read_manifest(fs::posix(), generation);
  ASSERT_OK(manifest);
  changelog::SurveyOptions survey;
  survey.store = manifest->store;
  const auto walk = changelog::walk_segments(fs::posix(), log, survey);
  ASSERT_TRUE(walk && *walk);
  const changelog::Tip tip = (*walk)->tip;
  const std::string segment = log + "/" + tip.segment;
  const Bytes before = read_file(segment);
  const auto log_block = [&](std::int64_t version, ByteView value) {
    write_file(segment, before);
    const auto nonce = nonce_key(address(1));
    const KVPair pair{nonce, value};
    const NamedChangeSet set{kEvmModule, {&pair, 1}};
    Bytes payload;
    codec::append_version(payload, version);
    codec::append_change_sets(payload, {&set, 1});
    const std::array<ByteView, 1> parts{payload};
    auto writer = changelog::Writer::open(fs::posix(), log, tip, {.store = manifest->store});
    ASSERT_OK(writer);
    ASSERT_OK((*writer)->append(6, parts, blake3::hash(payload), model_.committed().roots()));
  };
  log_block(6, Bytes(7));
  const auto opened = try_open();
  ASSERT_TRUE(fails(opened, ErrorCode::corruption));
  EXPECT_EQ(opened.error().version, 6);
  EXPECT_NE(error().find("the logged block is not valid"), std::string::npos) << error();
  log_block(7, Bytes(8));
  EXPECT_NE(error().find("says it is version 7"), std::string::npos) << error();
  write_file(segment, before);
  open();
  check_and_go_on();
}

TEST_P(Replay, ALongOneTellsHowFarItIs) {
  for (const int count : {999, 1000}) {
    SCOPED_TRACE(count);
    close();
    remove_tree(path());
    model_ = Model(options_.create.account_rows);
    options_.flush.write_buffer_bytes = std::uint64_t{64} << 20;
    open();
    blocks(60);
    ASSERT_OK(store_->flush());
    for (int i = 0; i < count; ++i) {
      Changes changes;
      changes.storage(address(1), slot(static_cast<std::uint64_t>(i % 7)), word(1));
      block({changes});
    }
    kill();
    std::vector<std::string> told;
    options_.log = [&](LogLevel level, std::string_view text) {
      if (level == LogLevel::info && text.starts_with("replay: ")) told.emplace_back(text);
    };
    open();
    options_.log = {};
    if (count < 1000) {
      EXPECT_TRUE(told.empty());
      continue;
    }
    ASSERT_EQ(told.size(), 10U);
    EXPECT_EQ(told.front(), "replay: 0 of 1000 blocks");
    for (const std::string& text : told) EXPECT_TRUE(text.ends_with(" of 1000 blocks")) << text;
  }
}

TEST_P(Replay, GivesTheStateOfTheCommits) {
  for (std::uint64_t seed = 1; seed <= 3 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    close();
    remove_tree(path());
    options_ = small_options();
    options_.create.account_rows = seed == 2 ? AccountRows::prune_empty : AccountRows::keep;
    options_.recent_versions = 1000;
    model_ = Model(options_.create.account_rows);
    open();
    blocks(5);
    ASSERT_OK(store_->flush());
    for (int i = 0; i < 40 && !HasFatalFailure(); ++i) {
      block(i % 4 == 3 ? script_block(seed, model_.version() + 1)
                       : few_keys(seed, model_.version() + 1));
    }
    std::vector<Roots> roots;
    for (std::int64_t v = 6; v <= model_.version(); ++v) {
      roots.push_back(store_->view(v).value().roots());
    }
    kill();
    open();
    EXPECT_EQ(store_->open_report().replayed_blocks, 40);
    for (std::int64_t v = 6; v <= model_.version(); ++v) {
      EXPECT_TRUE(
          same_roots(store_->view(v).value().roots(), roots[static_cast<std::size_t>(v - 6)]))
          << v;
    }
    const auto verified = store_->verify();
    ASSERT_OK(verified);
    EXPECT_TRUE(verified->good());
    check_and_go_on();
  }
}

TEST_P(Replay, FlushesInTheMiddle) {
  open();
  for (int i = 0; i < 60 && !HasFatalFailure(); ++i) block(few_keys(5, model_.version() + 1));
  kill();
  options_.flush.write_buffer_bytes = 4 << 10;
  options_.flush.max_lag_blocks = 3;
  open();
  EXPECT_GT(store_->metrics().flushes, 3U);
  check_and_go_on();
}

TEST_P(Replay, EachDatabaseGetsWhatItLacks) {
  open();
  // A window has blocks that a database lacks, and blocks that it has.
  for (const char* name : {"storage", "account", "legacy", "code", "metadata"}) {
    blocks(4);
    close();
    save_database(name);
    open();
  }
  blocks(6);
  close();
  for (const char* name : {"storage", "account", "legacy", "code", "metadata"}) {
    restore_database(name);
  }
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 22);
  check_and_go_on();
}

/// A row that was changed behind the store's back makes the first block that replaces it wrong.
TEST_P(Replay, AWrongChecksumStopsAtItsBlock) {
  const Bytes key = to_bytes(storage_key(address(77), slot(1)));
  open();
  block({Changes().set(key, text("right"))});
  blocks(3);
  close();
  save_database("storage");
  tamper(working(path(), "storage"), {{row_key(ByteView(key).subspan(1)), text("wrong")}});
  copy_tree(working(path(), "storage"), aside("tampered"));
  restore_database("storage");
  open();
  blocks(6);
  block({Changes().set(key, text("next"))});
  const std::int64_t bad = model_.version();
  blocks(6);
  kill();
  copy_tree(aside("tampered"), working(path(), "storage"));
  copy_tree(path(), aside("bad"));

  const auto hits_before = failpoint::counts()["open.block_replayed"];
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::corruption);
  EXPECT_EQ(opened.error().database, Database::storage);
  EXPECT_EQ(opened.error().version, bad);
  EXPECT_TRUE(opened.error().message.starts_with("replay gives the checksum "));
  EXPECT_EQ(failpoint::counts()["open.block_replayed"] - hits_before, 6U);

  copy_tree(aside("bad"), path());
  window(1);
  EXPECT_EQ(opened.error().to_string(), error());
}

TEST_P(Replay, AFailureAtAnyBlockOrReadOpensNothing) {
  open();
  blocks(4);
  reopen();
  blocks(12);
  kill();
  for (const char* site : {"apply.values_read", "replay.checked", "open.block_replayed"}) {
    unsigned failures = 0;
    for (unsigned nth = 1;; ++nth) {
      SCOPED_TRACE(site + std::to_string(nth));
      restore("killed");
      failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected failure")); }, nth);
      const auto opened = try_open();
      failpoint::disarm_all();
      if (opened) break;
      ++failures;
      EXPECT_EQ(opened.error().code, ErrorCode::io);
      open();
      check();
      close();
      if (!HasFailure()) count_fault("R1", Came::recovered);
    }
    EXPECT_GT(failures, 0U) << site;
  }
}

TEST_P(Replay, ACloneStopsBetweenBlocks) {
  open();
  blocks(20);
  close();
  std::stop_source stop;
  failpoint::arm(
      "replay.checked",
      [&] {
        stop.request_stop();
        return Status{};
      },
      7);
  ReadOnlyOptions options;
  options.at = 18;
  options.stop = stop.get_token();
  // The working copy is at 20, so the clone begins with the snapshot of the empty state.
  const auto clone = ReadOnlyStore::open(path(), options);
  ASSERT_FALSE(clone);
  EXPECT_EQ(clone.error().code, ErrorCode::cancelled);
  EXPECT_EQ(clone.error().version, 8);
}

INSTANTIATE_TEST_SUITE_P(BlocksTogether, Replay, ::testing::Values(1, 2, 7, 1000));

#endif

}  // namespace
}  // namespace flatkv::test
