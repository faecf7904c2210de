// SPDX-License-Identifier: Apache-2.0
#include "follow/mark.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "flatkv/store.hpp"
#include "fs/test_directory.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::follow {
namespace {

wire::TopicId topic_of(std::uint8_t byte) {
  wire::TopicId topic;
  topic.fill(byte);
  return topic;
}

TEST(Mark, RoundTripAndAnyFlippedBitAndAnyCut) {
  Bytes bytes = encode_mark(topic_of(0xa7));
  EXPECT_EQ(decode_mark(bytes).value(), topic_of(0xa7));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    EXPECT_FALSE(decode_mark(bytes)) << at;
    bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    EXPECT_FALSE(decode_mark(ByteView(bytes).first(at))) << at;
  }
  const auto refused = [](const char* text) {
    const auto decoded = decode_mark(layout::seal_text(text));
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code, ErrorCode::corruption) << text;
  };
  refused("{\n  \"format\": 1,\n");
  refused("{\n  \"format\": 1,\n  \"topic\": \"a7\",\n");
  refused("{\n  \"format\": 1,\n  \"topic\": 7,\n");
  EXPECT_EQ(decode_mark(layout::seal_text("{\n  \"format\": 2,\n")).error().code,
            ErrorCode::format_too_new);
}

TEST(Mark, ItIsOfTheStoreThatIsHere) {
  const fs::TestDirectory directory;
  const std::string path = directory / "store";
  EXPECT_FALSE(look_at(path).there);
  ASSERT_TRUE(CommitStore::create(path));
  EXPECT_TRUE(look_at(path).there);
  EXPECT_FALSE(look_at(path).topic);
  ASSERT_TRUE(remember(path, topic_of(1)));
  ASSERT_TRUE(remember(path, topic_of(2)));
  EXPECT_EQ(look_at(path).topic, topic_of(2));
  {  // an open neither minds nor removes it
    Options options;
    auto store = CommitStore::open(path, options);
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->commit(1));
    ASSERT_TRUE(store->snapshot());
    ASSERT_TRUE(store->close());
  }
  EXPECT_EQ(look_at(path).topic, topic_of(2));

  std::ofstream(path + "/gen-00000001/" + std::string(kTopicFile)) << "damaged";
  EXPECT_TRUE(look_at(path).there);
  EXPECT_FALSE(look_at(path).topic);

  // What may be a store, but cannot be looked into, is not taken for none.
  std::filesystem::create_directory(path + "/gen-00000002");
  std::filesystem::remove(path + "/CURRENT");
  EXPECT_TRUE(look_at(path).there);
}

TEST(Mark, AStoreIsPutAsideUnderANewName) {
  const fs::TestDirectory directory;
  const std::string path = directory / "store";
  for (const char* name : {"store.replaced-1", "store.replaced-2"}) {
    ASSERT_TRUE(CommitStore::create(path));
    EXPECT_EQ(put_aside(path).value(), directory / name);
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(CommitStore::open(directory / name));
  }
  EXPECT_EQ(put_aside(path).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace flatkv::follow
