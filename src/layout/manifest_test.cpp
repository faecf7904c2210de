// SPDX-License-Identifier: Apache-2.0
#include "layout/manifest.hpp"

#include "blake3/blake3.hpp"
#include "layout/sealed_json.hpp"
#include "layout/snapshot_manifest.hpp"
#include "layout/test_support.hpp"

namespace flatkv::layout {
namespace {

std::string text_of(const Bytes& bytes) { return std::string(as_chars(bytes)); }

/// Replaces one part of the text and corrects the digest.
Bytes reworded(const Bytes& bytes, const std::string& from, const std::string& to) {
  std::string text = text_of(bytes);
  text.resize(text.rfind("  \"digest\""));
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return seal_text(text);
}

template <class Decode>
void expect_every_flip_refused(const Bytes& good, Decode decode, std::size_t step = 1) {
  ASSERT_TRUE(succeeds(decode(good)));
  for (std::size_t at = 0; at < good.size(); at += step) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1U << bit));
      ASSERT_TRUE(fails_with(decode(bad), ErrorCode::corruption)) << at << " bit " << bit;
    }
  }
}

template <class Decode>
void expect_every_cut_refused(const Bytes& good, Decode decode, std::size_t step = 1) {
  for (std::size_t size = 0; size < good.size(); size += step) {
    ASSERT_TRUE(fails_with(decode(ByteView(good).first(size)), ErrorCode::corruption)) << size;
  }
  Bytes longer = good;
  longer.push_back('\n');
  EXPECT_TRUE(fails_with(decode(longer), ErrorCode::corruption));
}

TEST(Manifest, RoundTrip) {
  const Manifest manifest = sample_manifest();
  const Result<Manifest> back = decode_manifest(encode(manifest));
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(*back, manifest);
  EXPECT_EQ(encode(*back), encode(manifest));
}

TEST(Manifest, BytesAreThoseOfTheDocumentation) {
  const std::string body =
      "{\n"
      "  \"format\": 1,\n"
      "  \"store\": \"f0efeeedecebeae9e8e7e6e5e4e3e2e1\",\n"
      "  \"account_rows\": \"prune_empty\",\n"
      "  \"initial_version\": 7,\n";
  EXPECT_EQ(text_of(encode(sample_manifest())),
            body + "  \"digest\": \"" + to_hex(blake3::hash(as_bytes(body))) + "\"\n}\n");
}

TEST(Manifest, EveryFlippedBitAndEveryCutIsRefused) {
  const Bytes good = encode(sample_manifest());
  expect_every_flip_refused(good, decode_manifest);
  expect_every_cut_refused(good, decode_manifest);
}

TEST(Manifest, UnknownMembersAreIgnored) {
  const Bytes more = reworded(encode(sample_manifest()), "{\n", "{\n  \"later\": [{\"a\": 1}],\n");
  const Result<Manifest> back = decode_manifest(more);
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(*back, sample_manifest());
}

TEST(Manifest, NewerFormatIsToldApartFromDamage) {
  const Bytes good = encode(sample_manifest());
  EXPECT_TRUE(fails_with(decode_manifest(reworded(good, "\"format\": 1", "\"format\": 2")),
                         ErrorCode::format_too_new));
  EXPECT_TRUE(fails_with(
      decode_manifest(reworded(good, "\"format\": 1,\n  \"store\"", "\"format\": 9,\n  \"shop\"")),
      ErrorCode::format_too_new));
}

TEST(Manifest, WrongMembersUnderARightDigestAreRefused) {
  const Bytes good = encode(sample_manifest());
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"\"format\": 1", "\"format\": 0"},
      {"\"format\": 1", "\"format\": -1"},
      {"\"format\": 1", "\"format\": 1.0"},
      {"\"format\": 1", "\"format\": \"1\""},
      {"\"format\": 1", "\"format\": null"},
      {"\"format\": 1,", ""},
      {"\"format\": 1,", "\"format\": 1, \"format\": 1,"},
      {"initial_version\": 7", "initial_version\": 0"},
      {"initial_version\": 7", "initial_version\": -7"},
      {"initial_version\": 7", "initial_version\": 7e0"},
      {"initial_version\": 7", "initial_version\": true"},
      {"initial_version\": 7", "initial_version\": 9223372036854775807"},
      {"initial_version\": 7", "initial_version\": 18446744073709551616"},
      {"initial_version\": 7", "initial_version\": 1e999"},
      {"prune_empty", "prune"},
      {"prune_empty", ""},
      {"f0ef", "0xef"},
      {"f0ef", "f0"},
      {"f0ef", "f0efef"},
      {"f0ef", "g0ef"},
      {"{\n", "[\n"},
      {"{\n", "{\n,"},
      {"{\n", "{} {\n"},
  };
  for (const auto& [from, to] : changes) {
    EXPECT_TRUE(fails_with(decode_manifest(reworded(good, from, to)), ErrorCode::corruption))
        << from << " -> " << to;
  }
  EXPECT_TRUE(succeeds(decode_manifest(
      reworded(good, "initial_version\": 7", "initial_version\": 9223372036854775806"))));
}

TEST(Manifest, DeepNestingIsNoStackOverflow) {
  const auto with_levels = [](std::size_t levels) {
    const std::string deep = std::string(levels, '[') + std::string(levels, ']');
    return decode_manifest(reworded(encode(sample_manifest()), "{\n", "{\"deep\": " + deep + ","));
  };
  EXPECT_TRUE(succeeds(with_levels(7)));  // and the object itself
  EXPECT_TRUE(fails_with(with_levels(8), ErrorCode::corruption));
  EXPECT_TRUE(fails_with(with_levels(30'000), ErrorCode::corruption));
  EXPECT_TRUE(
      fails_with(decode_manifest(seal_text(std::string(60'000, '['))), ErrorCode::corruption));
}

TEST(Manifest, FileOfAGeneration) {
  const fs::TestDirectory directory;
  const std::string path = directory / "MANIFEST.json";
  EXPECT_TRUE(
      fails_with(read_manifest(fs::posix(), directory.path()), ErrorCode::corruption, "missing"));
  ASSERT_TRUE(succeeds(write_manifest(fs::posix(), directory.path(), sample_manifest())));
  const Result<Manifest> back = read_manifest(fs::posix(), directory.path());
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(*back, sample_manifest());
  EXPECT_FALSE(write_manifest(fs::posix(), directory.path(), sample_manifest()))
      << "it is never changed";

  spill(path, std::string(kMaxManifestBytes + 1, ' '));
  EXPECT_TRUE(
      fails_with(read_manifest(fs::posix(), directory.path()), ErrorCode::corruption, path));
}

TEST(Manifest, WhereItIsBadTheSnapshotsWithACopyAreNamed) {
  const fs::TestDirectory directory;
  make_snapshot(directory.path(), 8);
  make_snapshot(directory.path(), 9);
  spill(directory / "snapshot-00000000000000000009/SNAPSHOT", "bad");
  spill(directory / "MANIFEST.json", "{}");
  const Result<Manifest> bad = read_manifest(fs::posix(), directory.path());
  ASSERT_TRUE(fails_with(bad, ErrorCode::corruption, "snapshot-00000000000000000008"));
  EXPECT_FALSE(bad.error().message.contains("snapshot-00000000000000000009"));
}

TEST(Manifest, ALinkInItsPlaceIsNotFollowed) {
  const fs::TestDirectory directory;
  spill(directory / "elsewhere", encode(sample_manifest()));
  std::filesystem::create_symlink("elsewhere", directory / "MANIFEST.json");
  EXPECT_TRUE(fails_with(read_manifest(fs::posix(), directory.path()), ErrorCode::corruption));
}

TEST(Current, RoundTripAndFlips) {
  const Bytes good = encode_current("gen-00000042");
  const Result<std::string> back = decode_current(good);
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(*back, "gen-00000042");
  expect_every_flip_refused(good, decode_current);
  expect_every_cut_refused(good, decode_current);
}

TEST(Current, OnlyAGenerationsNameIsTaken) {
  for (const std::string name : {"", ".", "..", "gen-1", "gen-00000000", "../gen-00000001",
                                 "gen-00000001/", "gen-00000001-import-tmp", "gen-000000001"}) {
    EXPECT_TRUE(fails_with(decode_current(encode_current(name)), ErrorCode::corruption)) << name;
  }
  EXPECT_TRUE(fails_with(
      decode_current(reworded(encode_current("gen-00000001"), "\"format\": 1", "\"format\": 2")),
      ErrorCode::format_too_new));
}

TEST(SnapshotManifest, RoundTrip) {
  SnapshotManifest snapshot = sample_snapshot(9);
  snapshot.files = {{"account/000001.sst", 77, std::nullopt},
                    {"account/CURRENT", 16, 0xffffffff},
                    {"metadata/MANIFEST-000004", ~std::uint64_t{0}, 0}};
  const Result<SnapshotManifest> back = decode_snapshot_manifest(encode(snapshot));
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(back->state.version, snapshot.state.version);
  EXPECT_EQ(back->state.hashes, snapshot.state.hashes);
  EXPECT_EQ(back->state.stats, snapshot.state.stats);
  EXPECT_EQ(back->chain, snapshot.chain);
  EXPECT_EQ(back->manifest, snapshot.manifest);
  EXPECT_EQ(back->files, snapshot.files);
  EXPECT_EQ(encode(*back), encode(snapshot));
}

TEST(SnapshotManifest, EveryFlippedByteAndCutIsRefused) {
  SnapshotManifest snapshot = sample_snapshot(9);
  snapshot.files = {{"account/000001.sst", 77, std::nullopt}, {"account/CURRENT", 16, 5}};
  const Bytes good = encode(snapshot);
  ASSERT_TRUE(succeeds(decode_snapshot_manifest(good)));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1U << (at % 8)));
    ASSERT_TRUE(fails_with(decode_snapshot_manifest(bad), ErrorCode::corruption)) << at;
  }
  expect_every_cut_refused(good, decode_snapshot_manifest, 13);
}

TEST(SnapshotManifest, WrongMembersUnderARightDigestAreRefused) {
  SnapshotManifest snapshot = sample_snapshot(9);
  snapshot.files = {{"account/000001.sst", 77, std::nullopt}, {"account/CURRENT", 16, 5}};
  const Bytes good = encode(snapshot);
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"\"version\": 9", "\"version\": 5"},  // below the store's base
      {"\"version\": 9", "\"version\": 9223372036854775808"},
      {"\"version\": 9", "\"version\": -9"},
      {"\"chain\": \"5a", "\"chain\": \""},
      {"\"rows\": 0", "\"rows\": -1"},
      {"\"rows\": 0", "\"rows\": 18446744073709551616"},
      {"\"lthash\": \"0000", "\"lthash\": \"00"},
      {"\"legacy\"", "\"legasy\""},
      {"\"bytes\": 77", "\"bytes\": -77"},
      {"\"crc32c\": 5", "\"crc32c\": 4294967296"},
      {"\"bytes\": 77", "\"bytes\": 77, \"crc32c\": 1"},  // a table has none
      {",\n      \"crc32c\": 5", ""},                     // and all else has one
      {"account/CURRENT\",\n      \"bytes\": 16,\n      \"crc32c\": 5",
       "account/000001.sst\",\n      \"bytes\": 16"},  // twice
      {"account/CURRENT", "account/000000"},           // out of order
      {"\"files\": [", "\"files\": [1,"},
      {"\"files\": [", "\"file\": ["},
      {"\"manifest\": \"{", "\"manifest\": \"["},
  };
  for (const auto& [from, to] : changes) {
    EXPECT_TRUE(
        fails_with(decode_snapshot_manifest(reworded(good, from, to)), ErrorCode::corruption))
        << from << " -> " << to;
  }
  EXPECT_TRUE(
      succeeds(decode_snapshot_manifest(reworded(good, "\"version\": 9", "\"version\": 6"))))
      << "the empty state below the first block";

  // Alone in the list, or it could be refused for its place there.
  snapshot.files = {{"account/CURRENT", 16, 5}};
  const Bytes alone = encode(snapshot);
  ASSERT_TRUE(succeeds(decode_snapshot_manifest(alone)));
  for (const char* const path :
       {"account/../CURRENT", "account/..", "/account/CURRENT", "accounts/CURRENT", "account",
        "account/", "account/a/b", "account/a\\u0000b"}) {
    EXPECT_TRUE(fails_with(decode_snapshot_manifest(reworded(alone, "account/CURRENT", path)),
                           ErrorCode::corruption))
        << path;
  }
}

TEST(SnapshotManifest, RootsAreTheChecksumsOfTheHashesAndTheirSum) {
  const SnapshotManifest snapshot = sample_snapshot(9);
  const auto& hashes = snapshot.state.hashes;
  const Roots roots = roots_of(hashes);
  EXPECT_EQ(roots.account, hashes[Database::account].checksum());
  EXPECT_EQ(roots.code, hashes[Database::code].checksum());
  EXPECT_EQ(roots.storage, hashes[Database::storage].checksum());
  EXPECT_EQ(roots.legacy, hashes[Database::legacy].checksum());
  EXPECT_EQ(roots.root, (hashes[Database::account] + hashes[Database::code] +
                         hashes[Database::storage] + hashes[Database::legacy])
                            .checksum());
}

}  // namespace
}  // namespace flatkv::layout
