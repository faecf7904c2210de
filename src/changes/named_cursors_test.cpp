// SPDX-License-Identifier: Apache-2.0
#include "changes/named_cursors.hpp"

#include <gtest/gtest.h>

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

// A name that needs more than before is durable once `keep` says so, also after a try that failed.
TEST(NamedCursors, AVersionThatWentDownIsOwedUntilItIsSaved) {
  const fs::TestDirectory store;
  bool fails = false;
  fs::Interposed files([&](std::string_view operation, const std::string&) -> Status {
    if (fails && operation == "rename") return fail(ErrorCode::io, "no");
    return {};
  });
  const auto open = [&] {
    return NamedCursors(files, store.path(), {}, [] { return Status{}; }, {});
  };
  const auto at = [](std::int64_t version) { return [version] { return version; }; };
  int owner = 0;
  {
    NamedCursors names = open();
    ASSERT_TRUE(names.keep("a", &owner, at(9)));
    names.release("a", &owner);
    fails = true;
    ASSERT_FALSE(names.keep("a", &owner, at(5)));
    ASSERT_FALSE(names.keep("a", &owner, at(5)));
    fails = false;
    ASSERT_TRUE(names.keep("a", &owner, at(5)));
  }  // and dies
  const auto after = open().list();
  ASSERT_TRUE(after);
  ASSERT_EQ(after->size(), 1U);
  EXPECT_EQ(after->front().version, 5);
}

// A rollback that could not save that names need more, and is given up.
TEST(NamedCursors, AnUndoThatFailedOwesWhatItLowered) {
  const fs::TestDirectory store;
  bool fails = false;
  fs::Interposed files([&](std::string_view operation, const std::string&) -> Status {
    if (fails && operation == "rename") return fail(ErrorCode::io, "no");
    return {};
  });
  const auto open = [&] {
    return NamedCursors(files, store.path(), {}, [] { return Status{}; }, {});
  };
  const auto at = [](std::int64_t version) { return [version] { return version; }; };
  int owner = 0;
  {
    NamedCursors names = open();
    ASSERT_TRUE(names.keep("a", &owner, at(9)));
    names.release("a", &owner);
    fails = true;
    ASSERT_FALSE(names.begin_undo(5));
    names.undone();
    ASSERT_FALSE(names.keep("a", &owner, at(5)));
    fails = false;
    ASSERT_TRUE(names.keep("a", &owner, at(5)));
  }  // and dies
  const auto after = open().list();
  ASSERT_TRUE(after);
  ASSERT_EQ(after->size(), 1U);
  EXPECT_EQ(after->front().version, 5);
}

}  // namespace
}  // namespace flatkv::changes
