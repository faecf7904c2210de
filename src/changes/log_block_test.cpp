// SPDX-License-Identifier: Apache-2.0
#include "changes/log_block.hpp"

#include <gtest/gtest.h>

#include "codec/change_log_entry.hpp"

namespace flatkv::changes {
namespace {

changelog::Record record_of(std::int64_t version, Bytes payload) {
  changelog::Record record;
  record.header.version = version;
  record.header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  record.payload = std::move(payload);
  record.segment = "5.log";
  record.offset = 77;
  return record;
}

void expect_refused(changelog::Record record, std::string_view why) {
  const auto block = to_log_block(std::move(record), true, "/log");
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().code, ErrorCode::corruption);
  EXPECT_EQ(block.error().path, "/log/5.log");
  EXPECT_EQ(block.error().version, 7);
  EXPECT_EQ(block.error().offset, 77U);
  EXPECT_NE(block.error().message.find(why), std::string::npos) << block.error().message;
}

/// A writer that is not ours, or a fault of ours: the digests are right all the same.
TEST(LogBlock, WhoseRecordHasAnotherPayloadIsRefused) {
  Bytes other;
  codec::append_version(other, 8);
  expect_refused(record_of(7, other), "says that it is version 8");
  expect_refused(record_of(7, {0xff, 0xff, 0xff}), "does not decode");
  EXPECT_TRUE(to_log_block(record_of(8, other), true, "/log"));
  const auto bare = to_log_block(record_of(7, other), false, "/log");  // nobody looks inside
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->record.version, 7);
}

}  // namespace
}  // namespace flatkv::changes
