// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "memtable/memtable.hpp"
#include "memtable/merging_cursor.hpp"
#include "rocks/test_support.hpp"
#include "scan/scan.hpp"

// Scans of real databases, raw and through their write buffers.
namespace flatkv::scan {
namespace {

using rocks::must;
using rocks::Rows;

constexpr std::size_t kRows = 20'000;

std::string key_of(std::size_t number) {
  std::string key(52, '\x42');
  for (std::size_t byte = 0; byte < 4; ++byte) {
    key[51 - byte] = static_cast<char>(number * 7919 >> (8 * byte));
  }
  return key;
}

ScanResult expected(const Rows& rows) {
  ScanResult all;
  for (const auto& [key, value] : rows) {
    if (!value) continue;
    all.hash += lthash::element(as_bytes(key), as_bytes(*value));
    ++all.stats.rows;
    all.stats.key_bytes += key.size();
    all.stats.value_bytes += value->size();
  }
  return all;
}

void expect_scan(const CursorFactory& cursors, const Rows& rows) {
  const ScanResult good = expected(rows);
  for (const unsigned threads : {1U, 3U}) {
    ScanOptions options;
    options.threads = threads;
    const auto found = scan_rows(cursors, options);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_EQ(found->hash, good.hash);
    EXPECT_EQ(found->stats, good.stats);
  }
}

class DatabaseScan : public testing::Test {
 protected:
  DatabaseScan() {
    for (std::size_t i = 0; i < kRows; ++i) rows_[key_of(i)] = "value " + std::to_string(i);
    rocks::ingest_rows(*db_, directory_ / "table.sst", rows_, {{"local", "x"}, {"stats", "y"}});
  }

  const fs::TestDirectory directory_;
  std::shared_ptr<rocks::Db> db_ = rocks::open_db(directory_ / "db", rocks::Db::Mode::create);
  Rows rows_;
};

TEST_F(DatabaseScan, MetadataIsNoRow) {
  const auto snapshot = must(db_->snapshot());
  expect_scan([&](const rocks::Bounds& bounds) { return snapshot->cursor(bounds); }, rows_);
  expect_scan(
      [&](const rocks::Bounds& bounds) { return snapshot->cursor(bounds, rocks::kScanReadahead); },
      rows_);
  const auto found = scan_snapshot(snapshot, {});
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_EQ(found->hash, expected(rows_).hash);
}

TEST_F(DatabaseScan, IsOfItsSnapshotWhileTheDatabaseChanges) {
  const auto snapshot = must(db_->snapshot());
  Rows later;
  for (std::size_t i = 0; i < kRows; i += 3) later[key_of(i)] = std::nullopt;
  for (std::size_t i = 1; i < kRows; i += 3) later[key_of(i)] = "another";
  rocks::ingest_rows(*db_, directory_ / "later.sst", later);
  expect_scan([&](const rocks::Bounds& bounds) { return snapshot->cursor(bounds); }, rows_);
  Rows now = rows_;
  for (const auto& [key, value] : later) now[key] = value;
  const auto newest = must(db_->snapshot());
  expect_scan([&](const rocks::Bounds& bounds) { return newest->cursor(bounds); }, now);
}

TEST_F(DatabaseScan, ThroughTheBuffersAtTheirVersions) {
  const auto frozen = std::make_shared<memtable::Memtable>();
  const auto active = std::make_shared<memtable::Memtable>();
  Rows now = rows_;
  const auto write = [&](memtable::Memtable& buffer, std::size_t number, std::int64_t version,
                         const std::optional<std::string>& value, bool counts) {
    const std::string key = key_of(number);
    const ByteView view = as_bytes(key);
    buffer.insert({view, memory::key_hash(view), !value, as_bytes(value ? *value : ""), false},
                  static_cast<memtable::Stamp>(version));
    if (counts) now[key] = value;
  };
  for (std::size_t i = 0; i < 6'000; i += 2) write(*frozen, i, 5, "five", true);
  for (std::size_t i = 0; i < 6'000; i += 6) write(*frozen, i, 6, std::nullopt, true);
  for (std::size_t i = kRows; i < kRows + 3'000; ++i) write(*frozen, i, 6, "new", true);
  for (std::size_t i = 0; i < 9'000; i += 5) write(*active, i, 7, "seven", true);
  for (std::size_t i = 0; i < 9'000; i += 4) write(*active, i, 8, "not yet published", false);
  const auto snapshot = must(db_->snapshot());
  const std::vector<memtable::MemtableLayer> layers = {{active, {7}, false}, {frozen, {6}, true}};
  expect_scan(
      [&](const rocks::Bounds& bounds) {
        return memtable::merging_cursor({}, layers, snapshot, bounds);
      },
      now);
}

// docs/hazards.md#error-as-end-of-rows
TEST_F(DatabaseScan, ADamagedTableIsAnErrorNotTheEnd) {
  for (const std::string& table : rocks::files_with(directory_ / "db", ".sst")) {
    std::string bytes = rocks::text(must(fs::read_file(fs::posix(), table, 1U << 30)));
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
    std::ofstream(table, std::ios::binary | std::ios::trunc) << bytes;
  }
  db_.reset();
  const auto damaged = rocks::open_db(directory_ / "db", rocks::Db::Mode::read_only);
  const auto snapshot = must(damaged->snapshot());
  for (const unsigned threads : {1U, 3U}) {
    ScanOptions options;
    options.threads = threads;
    const auto found =
        scan_rows([&](const rocks::Bounds& bounds) { return snapshot->cursor(bounds); }, options);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::corruption) << found.error().to_string();
  }
}

}  // namespace
}  // namespace flatkv::scan
