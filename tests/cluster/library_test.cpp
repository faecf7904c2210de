// SPDX-License-Identifier: Apache-2.0
// Publisher and Follower as a program has them, against the broker that FLATKV_TEST_BROKER names;
// run by scripts/cluster-test.
#include <future>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/failpoint.hpp"
#include "blake3/blake3.hpp"
#include "broker/topic_admin.hpp"
#include "cluster/library_support.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {
namespace {

TEST_F(LibraryTest, TheLogIsKeptForAPublisherThatIsAway) {
  ASSERT_TRUE(leader_->close());
  options_.segment_bytes = 4096;
  options_.snapshot = {.interval = 10, .keep = 0};
  options_.rollback_depth = 0;
  open();
  Publisher first = publisher();
  {
    Running running(first);
    WAIT_FOR(first.status().transactions == 1);  // the topic begins with the empty state
    commit(20);
    WAIT_FOR(first.status().version == 20);
    EXPECT_TRUE(running.stop());
  }
  commit(200);
  ASSERT_TRUE(leader_->flush());
  ASSERT_TRUE(leader_->close());
  leader_.reset();
  open();
  commit(20);
  Publisher second = publisher(32, false);  // ends at the end
  const Status ended = second.run({});
  ASSERT_TRUE(ended) << ended.error().to_string();
  EXPECT_EQ(second.status().version, 240);
  EXPECT_EQ(second.status().blocks, 220U);
  expect_follows("replica", follower_options());
}

TEST_F(LibraryTest, UndosGoAlong) {
  Publisher leader = publisher();
  Running running(leader);
  Follower replica = follower("replica", follower_options());
  commit(40);
  WAIT_FOR(leader.status().version == 40);
  Running following(replica);
  WAIT_FOR(replica.status().version == 40);
  for (const int back : {1, 7, 30}) {
    go_back(leader_->version() - back);
    WAIT_FOR(replica.status().version == leader_->version());  // without a block that follows
    commit(back + 1);
    WAIT_FOR(replica.status().version == leader_->version());
  }
  EXPECT_EQ(replica.status().undos, 3U);
  EXPECT_TRUE(following.stop());
  EXPECT_TRUE(running.stop());
  expect_equal("replica");
  expect_follows("from-the-start", follower_options());
}

/// A node that reorganises undoes block by block, while the publisher compares store and topic.
class UndoneAgain : public LibraryTest, public ::testing::WithParamInterface<bool> {
 protected:
  Publisher publisher_of_leader() {
    if (!GetParam()) return publisher(64);
    auto made = Publisher::of(
        leader_path(), {.to = address_, .create_topic = true, .depth = 64, .log = remember()});
    EXPECT_TRUE(made) << made.error().to_string();
    return *std::move(made);
  }
};

TEST_P(UndoneAgain, AndAgainWhileItIsCompared) {
  address_ = std::string("kafka://") + std::getenv("FLATKV_TEST_BROKER") + "/undone-again-" +
             (GetParam() ? "path" : "store");
  Publisher leader = publisher_of_leader();
  Running running(leader);
  commit(40);
  WAIT_FOR(running.over() || leader.status().version == 40);
  for (int round = 0; round < 20 && !running.over(); ++round) {
    const std::int64_t to = leader_->version() - 20;
    while (leader_->version() > to) {
      ASSERT_TRUE(leader_->rollback(leader_->version() - 1));
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 20'000));
    }
    ++salt_;
    commit(20);
    WAIT_FOR(running.over() || leader.status().version == leader_->version());
  }
  const Status ended = running.stop();
  ASSERT_TRUE(ended) << ended.error().to_string();
  expect_follows("replica", follower_options());
}

INSTANTIATE_TEST_SUITE_P(Of, UndoneAgain, ::testing::Bool(),
                         [](const auto& of) { return std::string(of.param ? "APath" : "AStore"); });

TEST_F(LibraryTest, AStoreBelowTheTopicWaitsOrTakesItBack) {
  PublisherStatus status;
  const auto publish = [&](bool take_back) {
    Publisher made = publisher(8, false, take_back);
    const Status ended = made.run({});
    status = made.status();
    return ended;
  };
  commit(20);
  ASSERT_TRUE(publish(false));
  go_back(15);
  const Status waited = publish(false);
  ASSERT_FALSE(waited) << "that nothing was sent is said";
  EXPECT_EQ(waited.error().code, ErrorCode::version_mismatch) << waited.error().to_string();
  EXPECT_EQ(waited.error().version, 15);
  EXPECT_EQ(status.undos, 0U);
  EXPECT_EQ(status.version, 20);
  const Status taken = publish(true);
  ASSERT_TRUE(taken) << taken.error().to_string();
  EXPECT_EQ(status.undos, 1U);
  EXPECT_EQ(status.version, 15);
  expect_follows("replica", follower_options());
  go_back(3);  // deeper than an undo goes
  const Status refused = publish(true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::version_mismatch) << refused.error().to_string();
  count_fault("T6", Came::refused);
}

TEST_F(LibraryTest, AFollowerThatIsFirstWaitsForAPublisher) {
  ASSERT_TRUE(broker::create_topic(*broker::parse_place(address_), kPatience));
  Follower replica = follower("replica", follower_options());
  Running running(replica);
  WAIT_FOR(running.over() || replica.status().trouble == "nobody has begun the topic yet");
  EXPECT_EQ(replica.status().state, FollowerStatus::State::waiting);
  commit(5);
  Publisher leader = publisher(8, false);
  ASSERT_TRUE(leader.run({}));
  WAIT_FOR(running.over() || (replica.status().version == 5 && replica.status().caught_up));
  EXPECT_EQ(replica.status().trouble, "");
  EXPECT_TRUE(running.stop());
  expect_equal("replica");
}

TEST_F(LibraryTest, WhileItsStoreOpensAFollowerTellsHowFarThatIs) {
  commit(40);
  Publisher leader = publisher(8, false);
  ASSERT_TRUE(leader.run({}));
  expect_follows("replica", follower_options());
  const std::filesystem::path generation = folder_ / "replica/gen-00000001";
  std::filesystem::remove(generation / "CLEAN");
  std::filesystem::remove_all(generation / "working");
  std::promise<void> seen;
  failpoint::arm("open.block_replayed", [&] {
    seen.get_future().wait();
    return Status{};
  });
  Follower replica = follower("replica", follower_options());
  Running running(replica);
  WAIT_FOR(replica.status().replay_blocks == 40);
  EXPECT_EQ(replica.status().state, FollowerStatus::State::opening);
  EXPECT_EQ(replica.status().replayed_blocks, 0U);
  seen.set_value();
  WAIT_FOR(replica.status().caught_up);
  EXPECT_EQ(replica.status().replayed_blocks, 40U);
  EXPECT_TRUE(running.stop());
}

TEST_F(LibraryTest, AForkBelowTheDepthIsRefused) {
  Publisher leader = publisher(4);
  Running running(leader);
  commit(20);
  WAIT_FOR(leader.status().version == 20);
  EXPECT_TRUE(running.stop());
  go_back(10);
  commit(12);
  Publisher again = publisher(4);
  const Status ended = again.run({});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::version_mismatch);
  EXPECT_EQ(ended.error().version, 16);
  count_fault("T6", Came::refused);
}

TEST_F(LibraryTest, AMarkerIsWrittenWhenNoUndoPassesItAnyMore) {
  Publisher leader = publisher(8);
  Running running(leader);
  commit(20);
  const std::string image = folder_ / "image";
  ASSERT_TRUE(export_to_file(*leader_->view(), image));
  const SnapshotMarker marker{20, leader_->committed_roots(), "file:" + image};
  SnapshotMarker foreign = marker;
  foreign.roots.storage[0] ^= 1;
  leader.announce(foreign);
  leader.announce(marker);
  commit(7);
  WAIT_FOR(leader.status().version == 27);
  EXPECT_EQ(leader.status().markers, 0U);
  commit(3);
  WAIT_FOR(leader.status().markers == 1);
  EXPECT_TRUE(said("not one of this store"));
  EXPECT_TRUE(running.stop());

  FollowerOptions options = follower_options();
  int fetched = 0;
  options.fetch = [&](const SnapshotMarker& snapshot, const std::string& path,
                      const std::stop_token&) -> Status {
    ++fetched;
    EXPECT_EQ(snapshot.version, 20);
    EXPECT_EQ(snapshot.location, "file:" + image);
    const auto made = import_file(image, path, {.force = true, .log = {}},
                                  {.root = {}, .roots = snapshot.roots, .lines = {}});
    if (!made) return std::unexpected(made.error());
    return {};
  };
  int opened = 0;
  options.opened = [&](CommitStore* store) { opened += store != nullptr ? 1 : -1; };
  FollowerStatus status;
  expect_follows("replica", options, &status);
  EXPECT_EQ(fetched, 1);
  EXPECT_EQ(opened, 0);
  EXPECT_EQ(status.bootstraps, 1U);
  EXPECT_EQ(status.blocks, 10U);
}

TEST_F(LibraryTest, AMarkerWhoseSendFailsIsSentAgain) {
  Publisher leader = publisher(8);
  {
    Running running(leader);
    commit(20);
    leader.announce({20, leader_->committed_roots(), "file:/nowhere"});
    commit(7);
    WAIT_FOR(leader.status().version == 27);
    EXPECT_EQ(leader.status().markers, 0U);
    const auto other = broker::Producer::open(*broker::parse_place(address_), {});
    ASSERT_TRUE(other);
    commit(3);
    const Status fenced = running.wait();
    ASSERT_FALSE(fenced);
    EXPECT_EQ(fenced.error().code, ErrorCode::locked) << fenced.error().to_string();
  }
  Running again(leader);
  WAIT_FOR(again.over() || leader.status().version == 30);
  commit(1);
  WAIT_FOR(again.over() || leader.status().version == 31);
  EXPECT_EQ(leader.status().markers, 1U);
  EXPECT_TRUE(again.stop());
}

TEST_F(LibraryTest, ATopicThatIsMadeAnewAndShorterIsGoneOnWith) {
  for (int i = 0; i < 20;
       ++i) {  // in transactions of their own, each of which takes an offset more
    commit(1);
    Publisher leader = publisher(8, false);
    ASSERT_TRUE(leader.run({}));
  }
  Follower replica = follower("replica", follower_options());
  Running running(replica);
  WAIT_FOR(running.over() || (replica.status().version == 20 && replica.status().caught_up));
  remove_topic();
  Publisher again = publisher(8, false);
  const Status made = again.run({});
  ASSERT_TRUE(made) << made.error().to_string();
  commit(1);
  ASSERT_TRUE(again.run({}));
  WAIT_FOR(running.over() || (replica.status().version == 21 && replica.status().caught_up));
  const Status ended = running.stop();
  EXPECT_TRUE(ended) << ended.error().to_string();
  expect_equal("replica");
}

TEST_F(LibraryTest, ATopicThatBeginsWithRowsTakesASnapshot) {
  commit(15);
  const std::string image = folder_ / "image";
  ASSERT_TRUE(export_to_file(*leader_->view(), image));
  ASSERT_TRUE(leader_->close());
  leader_.reset();
  ASSERT_TRUE(import_file(image, leader_path(), {.force = true, .log = {}}));
  open();
  commit(5);
  Publisher leader = publisher(8, false);
  const Status published = leader.run({});
  ASSERT_TRUE(published) << published.error().to_string();

  Follower bare = follower("bare", follower_options());
  const Status refused = bare.run({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::log_gap);
  FollowerOptions options = follower_options();
  options.bootstrap_file = image;
  expect_follows("replica", options);
}

TEST_F(LibraryTest, ABlockOfManyPartsGoesAlong) {
  Publisher leader = publisher();
  commit(1);
  commit(2, 5U << 20);
  Running running(leader);
  WAIT_FOR(leader.status().version == 3);
  EXPECT_GT(leader.status().bytes, 10U << 20);
  EXPECT_TRUE(running.stop());
  expect_follows("replica", follower_options());
}

TEST_F(LibraryTest, ADifferenceStopsBeforeTheCommitAndNamesTheDatabase) {
  commit(10);
  Publisher leader = publisher(32, false);
  ASSERT_TRUE(leader.run({}));
  // The next block with a roots line that is not its own, in a topic that is sound otherwise.
  const Roots before = leader_->committed_roots();
  commit(1);
  Roots wrong = leader_->committed_roots();
  wrong.storage[5] ^= 1;
  constexpr std::uint32_t kDepth = 1U << 31;  // more than a store can keep
  send(record_of(11, wrong, *tail(10).last, kDepth));

  for (int start = 0; start < 2; ++start) {  // also when it is started again
    const Error error = refusal("replica", ErrorCode::corruption, 11);
    EXPECT_EQ(error.database, Database::storage);
    EXPECT_NE(error.message.find("flatkv diff"), std::string::npos);
    auto store = CommitStore::open(folder_ / "replica", {});
    ASSERT_TRUE(store);
    EXPECT_EQ(store->version(), 10);
    EXPECT_EQ(store->committed_roots(), before);
    count_fault("T9", Came::refused);
  }
}

TEST_F(LibraryTest, APublisherThatComesBackFencesNobody) {
  const auto made = [&](const char* name) {
    auto publisher = Publisher::of(
        *leader_, {.to = address_, .create_topic = true, .follow = false, .name = name});
    EXPECT_TRUE(publisher) << publisher.error().to_string();
    return *std::move(publisher);
  };
  Publisher first = made("first");
  for (int i = 0; i < 2; ++i) {  // the second time it finds what it has sent itself
    commit(5);
    const Status sent = first.run({});
    ASSERT_TRUE(sent) << sent.error().to_string();
    EXPECT_EQ(first.status().version, leader_->version());
  }
  commit(1);
  Publisher second = made("second");
  ASSERT_TRUE(second.run({}));
  commit(1);
  const Status refused = first.run({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::locked);
  EXPECT_EQ(refused.error().version, 11);
  EXPECT_NE(refused.error().message.find("another publisher has written"), std::string::npos)
      << refused.error().to_string();
  const Status unharmed = second.run({});
  ASSERT_TRUE(unharmed) << unharmed.error().to_string();
  EXPECT_EQ(second.status().version, 12);
  expect_follows("replica", follower_options());
}

TEST_F(LibraryTest, ALostRecordIsNamed) {
  commit(10);
  Publisher leader = publisher(32, false);
  ASSERT_TRUE(leader.run({}));
  commit(1);
  const auto lost = record_of(11, leader_->committed_roots(), *tail(10).last);
  commit(1);
  send(record_of(12, leader_->committed_roots(), lost.at));
  Follower replica = follower("replica", follower_options());
  const Status ended = replica.run({});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::log_gap);
  EXPECT_NE(ended.error().message.find("record 11 is missing"), std::string::npos)
      << ended.error().to_string();
  EXPECT_EQ(replica.status().version, 10);
  count_fault("T2", Came::refused);
}

TEST_F(LibraryTest, ABlockThatDoesNotDecodeIsRefused) {
  commit(10);
  Bytes other;
  codec::append_version(other, 12);
  codec::append_change_sets(other, {});
  for (const auto& [payload, what] :
       {std::pair{Bytes(20, 0xff), "does not decode"}, std::pair{other, "of another version"}}) {
    address_ += "-" + std::to_string(payload.size());
    Publisher leader = publisher(32, false);
    ASSERT_TRUE(leader.run({}));
    send(encoded({.at = {},
                  .kind = wire::Kind::block,
                  .depth = 32,
                  .version = 11,
                  .roots = leader_->committed_roots(),
                  .payload = payload},
                 *tail(10).last));
    const Error error = refusal("replica", ErrorCode::corruption, 11);
    EXPECT_EQ(error.path, address_);
    EXPECT_NE(error.message.find(what), std::string::npos) << error.to_string();
    expect_equal("replica");
  }
}

TEST_F(LibraryTest, AnUndoDeeperThanTheStoreGoesIsAGap) {
  commit(5);
  const Roots roots = leader_->committed_roots();
  commit(55);
  Publisher leader = publisher(4, false);
  ASSERT_TRUE(leader.run({}));
  FollowerOptions options = follower_options();
  options.store.segment_bytes = 1024;
  options.store.snapshot = {.interval = 20, .keep = 0};
  options.store.rollback_depth = 4;
  expect_follows("replica", options);
  Follower replica = follower("replica", options);
  Running running(replica);
  WAIT_FOR(running.over() || replica.status().caught_up);
  // Of a publisher that keeps more than those before it did.
  send(encoded({.at = {},
                .kind = wire::Kind::undo,
                .depth = 64,
                .version = 5,
                .roots = roots,
                .payload = {}},
               *tail(60).last));
  const Status ended = running.wait();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::log_gap) << ended.error().to_string();
  EXPECT_EQ(ended.error().version, 5);
  EXPECT_NE(ended.error().message.find("an undo goes deeper"), std::string::npos)
      << ended.error().to_string();
  expect_equal("replica");
}

TEST_F(LibraryTest, ATopicOfANewerFormatIsNotGuessedAt) {
  commit(10);
  Publisher leader = publisher(32, false);
  ASSERT_TRUE(leader.run({}));
  Follower replica = follower("replica", follower_options());
  Running running(replica);
  WAIT_FOR(running.over() || (replica.status().version == 10 && replica.status().caught_up));
  const wire::Position last = *tail(10).last;
  commit(1);
  auto newer = record_of(11, leader_->committed_roots(), last);
  Bytes& value = newer.messages[0].value;
  store_le(value.data() + 8, std::uint32_t{2});
  value.resize(value.size() - sizeof(Digest));
  append(value, blake3::hash(value));
  const std::int64_t offset = bounds().high;
  send(newer);
  const auto names_it = [&](const Status& ended) {
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ErrorCode::format_too_new) << ended.error().to_string();
    EXPECT_EQ(ended.error().path, address_);
    EXPECT_EQ(ended.error().offset, static_cast<std::uint64_t>(offset));
    EXPECT_NE(ended.error().message.find("knows up to 1"), std::string::npos)
        << ended.error().to_string();
  };
  names_it(running.wait());
  EXPECT_EQ(replica.status().version, 10);
  names_it(follower("replica", follower_options()).run({}));
  names_it(publisher(32, false).run({}));
  auto store = CommitStore::open(folder_ / "replica", {});
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(store->version(), 10);
}

TEST_F(LibraryTest, AMarkerWithoutItsPayloadStopsNobody) {
  commit(5);
  {
    Publisher first = publisher(32, false);
    ASSERT_TRUE(first.run({}));
  }
  const wire::Position last = *tail(5).last;
  wire::Header header{.topic = last.topic,
                      .sequence = last.sequence + 1,
                      .kind = wire::Kind::marker,
                      .depth = 32,
                      .version = 5,
                      .payload_bytes = 4,
                      .stored_bytes = 9,
                      .roots = leader_->committed_roots(),
                      .previous = last.digest};
  header.digest = wire::record_digest(header);
  send({.at = {}, .messages = {wire::encode_message(header, Bytes(9, 1))}});

  expect_follows("replica", follower_options());
  commit(5);
  Publisher second = publisher(32, false);
  const Status published = second.run({});
  ASSERT_TRUE(published) << published.error().to_string();
  expect_follows("replica", follower_options());
}

TEST_F(LibraryTest, AFollowerWaitsForThePublisherOfANewTopic) {
  ASSERT_TRUE(broker::create_topic(*broker::parse_place(address_), kPatience));
  Follower replica = follower("replica", follower_options());
  Running running(replica);
  WAIT_FOR(running.over() || replica.status().state == FollowerStatus::State::waiting);
  ASSERT_FALSE(running.over());
  commit(5);
  Publisher leader = publisher(32, false);
  ASSERT_TRUE(leader.run({}));
  WAIT_FOR(running.over() || (replica.status().version == 5 && replica.status().caught_up));
  EXPECT_TRUE(running.stop());
  expect_equal("replica");
}

TEST_F(LibraryTest, WithoutABrokerTheyWaitAndStopAtOnce) {
  address_ = "kafka://127.0.0.1:1/nobody";
  commit(3);
  Publisher leader = publisher();
  Follower replica = follower("replica", follower_options());
  Running publishing(leader);
  Running following(replica);
  WAIT_FOR(leader.status().state == PublisherStatus::State::waiting);
  WAIT_FOR(replica.status().state == FollowerStatus::State::waiting);
  EXPECT_TRUE(said("the broker is away, trying again in"));
  const auto began = std::chrono::steady_clock::now();
  commit(3);  // nothing waits for it
  EXPECT_TRUE(publishing.stop());
  EXPECT_TRUE(following.stop());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

}  // namespace
}  // namespace flatkv::test
