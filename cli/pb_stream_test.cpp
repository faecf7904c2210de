// SPDX-License-Identifier: Apache-2.0
#include "pb_stream.hpp"

#include <gtest/gtest.h>

#include "codec/change_log_entry.hpp"
#include "test_support.hpp"

namespace flatkv::cli {
namespace {

std::string varint(std::uint64_t value) {
  std::string out;
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7fU) | 0x80U);
    value >>= 7U;
  }
  return out + static_cast<char>(value);
}

std::string record(std::int64_t version, std::string_view key, std::string_view value) {
  Bytes payload;
  codec::append_version(payload, version);
  const KVPair pair{.key = as_bytes(key), .value = as_bytes(value), .remove = false};
  const NamedChangeSet set{.name = "evm", .pairs = {&pair, 1}};
  codec::append_change_sets(payload, {&set, 1});
  return varint(payload.size()) + std::string(as_chars(payload));
}

std::string complaint(const std::string& stream) {
  TextSource source(stream);
  PbChangeReader reader(source);
  while (true) {
    auto line = reader.next();
    if (!line) {
      EXPECT_EQ(line.error().exit, ExitCode::usage);
      return line.error().message;
    }
    if (!*line) return {};
  }
}

TEST(PbStream, ReadsRecords) {
  TextSource source(record(1, "k", "v") + record(2, "other", std::string(300, 'x')));
  PbChangeReader reader(source);
  auto first = reader.next();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->version, 1);
  ASSERT_EQ((*first)->sets.size(), 1U);
  EXPECT_EQ(as_chars((*first)->sets[0].pairs[0].key), "k");
  auto second = reader.next();
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->version, 2);
  EXPECT_EQ((*second)->number, 2U);
  EXPECT_EQ((*second)->sets[0].pairs[0].value.size(), 300U);
  auto end = reader.next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

TEST(PbStream, EveryTruncationIsRefused) {
  const std::string one = record(1, "key", "value");
  const std::string two = one + record(2, "key", std::string(200, 'v'));
  for (std::size_t length = 1; length < two.size(); ++length) {
    if (length == one.size()) continue;
    EXPECT_FALSE(complaint(two.substr(0, length)).empty()) << length;
  }
}

TEST(PbStream, ALengthIsNeverBelieved) {
  // Claims a gigabyte and has nothing: the memory for it is never taken.
  EXPECT_NE(complaint(varint(std::uint64_t{1} << 30) + "abc").find("ends after 3 of"),
            std::string::npos);
  EXPECT_NE(complaint(varint(std::uint64_t{1} << 40)).find("is above"), std::string::npos);
  EXPECT_NE(complaint(std::string(11, '\xff')).find("not a varint"), std::string::npos);
}

TEST(PbStream, VersionsBelowOneAndGarbageAreRefused) {
  EXPECT_NE(complaint(record(0, "k", "v")).find("below 1"), std::string::npos);
  EXPECT_NE(complaint(record(-3, "k", "v")).find("below 1"), std::string::npos);
  EXPECT_NE(complaint(varint(0)).find("below 1"), std::string::npos);
  EXPECT_NE(complaint("\x03\xff\xff\xff").find("record 1"), std::string::npos);
  EXPECT_FALSE(complaint("{\"version\":1,\"changesets\":[]}\n").empty());
}

TEST(PbStream, LargeRecordsGrowTheirMemory) {
  const std::string big(5'000'000, 'x');
  TextSource source(record(1, "k", big), 1'000'000);
  PbChangeReader reader(source);
  auto line = reader.next();
  ASSERT_TRUE(line && *line);
  EXPECT_EQ(as_chars((*line)->sets[0].pairs[0].value), big);
}

TEST(PbStream, StrictRefusesFieldsThatTheFormatDoesNotHave) {
  const std::string unknown("\x48\x01", 2);  // field 9, a varint
  const std::string payload = record(7, "key", "value").substr(1);
  const std::string stream = varint(payload.size() + unknown.size()) + payload + unknown;
  EXPECT_EQ(complaint(stream), "");
  TextSource source(stream);
  PbChangeReader reader(source, Reading::strict);
  const auto refused = reader.next();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().exit, ExitCode::usage);
  EXPECT_NE(refused.error().message.find("unknown"), std::string::npos) << refused.error().message;
  TextSource known(record(7, "key", "value"));
  PbChangeReader strict(known, Reading::strict);
  EXPECT_TRUE(strict.next());
}

}  // namespace
}  // namespace flatkv::cli
