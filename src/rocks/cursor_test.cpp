// SPDX-License-Identifier: Apache-2.0
#include "rocks/cursor.hpp"

#include "rocks/test_support.hpp"

namespace flatkv::rocks {
namespace {

Bytes bytes(std::string_view text) { return to_bytes(as_bytes(text)); }

class EngineCursor : public testing::Test {
 protected:
  EngineCursor() {
    db_ = open_db(dir_ / "db", Db::Mode::create);
    ingest_rows(*db_, dir_ / "t.sst", {{"b", "1"}, {"d", "2"}, {"f", "3"}}, {{"local", "L"}});
    snapshot_ = must(db_->snapshot());
  }
  fs::TestDirectory dir_;
  std::shared_ptr<Db> db_;
  std::shared_ptr<const PinnedDatabase> snapshot_;
};

TEST_F(EngineCursor, SeeksBothWays) {
  const auto cursor = snapshot_->cursor({});
  const auto at = [&] { return cursor->valid() ? text(cursor->key()) : "-"; };
  cursor->seek(as_bytes("c"));
  EXPECT_EQ(at(), "d");
  cursor->previous();
  EXPECT_EQ(at(), "b");
  cursor->previous();
  EXPECT_EQ(at(), "-");  // metadata is not shown
  must(cursor->status());
  cursor->seek_for_previous(as_bytes("e"));
  EXPECT_EQ(at(), "d");
  cursor->seek_for_previous(as_bytes("d"));
  EXPECT_EQ(at(), "d");
  cursor->seek_for_previous(as_bytes("a"));
  EXPECT_EQ(at(), "-");
  cursor->seek(as_bytes("g"));
  EXPECT_EQ(at(), "-");
  cursor->seek(as_bytes(""));
  EXPECT_EQ(at(), "b");
  cursor->seek_to_last();
  EXPECT_EQ(at(), "f");
}

TEST_F(EngineCursor, BoundsHold) {
  const auto rows = [&](Bounds bounds) { return walk(*snapshot_->cursor(bounds)); };
  const auto back = [&](Bounds bounds) { return walk_back(*snapshot_->cursor(bounds)); };
  EXPECT_EQ(rows({bytes("b"), bytes("f")}), (RowList{{"b", "1"}, {"d", "2"}}));
  EXPECT_EQ(back({bytes("b"), bytes("f")}), (RowList{{"d", "2"}, {"b", "1"}}));
  EXPECT_EQ(rows({bytes("c"), std::nullopt}), (RowList{{"d", "2"}, {"f", "3"}}));
  EXPECT_EQ(rows({std::nullopt, bytes("d")}), (RowList{{"b", "1"}}));
  EXPECT_TRUE(rows({bytes("d"), bytes("d")}).empty());
  EXPECT_TRUE(rows({bytes("f"), bytes("b")}).empty());
  EXPECT_TRUE(rows({std::nullopt, bytes("")}).empty());
  const auto cursor = snapshot_->cursor({bytes("c"), bytes("e")});
  cursor->seek(as_bytes("a"));
  EXPECT_EQ(text(cursor->key()), "d");
  cursor->seek_for_previous(as_bytes("z"));
  EXPECT_EQ(text(cursor->key()), "d");
}

}  // namespace
}  // namespace flatkv::rocks
