// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
// After the one above.
#include <librdkafka/rdkafka_mock.h>

#include "broker/client.hpp"
#include "broker/consumer.hpp"
#include "broker/producer.hpp"
#include "broker/test_support.hpp"
#include "broker/topic_admin.hpp"

namespace flatkv::broker::test {
namespace {

TEST(Place, OfAnAddress) {
  const auto one = parse_place("kafka://localhost:9092/state");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->servers, "localhost:9092");
  EXPECT_EQ(one->topic, "state");
  EXPECT_EQ(one->address(), "kafka://localhost:9092/state");
  const auto three = parse_place("kafka://a:1,b:2,[::1]:3/chain.7_state-x");
  ASSERT_TRUE(three);
  EXPECT_EQ(three->servers, "a:1,b:2,[::1]:3");
}

TEST(Place, RefusesWhatIsNoAddress) {
  for (const char* wrong :
       {"", "state", "kafka:", "kafka://", "kafka:///state", "kafka://a:1", "kafka://a:1/",
        "kafka://a:1/.", "kafka://a:1/..", "kafka://a:1/x/y", "kafka://a:1/x y", "kafka://a:1/x?y",
        "kafka://user:password@a:1/x", "http://a:1/x", "KAFKA://a:1/x"}) {
    const auto place = parse_place(wrong);
    ASSERT_FALSE(place) << wrong;
    EXPECT_EQ(place.error().code, ErrorCode::invalid_argument) << wrong;
  }
  EXPECT_FALSE(parse_place("kafka://a:1/" + std::string(250, 'x')));
  EXPECT_TRUE(parse_place("kafka://a:1/" + std::string(249, 'x')));
}

TEST(Client, ASettingThatIsNoneIsNamed) {
  Place place{.servers = "127.0.0.1:1", .topic = "state", .client = {{"no.such.setting", "1"}}};
  const auto consumer = Consumer::open(place);
  ASSERT_FALSE(consumer);
  EXPECT_EQ(consumer.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(consumer.error().message.find("no.such.setting"), std::string::npos);
}

TEST(Client, SettingsThatContradictEachOtherAreRefused) {
  const Place place{.servers = "127.0.0.1:1",
                    .topic = "state",
                    .client = {{"session.timeout.ms", "6000"}, {"max.poll.interval.ms", "1000"}}};
  const auto consumer = Consumer::open(place);
  ASSERT_FALSE(consumer);
  EXPECT_EQ(consumer.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(consumer.error().path, "kafka://127.0.0.1:1/state");
  EXPECT_NE(consumer.error().message.find("max.poll.interval.ms"), std::string::npos);
}

/// A broker within librdkafka. Each client has one of its own.
Place mock(std::map<std::string, std::string> client = {}) {
  client.emplace("test.mock.num.brokers", "1");
  return {.servers = "127.0.0.1:1", .topic = "state", .client = std::move(client)};
}

TEST(Mock, WhatCannotBeSentIsNamedAndNothingIsSent) {
  auto producer = Producer::open(mock({{"message.max.bytes", "1000"}}), {});
  ASSERT_TRUE(producer) << producer.error().to_string();
  const Bytes key(4);
  const Bytes large(5000);
  const OutMessage message{key, large};
  const Status sent = producer->send({&message, 1}, {});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::invalid_argument) << sent.error().to_string();
  EXPECT_EQ(sent.error().path, "kafka://127.0.0.1:1/state");
  EXPECT_FALSE(is_away(sent.error(), true));
  // Its transaction was never ended: the producer is of no use any more, and says so.
  const Bytes small(5);
  const OutMessage next{key, small};
  const Status again = producer->send({&next, 1}, {});
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("beginning a transaction"), std::string::npos);
}

TEST(Mock, AFullQueueIsWaitedForUntilTheStop) {
  const Bytes key(4);
  const Bytes value(100);
  const std::vector<OutMessage> messages(50, OutMessage{key, value});
  const Place place = mock({{"queue.buffering.max.messages", "2"}});
  auto producer = Producer::open(place, {});
  ASSERT_TRUE(producer) << producer.error().to_string();
  EXPECT_TRUE(producer->send(messages, {}));
  std::stop_source stop;
  stop.request_stop();
  const Status sent = producer->send(messages, stop.get_token());
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::cancelled);
  EXPECT_EQ(sent.error().message, "stopped while sending");
}

/// The next message, or nothing at the end; an error where neither comes.
Result<std::optional<InMessage>> next_or_end(Consumer& consumer) {
  for (int tries = 0; tries < 100; ++tries) {
    auto next = consumer.next(std::chrono::milliseconds(200));
    if (!next || *next || consumer.at_end()) return next;
  }
  return fail(ErrorCode::io, "neither a message nor the end comes");
}

/// librdkafka may abort where a partition's fetch is stopped again before the first stop is
/// through: https://github.com/confluentinc/librdkafka/issues/5573
TEST(Mock, AConsumerMayEndRightAfterASeek) {
  for (int i = 0; i < 30; ++i) {
    auto consumer = Consumer::open(mock());
    ASSERT_TRUE(consumer);
    ASSERT_TRUE(consumer->seek(0));
    const bool reads = i % 3 == 0;
    if (reads) {
      ASSERT_TRUE(next_or_end(*consumer));
    }
    ASSERT_EQ(consumer->at_end(), reads);
    for (int seeks = 0; seeks < i % 4; ++seeks) {
      const Status moved = consumer->seek(0);
      ASSERT_TRUE(moved) << moved.error().to_string();
    }
  }
}

TEST(Mock, ASeekGoesBothWays) {
  const Place unused = mock();
  const auto cluster = make_client(RD_KAFKA_PRODUCER, unused, *configure(unused, {}));
  ASSERT_TRUE(cluster);
  const Place place{
      .servers = rd_kafka_mock_cluster_bootstraps(rd_kafka_handle_mock_cluster(cluster->get())),
      .topic = "state"};
  constexpr std::int64_t kMessages = 50;
  auto producer = Producer::open(place, {});
  ASSERT_TRUE(producer) << producer.error().to_string();
  for (std::int64_t i = 0; i < kMessages; ++i) {
    const Bytes bytes(4, static_cast<std::uint8_t>(i));
    const OutMessage message{bytes, bytes};
    ASSERT_TRUE(producer->send({&message, 1}, {}));
  }
  auto consumer = Consumer::open(place);
  ASSERT_TRUE(consumer);
  const auto expect_next = [&](std::int64_t offset) {
    const auto next = next_or_end(*consumer);
    ASSERT_TRUE(next) << next.error().to_string();
    ASSERT_TRUE(*next) << offset;
    EXPECT_EQ((*next)->offset(), offset);
    EXPECT_EQ((*next)->value()[0], offset);
  };
  for (const std::int64_t from : {20, 20, 0, 49, 48, 5, 5, 30}) {
    ASSERT_TRUE(consumer->seek(from));
    for (std::int64_t i = from; i < kMessages; ++i) ASSERT_NO_FATAL_FAILURE(expect_next(i));
    const auto none = next_or_end(*consumer);
    ASSERT_TRUE(none) << none.error().to_string();
    EXPECT_TRUE(consumer->at_end() && !*none);
  }
  // Also where what was fetched before waits unread.
  for (const std::int64_t from : {10, 3, 40}) {
    ASSERT_TRUE(consumer->seek(from));
    for (std::int64_t i = from; i < from + 3; ++i) ASSERT_NO_FATAL_FAILURE(expect_next(i));
  }
}

TEST(Mock, ATopicOfSeveralPartitionsIsRefused) {
  const Status checked = check_topic(mock(), std::chrono::seconds(60));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::unsupported) << checked.error().to_string();
  EXPECT_NE(checked.error().message.find("the topic has 4 partitions"), std::string::npos);
}

TEST(Client, NobodyAtTheAddressIsABrokerThatIsAway) {
  const Place place{.servers = "127.0.0.1:1", .topic = "state"};
  auto consumer = Consumer::open(place);
  ASSERT_TRUE(consumer);
  const auto bounds = consumer->bounds(std::chrono::milliseconds(200));
  ASSERT_FALSE(bounds);
  EXPECT_TRUE(is_away(bounds.error(), false)) << bounds.error().to_string();
}

TEST(Client, OnlyWhatTimeMendsIsAway) {
  const Place place{.servers = "a:1", .topic = "state"};
  const auto is = [&](rd_kafka_resp_err_t code) { return kafka_failure(place, code, "x").error(); };
  EXPECT_TRUE(is_away(is(RD_KAFKA_RESP_ERR__TRANSPORT), false));
  EXPECT_TRUE(is_away(is(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION), false));
  EXPECT_EQ(is(RD_KAFKA_RESP_ERR__FENCED).code, ErrorCode::locked);
  EXPECT_EQ(is(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE).code, ErrorCode::log_gap);
  EXPECT_EQ(is(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).code, ErrorCode::not_found);
  EXPECT_EQ(is(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).code, ErrorCode::permission);
  EXPECT_EQ(is(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE).code, ErrorCode::invalid_argument);
  EXPECT_EQ(is(RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION).code, ErrorCode::unsupported);
  EXPECT_EQ(is(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE).code, ErrorCode::unsupported);
  EXPECT_FALSE(is_away(is(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE), true));
  EXPECT_FALSE(is_away(is(RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE), true));
  EXPECT_FALSE(is_away(is(RD_KAFKA_RESP_ERR__FENCED), true));
  EXPECT_FALSE(is_away(is(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), false));
  EXPECT_TRUE(is_away(is(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), true));
  EXPECT_FALSE(is_away(fail(ErrorCode::io, "of a disk").path("/store").error(), true));
}

}  // namespace
}  // namespace flatkv::broker::test
