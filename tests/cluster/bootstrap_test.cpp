// SPDX-License-Identifier: Apache-2.0
// How a follower begins with a snapshot, and whose store it then replaces.
#include "cluster/library_support.hpp"
#include "flatkv/tools/transfer.hpp"

namespace flatkv::test {
namespace {

class BootstrapTest : public LibraryTest {
 protected:
  /// A snapshot of the leader's state, as a stream.
  SnapshotMarker export_here() {
    const std::string image = folder_ / ("image-" + std::to_string(leader_->version()));
    EXPECT_TRUE(export_to_file(*leader_->view(), image));
    return {leader_->version(), leader_->committed_roots(), "file:" + image};
  }
  /// Options that fetch such snapshots, but for those that are `missing`.
  FollowerOptions fetching(std::vector<std::int64_t> missing = {}) {
    FollowerOptions options = follower_options();
    options.fetch = [this, missing](const SnapshotMarker& snapshot, const std::string& path,
                                    const std::stop_token&) -> Status {
      fetched_.push_back(snapshot.version);
      const std::string image = snapshot.location.substr(5);
      if (std::ranges::find(missing, snapshot.version) != missing.end()) {
        return fail(ErrorCode::not_found, "it was removed").path(image);
      }
      FLATKV_TRY(import_file(image, path, {.force = true, .log = {}},
                             {.root = {}, .roots = snapshot.roots, .lines = {}}));
      return {};
    };
    return options;
  }
  /// Has all of the leader's blocks published, and these snapshots announced; the last of them is
  /// at least `kDepth` blocks old.
  void publish(std::vector<SnapshotMarker> markers = {}) {
    Publisher leader = publisher(kDepth);
    for (const SnapshotMarker& marker : markers) leader.announce(marker);
    Running running(leader);
    WAIT_FOR(running.over() || (leader.status().version == leader_->version() &&
                                leader.status().markers == markers.size()));
    const Status ended = running.stop();
    ASSERT_TRUE(ended) << ended.error().to_string();
  }
  /// The offset behind the last record that took the topic to that version.
  std::int64_t behind(std::int64_t version) {
    auto consumer = broker::Consumer::open(*broker::parse_place(address_));
    EXPECT_TRUE(consumer);
    std::int64_t offset = -1;
    const auto look = [&](const std::vector<topic::Seen>& window) {
      for (const topic::Seen& seen : window) {
        if (seen.is_state() && seen.header.version == version) offset = seen.next_offset;
      }
      return offset < 0;
    };
    EXPECT_TRUE(topic::scan_back(*consumer, {}, look));
    EXPECT_GE(offset, 0);
    return offset;
  }
  /// A store that never heard of the topic.
  Roots make_other(const std::string& name, std::int64_t version) {
    auto store = CommitStore::open(folder_ / name, options_);
    EXPECT_TRUE(store);
    for (std::int64_t at = 1; at <= version; ++at) {
      BlockBuilder block;
      block.set_nonce(store::Block::address(9), static_cast<std::uint64_t>(at));
      EXPECT_TRUE(store->apply(block));
      EXPECT_TRUE(store->commit(at));
    }
    const Roots roots = store->committed_roots();
    EXPECT_TRUE(store->close());
    return roots;
  }
  void expect_is(const std::string& name, std::int64_t version, const Roots& roots) {
    auto store = CommitStore::open(folder_ / name, {});
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_EQ(store->version(), version);
    EXPECT_EQ(store->committed_roots(), roots);
  }
  Error refusal(const std::string& name, const FollowerOptions& options) {
    Follower replica = follower(name, options);
    Running running(replica);
    const Status ended = running.wait();
    EXPECT_FALSE(ended);
    return ended ? Error{} : ended.error();
  }
  bool is_here(const std::string& name) { return std::filesystem::exists(folder_ / name); }

  static constexpr std::uint32_t kDepth = 4;
  std::vector<std::int64_t> fetched_;
};

TEST_F(BootstrapTest, OnlyAReplicaOfTheTopicIsReplaced) {
  commit(8);
  publish();
  expect_follows("replica", follower_options());
  expect_follows("unmarked", follower_options());
  std::filesystem::remove(folder_ / "unmarked/gen-00000001/TOPIC");
  const Roots at_8 = leader_->committed_roots();
  commit(12);
  const SnapshotMarker snapshot = export_here();
  commit(6);
  publish({snapshot});
  ASSERT_NO_FATAL_FAILURE(forget_before(behind(10)));

  const Roots foreign = make_other("foreign", 5);
  for (const auto& [name, version, roots] :
       {std::tuple("foreign", 5, foreign), std::tuple("unmarked", 8, at_8)}) {
    const Error error = refusal(name, fetching());
    EXPECT_EQ(error.code, ErrorCode::foreign_store) << error.to_string();
    EXPECT_EQ(error.path, folder_ / name);
    EXPECT_TRUE(error.message.contains("only goes back to version 11")) << error.to_string();
    expect_is(name, version, roots);
    EXPECT_FALSE(is_here(std::string(name) + ".replaced-1"));
  }
  EXPECT_TRUE(fetched_.empty());

  FollowerOptions options = fetching();
  FollowerStatus status;
  expect_follows("replica", options, &status);
  EXPECT_EQ(status.bootstraps, 1U);
  EXPECT_FALSE(is_here("replica.replaced-1"));

  options.replace_store = true;
  expect_follows("foreign", options, &status);
  EXPECT_EQ(status.bootstraps, 1U);
  expect_is("foreign.replaced-1", 5, foreign);
}

TEST_F(BootstrapTest, ABranchWhoseUndoIsGoneIsLeftForASnapshot) {
  commit(10);
  publish();
  expect_follows("replica", follower_options());
  expect_follows("on-its-own", follower_options());
  const Roots undone = leader_->committed_roots();
  {
    auto store = CommitStore::open(folder_ / "on-its-own", options_);
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->commit(11));
    ASSERT_TRUE(store->close());
  }
  go_back(6);
  commit(6);
  publish();
  commit(2);
  const SnapshotMarker snapshot = export_here();
  commit(6);
  publish({snapshot});

  // While the topic has its beginning, it would have a state that the store got from it.
  const Error own = refusal("on-its-own", fetching());
  EXPECT_EQ(own.code, ErrorCode::version_mismatch) << own.to_string();

  ASSERT_NO_FATAL_FAILURE(forget_before(behind(8)));
  const Roots foreign = make_other("foreign", 10);
  const Error other = refusal("foreign", fetching());
  EXPECT_EQ(other.code, ErrorCode::version_mismatch) << other.to_string();
  expect_is("foreign", 10, foreign);
  EXPECT_TRUE(fetched_.empty());

  const Error bare = refusal("replica", follower_options());
  EXPECT_EQ(bare.code, ErrorCode::log_gap) << bare.to_string();
  expect_is("replica", 10, undone);
  FollowerStatus status;
  expect_follows("replica", fetching(), &status);
  EXPECT_EQ(status.bootstraps, 1U);
  expect_is("replica.replaced-1", 10, undone);
}

TEST_F(BootstrapTest, AnOlderSnapshotServesWhereTheNewestIsGone) {
  commit(10);
  const SnapshotMarker older = export_here();
  commit(10);
  const SnapshotMarker newest = export_here();
  commit(6);
  publish({older, newest});
  FollowerStatus status;
  expect_follows("replica", fetching({20}), &status);
  EXPECT_EQ(fetched_, (std::vector<std::int64_t>{20, 10}));
  EXPECT_EQ(status.bootstraps, 1U);
  EXPECT_EQ(status.blocks, 16U);
  EXPECT_TRUE(said("looks for an older one"));

  // None is there: the newest one's error. None is asked for that the topic does not go on from.
  const Error none = refusal("none", fetching({10, 20}));
  EXPECT_EQ(none.code, ErrorCode::not_found) << none.to_string();
  EXPECT_EQ(none.path, folder_ / "image-20");
  ASSERT_NO_FATAL_FAILURE(forget_before(behind(12)));
  fetched_.clear();
  EXPECT_EQ(refusal("none", fetching({20})).code, ErrorCode::not_found);
  EXPECT_EQ(fetched_, (std::vector<std::int64_t>{20}));
}

TEST_F(BootstrapTest, AnUndoWithWrongRootsChangesNothing) {
  commit(8);
  const SnapshotMarker snapshot = export_here();
  commit(2);
  publish();
  Roots wrong = leader_->log_record(8).value()->roots;
  wrong.storage[5] ^= 1;
  const auto undo = wire::encode_record(*tail(10).last,
                                        {.at = {},
                                         .kind = wire::Kind::undo,
                                         .depth = 32,
                                         .version = 8,
                                         .roots = wrong,
                                         .payload = {}},
                                        900U << 10);
  ASSERT_TRUE(undo);
  FollowerOptions from_snapshot = follower_options();
  from_snapshot.bootstrap_file = snapshot.location.substr(5);
  expect_follows("from-the-start", follower_options());
  expect_follows("from-a-snapshot", from_snapshot);  // whose log begins behind version 8
  const Roots before = leader_->committed_roots();
  send(*undo);
  for (const char* name : {"from-the-start", "from-a-snapshot"}) {
    const Error error = refusal(name, follower_options());
    EXPECT_EQ(error.code, ErrorCode::corruption) << error.to_string();
    EXPECT_EQ(error.version, 8);
    EXPECT_EQ(error.database, Database::storage);
    expect_is(name, 10, before);
  }
}

}  // namespace
}  // namespace flatkv::test
