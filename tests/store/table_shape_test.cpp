// SPDX-License-Identifier: Apache-2.0
// Stores whose tables are built in different ways, one kind beside the other.
#include "rocks/table_shape.hpp"

#include <gtest/gtest.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table_properties.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/machine.hpp"
#include "flatkv/store.hpp"
#include "fs/file_system.hpp"
#include "rocks/db_options.hpp"
#include "rocks/table_writer.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/model.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

using rocks::TableShape;
namespace stdfs = std::filesystem;

TableShape shape(bool partitioned) {
  TableShape shape;
  shape.partitioned = partitioned;
  return shape;
}

/// How a table was built; of the metadata database's there is none.
struct Built {
  bool partitioned = false;
  std::string compression;
};
Built look_at(const std::string& table) {
  rocksdb::SstFileReader reader{rocksdb::Options()};
  EXPECT_TRUE(reader.Open(table).ok()) << table;
  const auto properties = reader.GetTableProperties();
  return {properties->index_partitions > 0, properties->compression_name};
}

class TableShapes : public ::testing::Test {
 protected:
  TableShapes() {
    options_.create_if_missing = true;
    options_.durability = Durability::process;
    options_.cache.row_cache_bytes = 0;
    options_.cache.key_filter_bytes = 0;
    options_.cache.block_cache_bytes = 256U << 10;  // far less than index and filters take
  }
  ~TableShapes() override { rocks::set_table_shape({}); }

  /// Opens the store for one shape, commits blocks, checks every row, and closes it.
  void live(const TableShape& shape, int blocks) {
    rocks::set_table_shape(shape);
    auto store = CommitStore::open(path(), options_);
    ASSERT_OK(store);
    for (int i = 0; i < blocks; ++i) {
      const auto changes =
          script_block(5, model_.version() + 1, {.addresses = 200, .slots = 400}, 4000);
      ASSERT_TRUE(commit_both(*store, model_, changes));
    }
    ASSERT_OK(store->flush());
    ASSERT_TRUE(store_is(*store, model_.committed()));
    const auto report = store->verify();
    ASSERT_OK(report);
    EXPECT_TRUE(report->good());
    ASSERT_OK(store->close());
  }
  std::string path() const { return directory_.path("store"); }
  std::vector<Built> tables() const {
    std::vector<Built> all;
    for (const auto& entry : stdfs::recursive_directory_iterator(path())) {
      if (entry.path().extension() != ".sst") continue;
      if (entry.path().parent_path().filename() == "storage") all.push_back(look_at(entry.path()));
    }
    return all;
  }
  std::size_t partitioned() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(tables(), [](const Built& table) { return table.partitioned; }));
  }

  TempDir directory_;
  Options options_;
  Model model_;
};

TEST_F(TableShapes, IndexInParts) {
  live(shape(true), 3);
  EXPECT_GT(partitioned(), 0U);
  EXPECT_EQ(partitioned(), tables().size());
}

TEST_F(TableShapes, TablesOfBothKindsGoTogether) {
  live(shape(false), 2);
  EXPECT_EQ(partitioned(), 0U);
  live(shape(true), 2);
  EXPECT_GT(partitioned(), 0U);
  EXPECT_LT(partitioned(), tables().size());
  const std::size_t before = partitioned();
  live(shape(false), 2);
  EXPECT_LE(partitioned(), before);
  // So many tables that they are compacted.
  for (int i = 0; i < 10; ++i) live(shape(i % 2 == 0), 1);
}

TEST_F(TableShapes, OtherBlocksCompressionsAndFilters) {
  for (const std::size_t block : {1024U, 16384U}) {
    for (const double bits : {6.0, 16.0}) {
      live({.block_bytes = block, .filter_bits = bits, .partitioned = std::nullopt}, 1);
    }
  }
  live({.compression = TableShape::Compression::none, .partitioned = std::nullopt}, 1);
}

/// What a table is like that is written beside others of `bytes`.
Built written_beside(const std::string& directory, std::uint64_t bytes) {
  rocks::DbOptions options;
  options.path = directory;
  options.which = Database::storage;
  stdfs::create_directories(directory);
  const std::string large = directory + "/000007.sst";
  EXPECT_OK(fs::posix().create(large));
  stdfs::resize_file(large, bytes);  // takes no room
  const std::string path = directory + "/new";
  {
    auto table = rocks::TableWriter::create(options, path);
    EXPECT_OK(table);
    const Bytes value(100);
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      EXPECT_OK(table->put(storage_key(address(1), slot(i)), value));
    }
    EXPECT_OK(table->finish());
  }
  const Built built = look_at(path);
  stdfs::remove_all(directory);
  return built;
}

TEST_F(TableShapes, IndexGoesIntoPartsWhereItOutgrowsMemory) {
  const std::uint64_t memory = machine().memory;
  EXPECT_FALSE(written_beside(directory_.path("small"), 19 * memory).partitioned);
  EXPECT_TRUE(written_beside(directory_.path("large"), 21 * memory).partitioned);
  rocks::set_table_shape(shape(false));
  EXPECT_FALSE(written_beside(directory_.path("large"), 21 * memory).partitioned);
}

TEST_F(TableShapes, CompressionIsThatOfTheShape) {
  using Compression = TableShape::Compression;
  for (const auto& [compression, name] :
       {std::pair{Compression::none, "NoCompression"}, std::pair{Compression::lz4, "LZ4"}}) {
    rocks::set_table_shape({.compression = compression, .partitioned = std::nullopt});
    EXPECT_EQ(written_beside(directory_.path("one"), 0).compression, name);
  }
}

}  // namespace
}  // namespace flatkv::test
