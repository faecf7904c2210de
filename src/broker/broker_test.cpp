// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "broker/client.hpp"
#include "broker/consumer.hpp"

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
  EXPECT_FALSE(is_away(is(RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE), true));
  EXPECT_FALSE(is_away(is(RD_KAFKA_RESP_ERR__FENCED), true));
  EXPECT_FALSE(is_away(is(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), false));
  EXPECT_TRUE(is_away(is(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), true));
  EXPECT_FALSE(is_away(fail(ErrorCode::io, "of a disk").path("/store").error(), true));
}

}  // namespace
}  // namespace flatkv::broker::test
