// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include "base/worker.hpp"
#include "broker/client.hpp"
#include "broker/consumer.hpp"
#include "broker/producer.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/block_builder.hpp"
#include "flatkv/cluster/follower.hpp"
#include "flatkv/cluster/publisher.hpp"
#include "store/test_store.hpp"
#include "topic/scan.hpp"

// A leader, publishers and followers in one program, against the broker of FLATKV_TEST_BROKER.
namespace flatkv::test {
inline constexpr std::chrono::seconds kPatience{60};

/// A publisher or follower on a thread of its own.
template <class T>
class Running {
 public:
  explicit Running(T& runs) {
    worker_.start("test-runs", [&](const std::stop_token& stop) {
      ended_ = runs.run(stop);
      over_ = true;
    });
  }
  bool over() const { return over_; }
  /// What `run` returned, after a stop.
  Status stop() {
    worker_.stop();
    return ended_;
  }
  /// What it returned by itself.
  Status wait() {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!over_ && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(over_) << "it goes on and on";
    return stop();
  }

 private:
  Status ended_;
  std::atomic<bool> over_{false};
  Worker worker_;
};

template <class Ready>
void wait_for(const Ready& ready, const char* what) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!ready()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << what;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}
#define WAIT_FOR(condition) ASSERT_NO_FATAL_FAILURE(wait_for([&] { return condition; }, #condition))

class LibraryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* servers = std::getenv("FLATKV_TEST_BROKER");
    ASSERT_NE(servers, nullptr) << "scripts/cluster-test runs this";
    address_ = std::string("kafka://") + servers + "/library-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name();
    options_.create_if_missing = true;
    options_.durability = Durability::process;
    options_.rollback_depth = 64;
    open();
  }

  void open() {
    auto opened = CommitStore::open(leader_path(), options_);
    ASSERT_TRUE(opened) << opened.error().to_string();
    leader_.emplace(*std::move(opened));
  }
  void commit(int blocks, std::size_t code_bytes = 0) {
    for (int i = 0; i < blocks; ++i) {
      const std::int64_t version = leader_->version() + 1;
      BlockBuilder block;
      Slot slot{};
      slot[31] = static_cast<std::uint8_t>(version);
      Word value{};
      value.fill(salt_);
      block.set_storage(store::Block::address(1), slot, value);
      block.set_nonce(store::Block::address(2), static_cast<std::uint64_t>(version));
      if (code_bytes != 0) {
        Bytes code(code_bytes);
        for (auto& byte : code) byte = static_cast<std::uint8_t>(random_());
        block.set_code(store::Block::address(3), code, Word{1});
      }
      ASSERT_TRUE(leader_->apply(block));
      ASSERT_TRUE(leader_->commit(version));
    }
    ASSERT_TRUE(leader_->wait_durable(leader_->version()) || leader_->flush());
  }
  /// Another branch from that version on.
  void go_back(std::int64_t version) {
    ASSERT_TRUE(leader_->rollback(version));
    ++salt_;
  }
  Publisher publisher(std::uint32_t depth = 32, bool follow = true, bool take_back = false) {
    auto made = Publisher::of(*leader_, {.to = address_,
                                         .create_topic = true,
                                         .take_back = take_back,
                                         .follow = follow,
                                         .depth = depth,
                                         .log = remember()});
    EXPECT_TRUE(made) << made.error().to_string();
    return *std::move(made);
  }
  FollowerOptions follower_options() {
    FollowerOptions options;
    options.from = address_;
    options.log = remember();
    return options;
  }
  Follower follower(const std::string& name, const FollowerOptions& options) {
    auto made = Follower::of(folder_ / name, options);
    EXPECT_TRUE(made) << made.error().to_string();
    return *std::move(made);
  }
  /// A follower of that name comes to the leader's state.
  void expect_follows(const std::string& name, const FollowerOptions& options,
                      FollowerStatus* status = nullptr) {
    Follower replica = follower(name, options);
    Running running(replica);
    WAIT_FOR(running.over() ||
             (replica.status().version == leader_->version() && replica.status().caught_up));
    const Status ended = running.stop();
    EXPECT_TRUE(ended) << ended.error().to_string();
    if (status != nullptr) *status = replica.status();
    expect_equal(name);
  }
  /// What a follower of that name ends with by itself: that error, at that version.
  Error refusal(const std::string& name, ErrorCode code, std::int64_t version) {
    Follower replica = follower(name, follower_options());
    Running running(replica);
    const Status ended = running.wait();
    EXPECT_FALSE(ended);
    const Error error = ended ? Error{} : ended.error();
    EXPECT_EQ(error.code, code) << error.to_string();
    EXPECT_EQ(error.version, version) << error.to_string();
    return error;
  }
  void expect_equal(const std::string& name) {
    auto store = CommitStore::open(folder_ / name, {});
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_EQ(store->version(), leader_->version());
    EXPECT_EQ(store->committed_roots(), leader_->committed_roots());
    const auto verified = store->verify();
    ASSERT_TRUE(verified);
    EXPECT_TRUE(verified->good());
  }
  /// The topic's end, once it is at that version: the broker ends a transaction a little after it
  /// has answered that it will.
  topic::Tail tail(std::int64_t version) {
    auto consumer = broker::Consumer::open(*broker::parse_place(address_));
    EXPECT_TRUE(consumer);
    auto found = topic::read_tail(*consumer, 32, {});
    for (int i = 0; i < 200 && found && !(found->last && found->last->version == version); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      found = topic::read_tail(*consumer, 32, {});
    }
    EXPECT_TRUE(found && found->last && found->last->version == version);
    return *std::move(found);
  }
  /// The leader's block behind `last`, with these roots.
  wire::Encoded record_of(std::int64_t version, const Roots& roots, const wire::Position& last,
                          std::uint32_t depth = 32) {
    auto changes = leader_->changes(version, version);
    EXPECT_TRUE(changes);
    const auto block = changes->next();
    Bytes payload;
    codec::append_version(payload, version);
    codec::append_change_sets(payload, (*block)->change_sets());
    return encoded({.at = {},
                    .kind = wire::Kind::block,
                    .depth = depth,
                    .version = version,
                    .roots = roots,
                    .payload = payload},
                   last);
  }
  static wire::Encoded encoded(const wire::Record& record, const wire::Position& last) {
    auto made = wire::encode_record(last, record, 900U << 10);
    EXPECT_TRUE(made) << made.error().to_string();
    return *std::move(made);
  }
  void send(const wire::Encoded& record) {
    auto producer = broker::Producer::open(*broker::parse_place(address_), {});
    ASSERT_TRUE(producer);
    const broker::OutMessage message{record.messages[0].key, record.messages[0].value};
    ASSERT_TRUE(producer->send({&message, 1}, {}));
  }
  /// The broker forgets what lies before that offset, as retention makes it do.
  void forget_before(std::int64_t offset) {
    ask_broker([offset](rd_kafka_t* client, const std::string& topic, rd_kafka_queue_t* answers) {
      rd_kafka_topic_partition_list_t* offsets = rd_kafka_topic_partition_list_new(1);
      rd_kafka_topic_partition_list_add(offsets, topic.c_str(), 0)->offset = offset;
      rd_kafka_DeleteRecords_t* wanted = rd_kafka_DeleteRecords_new(offsets);
      rd_kafka_topic_partition_list_destroy(offsets);
      rd_kafka_DeleteRecords(client, &wanted, 1, nullptr, answers);
      rd_kafka_DeleteRecords_destroy(wanted);
    });
    EXPECT_EQ(bounds().low, offset);
  }
  void remove_topic() {
    ask_broker([](rd_kafka_t* client, const std::string& name, rd_kafka_queue_t* answers) {
      rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
      rd_kafka_DeleteTopics(client, &topic, 1, nullptr, answers);
      rd_kafka_DeleteTopic_destroy(topic);
    });
  }
  /// Waits for the answer to a request of librdkafka's interface for administrators.
  void ask_broker(
      const std::function<void(rd_kafka_t*, const std::string&, rd_kafka_queue_t*)>& ask) {
    const auto place = *broker::parse_place(address_);
    auto client = broker::make_client(RD_KAFKA_PRODUCER, place, *broker::configure(place, {}));
    ASSERT_TRUE(client);
    rd_kafka_queue_t* answers = rd_kafka_queue_new(client->get());
    ask(client->get(), place.topic, answers);
    rd_kafka_event_t* event = rd_kafka_queue_poll(answers, 60'000);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
  }
  broker::Consumer::Bounds bounds() {
    auto consumer = broker::Consumer::open(*broker::parse_place(address_));
    EXPECT_TRUE(consumer);
    return consumer->bounds(kPatience).value();
  }
  LogCallback remember() {
    return [this](LogLevel level, std::string_view text) {
      if (level == LogLevel::info) return;
      const std::lock_guard lock(mutex_);
      said_ += std::string(text) + "\n";
    };
  }
  bool said(const std::string& what) {
    const std::lock_guard lock(mutex_);
    return said_.find(what) != std::string::npos;
  }
  std::string leader_path() const { return folder_ / "leader"; }

  store::TempDir folder_;
  std::string address_;
  Options options_;
  std::optional<CommitStore> leader_;
  std::uint8_t salt_ = 1;
  std::mt19937 random_{7};
  std::mutex mutex_;
  std::string said_;
};

}  // namespace flatkv::test
