// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "changelog/clean_marker.hpp"
#include "changelog/record.hpp"
#include "layout/test_support.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/open_store.hpp"

// For the tests of this room only.
namespace flatkv::recovery {

namespace stdfs = std::filesystem;
using layout::fails_with;
using layout::slurp;
using layout::spill;
using layout::succeeds;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// A store without a handle: opened by this room alone.
class OpenStore : public testing::Test {
 protected:
  OpenStore() { options_.create_if_missing = true; }

  std::string path() const { return directory_ / "s"; }
  std::string generation() const {
    return must(find_live_generation(fs::posix(), path())).generation;
  }
  std::string log() const { return layout::changelog_path(generation()); }
  std::string working(Database which) const {
    return layout::database_path(layout::working_path(generation()), which);
  }
  std::string snapshot(std::int64_t version) const {
    return layout::snapshot_path(generation(), version);
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> found;
    for (const auto& entry : stdfs::directory_iterator(log())) {
      if (changelog::parse_segment_name(entry.path().filename().string())) {
        found.push_back(entry.path().string());
      }
    }
    std::ranges::sort(found);
    return found;
  }
  void remove_clean() const { must(changelog::remove_clean(fs::posix(), generation())); }

  Result<Opened> try_open() const { return open_store({}, path(), options_); }
  std::unique_ptr<commit::Core> open() {
    Opened opened = must(try_open());
    report_ = std::move(opened.report);
    return std::move(opened.core);
  }
  /// The next block: a row for each data database.
  static Roots block(commit::Core& core, std::size_t code_bytes = 100) {
    return block_of(core, core.state()->version + 1, code_bytes);
  }
  /// The same with the rows of another version.
  static Roots block_of(commit::Core& core, std::int64_t rows, std::size_t code_bytes = 100) {
    const std::int64_t version = core.state()->version + 1;
    const auto number = static_cast<std::uint8_t>(rows);
    Address address{};
    address.fill(number);
    const Bytes nonce(8, number);
    const Bytes word(32, number);
    const Bytes code(code_bytes, number);
    const Bytes legacy{0x99, number};
    const auto nonce_row = nonce_key(address);
    const auto code_row = code_key(address);
    const auto slot_row = storage_key(address, Slot{});
    const KVPair pairs[] = {{nonce_row, nonce}, {code_row, code}, {slot_row, word}, {legacy, word}};
    const NamedChangeSet set{kEvmModule, pairs};
    must(core.apply({&set, 1}));
    return must(core.commit(version));
  }
  Roots blocks(int count) {
    const auto core = open();
    Roots roots;
    for (int i = 0; i < count; ++i) roots = block(*core);
    must(core->close());
    return roots;
  }
  void expect_open_at(std::int64_t version, const Roots& roots) {
    const auto core = open();
    EXPECT_EQ(core->state()->version, version);
    EXPECT_EQ(core->state()->roots, roots);
    block(*core);  // and it goes on from there
    must(core->close());
  }
  /// Changes a metadata value of a closed database, as an older or a wrong program may have.
  void put_meta(Database which, std::string_view name, ByteView value) const {
    rocks::DbOptions options;
    options.path = working(which);
    options.which = which;
    const auto db = must(rocks::Db::open(options, rocks::Db::Mode::read_write));
    auto table = must(rocks::TableWriter::create(options, directory_ / "meta.sst"));
    must(table.put_meta(name, value));
    must(table.finish());
    must(db->ingest({directory_ / "meta.sst"}));
  }
  /// LocalMeta as it was before hashes were kept.
  void make_old_form(Database which, std::int64_t version) const {
    put_meta(which, rocks::kLocalKey, codec::encode_version(version));
  }
  /// A store at version 3 of whose roots nothing tells but the metadata database: its log begins
  /// there, and snapshot and CLEAN are gone.
  Roots begin_known_by_metadata_alone() {
    const Roots roots = blocks(3);
    for (const std::string& segment : segments()) stdfs::remove(segment);
    const auto core = open();
    EXPECT_TRUE(report_.lost_log_tail);
    EXPECT_EQ(core->state()->version, 3);
    must(core->close());
    remove_clean();
    stdfs::remove_all(snapshot(3));
    return roots;
  }

  const fs::TestDirectory directory_;
  Options options_;
  OpenReport report_;
};

}  // namespace flatkv::recovery
