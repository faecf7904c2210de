// SPDX-License-Identifier: Apache-2.0
#include "memtable/merging_cursor.hpp"

#include "memtable/memtable.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::memtable {
namespace {

Bytes bytes(std::string_view text) { return to_bytes(as_bytes(text)); }

void insert(Memtable& buffer, std::string_view key, std::optional<std::string> value,
            std::int64_t version) {
  buffer.insert({as_bytes(key), memory::key_hash(as_bytes(key)), !value,
                 value ? as_bytes(*value) : ByteView{}, false},
                static_cast<Stamp>(version));
}

std::shared_ptr<Memtable> buffer_of(const rocks::Rows& rows, std::int64_t version) {
  auto buffer = std::make_shared<Memtable>();
  for (const auto& [key, value] : rows) insert(*buffer, key, value, version);
  return buffer;
}

class EngineMerge : public testing::Test {
 protected:
  fs::TestDirectory dir_;
  std::shared_ptr<rocks::Db> db_ = rocks::open_db(dir_ / "db", rocks::Db::Mode::create);
};

TEST_F(EngineMerge, NewestLayerWinsAndDeletesHideLowerLayers) {
  rocks::ingest_rows(*db_, dir_ / "t.sst", {{"a", "db"}, {"b", "db"}, {"c", "db"}, {"d", "db"}});
  const auto frozen = buffer_of({{"a", "frozen"}, {"b", std::nullopt}, {"e", "frozen"}}, 1);
  const auto active = buffer_of({{"b", "active"}, {"c", std::nullopt}, {"e", std::nullopt}}, 2);
  insert(*active, "a", "later", 3);
  std::vector<Memtable::Row> overlay = {{as_bytes("d"), {}, true, false},
                                        {as_bytes("f"), {}, false, false}};
  const auto snapshot = rocks::must(db_->snapshot());
  const auto rows = [&](std::vector<Memtable::Row> top, std::int64_t version, bool active_frozen) {
    const auto cursor = merging_cursor(
        std::move(top),
        {{active, {static_cast<Stamp>(version)}, active_frozen}, {frozen, {1}, true}}, snapshot,
        {});
    auto forward = rocks::walk(*cursor);
    auto backward = rocks::walk_back(*cursor);
    std::reverse(backward.begin(), backward.end());
    EXPECT_EQ(forward, backward);
    return forward;
  };
  EXPECT_EQ(rows({}, 2, false), (rocks::RowList{{"a", "frozen"}, {"b", "active"}, {"d", "db"}}));
  EXPECT_EQ(rows({}, 1, false),
            (rocks::RowList{{"a", "frozen"}, {"c", "db"}, {"d", "db"}, {"e", "frozen"}}));
  EXPECT_EQ(rows({}, 3, true), (rocks::RowList{{"a", "later"}, {"b", "active"}, {"d", "db"}}));
  // An older view of a buffer that has since been frozen still has its own version.
  EXPECT_EQ(rows({}, 2, true), (rocks::RowList{{"a", "frozen"}, {"b", "active"}, {"d", "db"}}));
  EXPECT_EQ(rows(overlay, 2, false), (rocks::RowList{{"a", "frozen"}, {"b", "active"}, {"f", ""}}));
}

TEST_F(EngineMerge, WithoutLayersOrWithoutADatabase) {
  EXPECT_TRUE(rocks::walk(*merging_cursor({}, {}, nullptr, {})).empty());
  const auto buffer = buffer_of({{"a", "1"}, {"b", std::nullopt}}, 1);
  EXPECT_EQ(rocks::walk(*merging_cursor({}, {{buffer, {1}, true}}, nullptr, {})),
            (rocks::RowList{{"a", "1"}}));
  rocks::ingest_rows(*db_, dir_ / "t.sst", {{"b", "2"}});
  EXPECT_EQ(rocks::walk(*merging_cursor({}, {}, rocks::must(db_->snapshot()), {})),
            (rocks::RowList{{"b", "2"}}));
}

/// Random layers and random moves against a plain map.
TEST_F(EngineMerge, EqualsAModelUnderRandomMoves) {
  std::mt19937 random(20);
  const auto key = [&] { return "k" + std::to_string(100 + random() % 60); };
  for (int round = 0; round < 15; ++round) {
    rocks::Rows model;
    fs::TestDirectory dir;
    auto db = rocks::open_db(dir / "db", rocks::Db::Mode::create);
    const auto layer = [&](std::size_t size, bool deletes) {
      rocks::Rows rows;
      for (std::size_t i = 0; i < size; ++i) {
        auto& value = rows[key()];
        value = std::to_string(random());
        if (deletes && random() % 3 == 0) value.reset();
      }
      for (const auto& [name, value] : rows) model[name] = value;
      return rows;
    };
    if (random() % 4 != 0) rocks::ingest_rows(*db, dir / "t.sst", layer(1 + random() % 40, false));
    std::vector<MemtableLayer> layers;
    for (std::size_t n = random() % 3; n > 0; --n) {
      layers.insert(layers.begin(),
                    {buffer_of(layer(random() % 30, true), 1), {1}, random() % 2 == 0});
      if (random() % 2 == 0) {
        MemtableLayer& top = layers.front();
        top.collected =
            std::make_shared<const std::vector<Memtable::Row>>(top.buffer->collect({}, top.reach));
      }
    }
    const rocks::Rows pending = layer(random() % 10, true);
    std::vector<Memtable::Row> overlay;
    for (const auto& [name, value] : pending) {
      overlay.push_back({as_bytes(name), value ? as_bytes(*value) : ByteView{}, !value, false});
    }
    rocks::Bounds bounds;
    if (random() % 2 == 0) bounds.lower = bytes(key());
    if (random() % 2 == 0) bounds.upper = bytes(key());
    rocks::RowList rows;
    for (const auto& row : rocks::live(model)) {
      if (bounds.contains(as_bytes(row.first))) rows.push_back(row);
    }
    const std::size_t readahead = random() % 2 == 0 ? 0 : rocks::kScanReadahead;
    const auto cursor =
        merging_cursor(overlay, layers, rocks::must(db->snapshot()), bounds, readahead);
    EXPECT_EQ(rocks::walk(*cursor), rows);
    auto at = rows.end();
    for (int step = 0; step < 200; ++step) {
      const std::string target = key();
      const auto from =
          std::lower_bound(rows.begin(), rows.end(), target,
                           [](const auto& row, const auto& k) { return row.first < k; });
      switch (const auto move = at == rows.end() ? random() % 4 : random() % 12) {
        case 0:
          cursor->seek_to_first();
          at = rows.begin();
          break;
        case 1:
          cursor->seek_to_last();
          at = rows.empty() ? rows.end() : rows.end() - 1;
          break;
        case 2:
          cursor->seek(as_bytes(target));
          at = from;
          break;
        case 3:
          cursor->seek_for_previous(as_bytes(target));
          at = from != rows.end() && from->first == target ? from
               : from == rows.begin()                      ? rows.end()
                                                           : from - 1;
          break;
        default:
          if (move < 8) {
            cursor->next();
            ++at;
          } else {
            cursor->previous();
            at = at == rows.begin() ? rows.end() : at - 1;
          }
      }
      ASSERT_EQ(cursor->valid(), at != rows.end());
      if (cursor->valid()) {
        ASSERT_EQ(rocks::text(cursor->key()), at->first);
        ASSERT_EQ(rocks::text(cursor->value()), at->second);
      }
    }
    rocks::must(cursor->status());
  }
}

TEST_F(EngineMerge, KeepsWhatItReads) {
  rocks::ingest_rows(*db_, dir_ / "t.sst", {{"a", "1"}, {"c", "3"}});
  auto buffer = buffer_of({{"b", "2"}}, 1);
  const auto cursor =
      merging_cursor({}, {{std::move(buffer), {1}, false}}, rocks::must(db_->snapshot()), {});
  db_.reset();
  EXPECT_EQ(rocks::walk(*cursor).size(), 3U);
}

}  // namespace
}  // namespace flatkv::memtable
