// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/bisect.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/spread.hpp"
#include "support/store_fixture.hpp"

// A row changed behind RocksDB's back, with a valid block checksum. The store's own hashes do not
// show it; only comparing the rows does.
namespace flatkv::test {
namespace {

class DamagedRow : public StoreFixture {
 protected:
  /// Makes two stores with equal states; a row of one will be damaged.
  void SetUp() override {
    open();
    blocks(30);
    close();
    image("healthy");
    restore("healthy");
  }

  /// The first row of a database that has a value.
  std::pair<Bytes, Bytes> victim(Database database) {
    const auto& rows = model_.committed().rows[database];
    for (const auto& [key, value] : rows) {
      if (!value.empty()) return {key, value};
    }
    throw std::runtime_error("no row to damage");
  }

  void damage(Database database, const Bytes& key, std::optional<Bytes> value) {
    tamper(working(path(), to_string(database)), {{row_key(key), std::move(value)}});
  }

  static ReadOnlyStore look(const std::string& store) {
    auto opened = ReadOnlyStore::open(store);
    if (!opened) throw std::runtime_error(opened.error().to_string());
    return *std::move(opened);
  }

  static StateDigest digest(const ReadOnlyStore& store) {
    auto made = digest_state(store.view());
    if (!made) throw std::runtime_error(made.error().to_string());
    return *std::move(made);
  }

  /// The digest shows the damage, and the comparison finds this one key.
  void expect_found(Database database, const Bytes& key, const std::optional<Bytes>& good,
                    const std::optional<Bytes>& bad) {
    const ReadOnlyStore healthy = look(aside("healthy"));
    const ReadOnlyStore damaged = look(path());
    EXPECT_TRUE(same_roots(damaged.roots(), healthy.roots()));
    const StateDigest digest_a = digest(healthy);
    const StateDigest digest_b = digest(damaged);
    for (const auto& part : digest_a.parts) EXPECT_TRUE(digest_a.proven(part));
    for (const auto& part : digest_b.parts) {
      EXPECT_EQ(digest_b.proven(part), part.database != database) << to_string(part.database);
    }
    const auto ranges = differing_ranges(digest_a, digest_b);
    ASSERT_OK(ranges);
    std::size_t rows = 0;
    for (const RangeDifference& range : *ranges) {
      EXPECT_EQ(range.database, database);
      ASSERT_OK(
          diff_rows(healthy.view(), damaged.view(), range, [&](const RowDifference& row) -> Status {
            ++rows;
            EXPECT_EQ(as_chars(row.key), as_chars(key));
            EXPECT_EQ(row.a.has_value(), good.has_value());
            EXPECT_EQ(row.b.has_value(), bad.has_value());
            if (row.b && bad) {
              EXPECT_EQ(as_chars(*row.b), as_chars(*bad));
            }
            return {};
          }));
    }
    EXPECT_EQ(rows, 1U);
  }
};

TEST_F(DamagedRow, WithAnotherValue) {
  for (const Database database : {Database::code, Database::storage, Database::legacy}) {
    restore("healthy");
    const auto [key, good] = victim(database);
    Bytes bad = good;
    bad.back() ^= 1;
    damage(database, key, bad);
    expect_found(database, key, good, bad);
  }
}

TEST_F(DamagedRow, Gone) {
  const auto [key, good] = victim(Database::account);
  damage(Database::account, key, std::nullopt);
  expect_found(Database::account, key, good, std::nullopt);
}

TEST_F(DamagedRow, OneTooManyWithoutAValue) {
  const Bytes key = text("a row that nobody wrote");
  damage(Database::legacy, key, Bytes{});
  expect_found(Database::legacy, key, std::nullopt, Bytes{});
}

TEST_F(DamagedRow, IsInExactlyOneOfTheParts) {
  constexpr std::uint32_t kParts = 16;
  for (const Database database : {Database::code, Database::storage, Database::legacy}) {
    restore("healthy");
    const auto [key, good] = victim(database);
    Bytes bad = good;
    bad.back() ^= 1;
    damage(database, key, bad);
    const ReadOnlyStore healthy = look(aside("healthy"));
    const ReadOnlyStore damaged = look(path());
    std::vector<PartScan> parts;
    std::size_t differing = 0;
    for (std::uint32_t index = 1; index <= kParts; ++index) {
      const auto right = verify_part(healthy.view(), {index, kParts});
      auto wrong = verify_part(damaged.view(), {index, kParts});
      ASSERT_OK(right);
      ASSERT_OK(wrong);
      for (const Database each : kDataDatabases) {
        const auto at = static_cast<std::size_t>(each);
        const PartScan::Part& own = wrong->databases[at];
        const bool same = own.hash == right->databases[at].hash;
        EXPECT_TRUE(same || each == database);
        if (same) continue;
        ++differing;
        EXPECT_LE(as_chars(own.start), as_chars(key));
        EXPECT_TRUE(own.end.empty() || as_chars(key) < as_chars(own.end));
      }
      parts.push_back(*std::move(wrong));
    }
    EXPECT_EQ(differing, 1U);
    const auto merged = merge_verify(parts);
    ASSERT_OK(merged);
    EXPECT_FALSE(merged->sum_good);
    for (const DatabaseVerdict& verdict : merged->databases) {
      EXPECT_EQ(verdict.good(), verdict.database != database);
    }
  }
}

TEST_F(DamagedRow, IsNoPartingOfTheLogs) {
  const auto [key, good] = victim(Database::storage);
  damage(Database::storage, key, bytes({1, 2, 3}));
  const auto found = find_divergence(aside("healthy"), path());
  ASSERT_OK(found);
  EXPECT_FALSE(found->parted);
  EXPECT_EQ(found->last, 30);
}

}  // namespace
}  // namespace flatkv::test
