// SPDX-License-Identifier: Apache-2.0
#include "changes/named_cursors.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "base/bytes.hpp"
#include "fs/test_directory.hpp"
#include "fs/test_support.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::changes {
namespace {

ErrorCode code_of(const std::string& object) {
  const auto decoded = decode_cursor_names(layout::seal_text(object + ",\n"));
  EXPECT_FALSE(decoded) << object;
  return decoded ? ErrorCode::io : decoded.error().code;
}

TEST(CursorNames, AreReadAsTheyWereWritten) {
  CursorNames names;
  names.store.fill(3);
  using Needed = decltype(names.needed_above);
  for (const Needed& needed :
       {Needed{}, Needed{{"a", 0}, {"Z.9_-", 7}, {std::string(64, 'x'), INT64_MAX}}}) {
    names.needed_above = needed;
    const auto again = decode_cursor_names(encode(names));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(again->store, names.store);
    EXPECT_EQ(again->needed_above, needed);
  }
}

TEST(CursorNames, WhatIsNotWrittenIsDamage) {
  const std::string begin = R"({"format": 1, "store": "00000000000000000000000000000000", )";
  EXPECT_TRUE(decode_cursor_names(layout::seal_text(begin + R"("cursors": {"a": 1})" + ",\n")));
  EXPECT_EQ(code_of(begin + R"("cursors": {"a": -1})"), ErrorCode::corruption);
  EXPECT_EQ(code_of(begin + R"("cursors": {"a": 9223372036854775808})"), ErrorCode::corruption);
  EXPECT_EQ(code_of(begin + R"("cursors": {"a": "1"})"), ErrorCode::corruption);
  EXPECT_EQ(code_of(begin + R"("cursors": {"": 1})"), ErrorCode::corruption);
  EXPECT_EQ(code_of(begin + R"("cursors": {"a/b": 1})"), ErrorCode::corruption);
  EXPECT_EQ(code_of(begin + R"("cursors": [1])"), ErrorCode::corruption);
  EXPECT_EQ(code_of(begin + R"("other": 1)"), ErrorCode::corruption);
  EXPECT_EQ(code_of(R"({"format": 1, "store": "00", "cursors": {})"), ErrorCode::corruption);
  EXPECT_EQ(code_of(R"({"format": 2)"), ErrorCode::format_too_new);
  std::string many = begin + R"("cursors": {)";
  for (std::size_t i = 0; i <= kMostNames; ++i) {
    many += (i == 0 ? "\"n" : ", \"n") + std::to_string(i) + "\": 1";
  }
  EXPECT_EQ(code_of(many + "}"), ErrorCode::corruption);
}

TEST(CursorNames, ANameIsShortAndPlain) {
  for (const char* good : {"a", "indexer-1", "A.b_c"}) EXPECT_TRUE(check_name(good)) << good;
  for (const std::string& bad :
       {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a/b"),
        std::string("\xc3\xa4"), std::string(1, '\0')}) {
    EXPECT_EQ(check_name(bad).error().code, ErrorCode::invalid_argument);
  }
}

/// A name at 9 in a store whose disk may fail.
class LoweredName : public ::testing::Test {
 protected:
  LoweredName() {
    EXPECT_TRUE(keep(9));
    names_->release("a", this);
    fails_ = true;
  }
  Status keep(std::int64_t version) {
    return names_->keep("a", this, [version] { return version; });
  }
  /// Once the disk works again, `keep` at 5 is durable as soon as it says so.
  void expect_that_5_gets_saved() {
    ASSERT_FALSE(keep(5));
    fails_ = false;
    ASSERT_TRUE(keep(5));
    names_.reset();  // and dies
    const auto after = open()->list();
    ASSERT_TRUE(after);
    ASSERT_EQ(after->size(), 1U);
    EXPECT_EQ(after->front().version, 5);
  }

 private:
  std::unique_ptr<NamedCursors> open() {
    return std::make_unique<NamedCursors>(
        files_, store_.path(), changelog::StoreId{}, [] { return Status{}; }, Logger{});
  }

  const fs::TestDirectory store_;
  bool fails_ = false;
  fs::Interposed files_{[this](std::string_view operation, const std::string&) -> Status {
    if (fails_ && operation == "rename") return fail(ErrorCode::io, "no");
    return {};
  }};

 protected:
  std::unique_ptr<NamedCursors> names_ = open();
};

TEST_F(LoweredName, IsOwedUntilItIsSaved) {
  ASSERT_FALSE(keep(5));
  expect_that_5_gets_saved();
}

// A rollback that could not save that names need more, and is given up.
TEST_F(LoweredName, IsOwedAfterAnUndoThatFailed) {
  ASSERT_FALSE(names_->begin_undo(5));
  names_->undone();
  expect_that_5_gets_saved();
}

}  // namespace
}  // namespace flatkv::changes
