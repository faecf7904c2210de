// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/sei_log.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fs/files.hpp"
#include "store/test_store.hpp"
#include "transfer/file_io.hpp"
#include "transfer/sei_log.hpp"

namespace flatkv {
namespace {

using store::expect_verified;
using store::must;
using store::open_new;
using store::TempDir;

const std::string kGolden = std::string(FLATKV_SOURCE_DIR) + "/tests/golden/";
const std::string kReference = kGolden + "reference-changelog-accounts";

Bytes reference_bytes() {
  const auto source =
      must(transfer::open_source(fs::posix(), kReference + "/00000000000000000001.zst"));
  Bytes bytes(1U << 20);
  std::size_t filled = 0;
  while (const std::size_t got = must(source->read(std::span(bytes).subspan(filled))))
    filled += got;
  bytes.resize(filled);
  return bytes;
}

/// Adds a segment to a log directory.
void write_segment(const std::string& directory, const std::string& name, ByteView bytes) {
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/" + name, std::ios::binary) << as_chars(bytes);
}

/// Where each entry begins, and the end.
std::vector<std::size_t> entries_of(ByteView bytes) {
  std::vector<std::size_t> starts = {0};
  while (starts.back() < bytes.size()) {
    std::size_t at = starts.back();
    std::size_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
      const std::uint8_t byte = bytes[at++];
      length |= std::size_t{byte & 0x7fU} << shift;
      if (byte < 0x80) break;
    }
    starts.push_back(at + length);
  }
  return starts;
}

Result<SeiLogReport> run(const std::string& directory, const std::string& path,
                         SeiLogOptions options = {}) {
  CommitStore store = open_new(path);
  auto report = import_sei_log(directory, store, options);
  if (report) expect_verified(store);
  return report;
}

TEST(ReferenceLog, EndsAtTheGoldenRoots) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  const SeiLogReport checked = must(check_sei_log(kReference));
  EXPECT_EQ(checked.last, 200);
  EXPECT_EQ(checked.committed + checked.held, 0);
  EXPECT_EQ(store.version(), 0);
  const SeiLogReport report = must(import_sei_log(kReference, store));
  EXPECT_EQ(report.last, 200);
  EXPECT_EQ(report.committed, 200);
  std::ifstream lines(kGolden + "accounts.roots.jsonl");
  std::string line;
  std::int64_t compared = 0;
  while (std::getline(lines, line)) {
    const auto golden = nlohmann::json::parse(line);
    const auto record = must(store.log_record(golden["version"].get<std::int64_t>()));
    ASSERT_TRUE(record);
    EXPECT_EQ(to_hex(record->roots.root), golden["root"].get<std::string>());
    EXPECT_EQ(to_hex(record->roots.account), golden["account"].get<std::string>());
    ++compared;
  }
  EXPECT_EQ(compared, 200);
  expect_verified(store);
  const SeiLogReport again = must(import_sei_log(kReference, store));
  EXPECT_EQ(again.held, 200);
  EXPECT_EQ(again.committed, 0);
}

TEST(ReferenceLog, TornTailsGapsAndDamage) {
  const TempDir dir;
  const Bytes bytes = reference_bytes();
  const auto starts = entries_of(bytes);
  ASSERT_EQ(starts.size(), 201U);
  const auto part = [&](std::size_t from, std::size_t to) {
    return ByteView(bytes).subspan(starts[from], starts[to] - starts[from]);
  };
  const std::string first = "00000000000000000001";
  const std::string sixth = "00000000000000000006";

  write_segment(dir / "two", first, part(0, 5));
  write_segment(dir / "two", sixth, part(5, 8));
  EXPECT_EQ(must(run(dir / "two", dir / "s1")).committed, 8);

  write_segment(dir / "torn", first, ByteView(bytes).first(starts[8] - 1));
  const SeiLogReport torn = must(run(dir / "torn", dir / "s2"));
  EXPECT_EQ(torn.committed, 7);
  EXPECT_TRUE(torn.torn);

  const auto refused = [&](const std::string& name, ErrorCode code) {
    const auto done = run(dir / name, dir / ("s-" + name));
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code, code) << name << ": " << done.error().to_string();
    EXPECT_EQ(must(CommitStore::open(dir / ("s-" + name))).version(), 0) << name;
  };
  write_segment(dir / "inside", first, ByteView(bytes).first(starts[5] - 1));
  write_segment(dir / "inside", sixth, part(5, 8));
  refused("inside", ErrorCode::corruption);
  write_segment(dir / "gap", first, part(0, 5));
  write_segment(dir / "gap", "00000000000000000007", part(6, 8));
  refused("gap", ErrorCode::log_gap);
  write_segment(dir / "pruned", sixth, part(5, 8));
  refused("pruned", ErrorCode::log_gap);
  write_segment(dir / "renamed", first, part(1, 3));
  refused("renamed", ErrorCode::log_gap);
  Bytes flipped = to_bytes(part(0, 8));
  flipped[starts[3] + 2] ^= 0x55;
  write_segment(dir / "flipped", first, flipped);
  refused("flipped", ErrorCode::corruption);
  write_segment(dir / "endless", first, Bytes(10, 0xff));
  refused("endless", ErrorCode::corruption);
  refused("missing", ErrorCode::not_found);
}

Bytes compressed(ByteView bytes) {
  class Sink : public ByteSink {
   public:
    Status write(ByteView more) override {
      append(bytes, more);
      return {};
    }
    Bytes bytes;
  };
  Sink sink;
  ZstdSink zstd(sink);
  must(zstd.write(bytes));
  must(zstd.finish());
  return std::move(sink.bytes);
}

TEST(ReferenceLog, TornAtEveryByteOfTheLastEntry) {
  const TempDir dir;
  const Bytes bytes = reference_bytes();
  const auto starts = entries_of(bytes);
  write_segment(dir / "log", "00000000000000000001.zst",
                compressed(ByteView(bytes).first(starts[5])));
  const std::string last = "00000000000000000006";
  CommitStore store = open_new(dir / "s");
  for (std::size_t end = starts[7]; end <= starts[8]; ++end) {
    write_segment(dir / "log", last, ByteView(bytes).subspan(starts[5], end - starts[5]));
    const SeiLogReport report = must(import_sei_log(dir / "log", store));
    EXPECT_EQ(report.last, end == starts[8] ? 8 : 7);
    EXPECT_EQ(report.torn.has_value(), end != starts[7] && end != starts[8]) << end;
    EXPECT_EQ(store.version(), report.last);  // goes on with what was added later
  }
  expect_verified(store);
}

TEST(ReferenceLog, PlainAndCompressedSegmentsInAnyOrder) {
  const TempDir dir;
  const Bytes bytes = reference_bytes();
  const auto starts = entries_of(bytes);
  const auto part = [&](std::size_t from, std::size_t to) {
    return ByteView(bytes).subspan(starts[from], starts[to] - starts[from]);
  };
  Roots roots;
  for (unsigned mask = 0; mask < 8; ++mask) {
    const std::string log = dir / ("log" + std::to_string(mask));
    constexpr std::array<std::size_t, 4> kFirst = {0, 3, 4, 9};
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string digits = std::to_string(kFirst[i] + 1);
      const std::string name = std::string(20 - digits.size(), '0') + digits;
      const ByteView segment = part(kFirst[i], kFirst[i + 1]);
      if ((mask >> i & 1U) != 0) {
        write_segment(log, name + ".zst", compressed(segment));
      } else {
        write_segment(log, name, segment);
      }
    }
    write_segment(log, "LOCK", {});  // ignores files that are no segments
    CommitStore store = open_new(dir / ("s" + std::to_string(mask)));
    EXPECT_EQ(must(import_sei_log(log, store)).committed, 9);
    if (mask == 0) roots = store.committed_roots();
    EXPECT_EQ(store.committed_roots(), roots);
  }
}

TEST(ReferenceLog, WhatDoesNotGoTogetherIsRefusedBeforeTheFirstBlock) {
  const TempDir dir;
  const Bytes bytes = reference_bytes();
  const auto starts = entries_of(bytes);
  const auto part = [&](std::size_t from, std::size_t to) {
    return to_bytes(ByteView(bytes).subspan(starts[from], starts[to] - starts[from]));
  };
  const std::string first = "00000000000000000001";
  const std::string sixth = "00000000000000000006";
  const auto refused = [&](const std::string& name, ErrorCode code) {
    const auto done = run(dir / name, dir / ("s-" + name));
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code, code) << name << ": " << done.error().to_string();
    EXPECT_TRUE(done.error().path.starts_with(dir / name)) << done.error().to_string();
    EXPECT_EQ(must(CommitStore::open(dir / ("s-" + name))).version(), 0) << name;
  };
  Bytes hole = part(0, 3);
  append(hole, part(4, 6));
  write_segment(dir / "hole", first, hole);
  refused("hole", ErrorCode::log_gap);
  Bytes twice = part(0, 3);
  append(twice, part(2, 6));
  write_segment(dir / "twice", first, twice);
  refused("twice", ErrorCode::corruption);
  write_segment(dir / "both", first, part(0, 5));
  write_segment(dir / "both", first + ".zst", compressed(part(0, 5)));
  refused("both", ErrorCode::corruption);
  write_segment(dir / "overlap", first, part(0, 6));
  write_segment(dir / "overlap", sixth, part(5, 8));
  refused("overlap", ErrorCode::corruption);
  Bytes cut = compressed(part(0, 5));
  cut.resize(cut.size() - 3);
  write_segment(dir / "cut", first + ".zst", cut);
  refused("cut", ErrorCode::corruption);
  write_segment(dir / "plain", first + ".zst", part(0, 5));
  refused("plain", ErrorCode::corruption);
  write_segment(dir / "large", first, Bytes{0xff, 0xff, 0xff, 0xff, 0x07});
  refused("large", ErrorCode::corruption);
  std::filesystem::create_directories(dir / ("directory/" + first));
  refused("directory", ErrorCode::corruption);
}

TEST(ReferenceLog, WhatChangedSinceTheCheckStopsTheImportBeforeThatBlock) {
  const TempDir dir;
  const Bytes bytes = reference_bytes();
  const auto starts = entries_of(bytes);
  const std::string name = "00000000000000000001";
  write_segment(dir / "log", name, bytes);
  const SeiLogReport checked = must(check_sei_log(dir / "log"));
  Bytes flipped = bytes;
  flipped[starts[149] + 2] ^= 0x55;
  write_segment(dir / "log", name, flipped);
  CommitStore store = open_new(dir / "s");
  const auto stopped = import_sei_log(dir / "log", checked, store);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::corruption);
  EXPECT_EQ(stopped.error().version, 150);
  EXPECT_EQ(stopped.error().offset, starts[149] + 2);
  EXPECT_EQ(store.version(), 149);
  write_segment(dir / "log", name, bytes);
  EXPECT_EQ(must(import_sei_log(dir / "log", store)).committed, 51);
  expect_verified(store);
}

TEST(ReferenceLog, BalancesAreTakenOnlyWhenAskedFor) {
  const TempDir dir;
  Bytes key = to_bytes(balance_key(store::Block::address(1)));
  const Bytes value(32, 1);
  const KVPair pairs[] = {{key, value, false}, {{}, value, false}};
  const NamedChangeSet sets[] = {{kEvmModule, pairs}};
  Bytes entry;
  codec::append_version(entry, 1);
  codec::append_change_sets(entry, sets);
  Bytes segment = {static_cast<std::uint8_t>((entry.size() & 0x7f) | 0x80),
                   static_cast<std::uint8_t>(entry.size() >> 7)};
  append(segment, entry);
  write_segment(dir / "log", "00000000000000000001", segment);
  const auto refused = run(dir / "log", dir / "s");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  SeiLogOptions options;
  options.balances = true;
  const SeiLogReport report = must(run(dir / "log", dir / "s", options));
  EXPECT_EQ(report.committed, 1);
  EXPECT_EQ(report.skipped_pairs, 1U);
}

/// No entry is empty, so zeros up to the end are space that was reserved. Zeros before anything
/// else are not: that is an entry without a version.
TEST(ReferenceLog, ZerosAreTheEndOnlyAtTheEnd) {
  const TempDir dir;
  const Bytes bytes = reference_bytes();
  const auto starts = entries_of(bytes);
  const std::string first = "00000000000000000001";
  Bytes segment = to_bytes(ByteView(bytes).first(starts[5]));
  segment.resize(segment.size() + 200'000);
  write_segment(dir / "zeros", first, segment);
  const SeiLogReport report = must(run(dir / "zeros", dir / "s"));
  EXPECT_EQ(report.committed, 5);
  EXPECT_EQ(report.torn, dir / ("zeros/" + first + " at offset " + std::to_string(starts[5])));

  segment.push_back(1);
  write_segment(dir / "more", first, segment);
  const auto refused = run(dir / "more", dir / "s-more");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corruption) << refused.error().to_string();
  EXPECT_EQ(refused.error().path, dir / ("more/" + first));
  EXPECT_EQ(refused.error().version, 6);
  EXPECT_EQ(must(CommitStore::open(dir / "s-more")).version(), 0);

  segment.pop_back();
  write_segment(dir / "between", first, segment);
  write_segment(dir / "between", "00000000000000000006",
                ByteView(bytes).subspan(starts[5], starts[6] - starts[5]));
  const auto between = run(dir / "between", dir / "s-between");
  ASSERT_FALSE(between);
  EXPECT_EQ(between.error().code, ErrorCode::corruption) << between.error().to_string();
}

TEST(ReferenceLog, ChangeSetsWithoutAName) {
  const TempDir dir;
  const Bytes key = {0x99, 1};
  const Bytes value(3, 1);
  const auto log = [&](const std::string& name, ByteView key_of_the_nameless) {
    const KVPair nameless[] = {{key_of_the_nameless, value, false}, {{}, value, false}};
    const KVPair pairs[] = {{key, value, false}};
    const NamedChangeSet sets[] = {{"", nameless}, {kEvmModule, pairs}};
    Bytes entry;
    codec::append_version(entry, 1);
    codec::append_change_sets(entry, sets);
    Bytes segment = {static_cast<std::uint8_t>(entry.size())};
    append(segment, entry);
    write_segment(dir / name, "00000000000000000001", segment);
  };
  log("empty", {});
  const SeiLogReport report = must(run(dir / "empty", dir / "s"));
  EXPECT_EQ(report.committed, 1);
  EXPECT_EQ(report.skipped_sets, 1U);
  EXPECT_EQ(report.skipped_pairs, 2U);
  EXPECT_EQ(must(must(CommitStore::open(dir / "s")).get(key)), value);

  log("keyed", key);
  const auto refused = run(dir / "keyed", dir / "s-keyed");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corruption);
  EXPECT_NE(refused.error().message.find("a change set has an empty name"), std::string::npos)
      << refused.error().to_string();
  EXPECT_TRUE(refused.error().path.starts_with(dir / "keyed"));
  EXPECT_EQ(refused.error().version, 1);
  EXPECT_EQ(must(CommitStore::open(dir / "s-keyed")).version(), 0);
}

TEST(ReferenceLog, AStopAndAStoreThatBeginsLater) {
  const TempDir dir;
  SeiLogOptions options;
  std::stop_source stop;
  options.stop = stop.get_token();
  options.progress = [&](std::string_view, std::uint64_t done, std::uint64_t) {
    if (done == 7) stop.request_stop();
  };
  CommitStore store = open_new(dir / "s");
  const auto stopped = import_sei_log(kReference, store, options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  EXPECT_EQ(store.version(), 7);
  EXPECT_EQ(must(import_sei_log(kReference, store)).held, 7);
  EXPECT_EQ(store.version(), 200);

  Options later;
  later.create.initial_version = 5;
  CommitStore other = open_new(dir / "later", later);
  const auto refused = import_sei_log(kReference, other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::version_mismatch);
  EXPECT_EQ(refused.error().message, "the log begins at version 1, the store at 5");
  EXPECT_EQ(refused.error().path, kReference);
  EXPECT_EQ(other.version(), 4);
}

TEST(ReferenceLog, TheErrorNamesTheBlockThatIsBad) {
  const TempDir dir;
  const Bytes nonce = to_bytes(nonce_key(store::Block::address(1)));
  const Bytes value(8, 1);
  Bytes segment;
  std::size_t last = 0;
  for (const std::int64_t version : {1, 2, 3}) {
    const KVPair pairs[] = {{nonce, ByteView(value).first(version == 3 ? 7 : 8), false}};
    const NamedChangeSet sets[] = {{kEvmModule, pairs}};
    Bytes entry;
    codec::append_version(entry, version);
    codec::append_change_sets(entry, sets);
    segment.push_back(static_cast<std::uint8_t>(entry.size()));
    last = segment.size();
    append(segment, entry);
  }
  write_segment(dir / "log", "00000000000000000001", segment);
  const auto refused = run(dir / "log", dir / "s");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corruption);
  EXPECT_EQ(refused.error().version, 3);
  EXPECT_EQ(refused.error().offset, last);
}

TEST(ReferenceLog, AnotherChainsStoreIsRefused) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  must(store::Block().slot(1, 1, 1).commit(store));
  const auto refused = import_sei_log(kReference, store);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::version_mismatch);
  EXPECT_EQ(store.version(), 1);
}

}  // namespace
}  // namespace flatkv
