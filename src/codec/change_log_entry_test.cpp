// SPDX-License-Identifier: Apache-2.0
#include "codec/change_log_entry.hpp"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>

#include "base/bytes.hpp"
#include "codec/keys.hpp"

namespace flatkv::codec {
namespace {

/// A block that owns its bytes.
struct Block {
  struct Pair {
    Bytes key;
    Bytes value;
    bool remove = false;
  };
  struct Set {
    std::string name;
    std::vector<Pair> pairs;
  };
  std::vector<Set> sets;
};

/// Borrows a Block in the form that the encoder takes.
struct Borrowed {
  explicit Borrowed(const Block& block) {
    for (const auto& set : block.sets) {
      auto& list = pairs.emplace_back();
      for (const auto& pair : set.pairs) list.push_back({pair.key, pair.value, pair.remove});
    }
    for (std::size_t i = 0; i < block.sets.size(); ++i) {
      sets.push_back({block.sets[i].name, pairs[i]});
    }
  }
  std::vector<std::vector<KVPair>> pairs;
  std::vector<NamedChangeSet> sets;
};

Bytes payload(std::int64_t version, const Block& block) {
  Bytes bytes;
  append_version(bytes, version);
  append_change_sets(bytes, Borrowed(block).sets);
  return bytes;
}

void expect_same(const ChangelogEntry& entry, std::int64_t version, const Block& block) {
  EXPECT_EQ(entry.version, version);
  ASSERT_EQ(entry.changesets.size(), block.sets.size());
  for (std::size_t s = 0; s < block.sets.size(); ++s) {
    EXPECT_EQ(entry.changesets[s].name, block.sets[s].name);
    ASSERT_EQ(entry.changesets[s].pairs.size(), block.sets[s].pairs.size());
    for (std::size_t p = 0; p < block.sets[s].pairs.size(); ++p) {
      const KVPair& got = entry.changesets[s].pairs[p];
      const auto& want = block.sets[s].pairs[p];
      EXPECT_TRUE(equal(got.key, want.key));
      EXPECT_TRUE(equal(got.value, want.remove ? Bytes{} : want.value));
      EXPECT_EQ(got.remove, want.remove);
    }
  }
}

Block small() {
  return {{{"evm", {{{0x61}, {0x62}}, {{0x63}, {}, true}, {{0x64}, {}}}}, {"evm", {}}}};
}

const Bytes kSmall = {0x08, 0x2a,                                            // version 42
                      0x12, 0x1b,                                            // named change set
                      0x0a, 0x14,                                            // change set
                      0x0a, 0x06, 0x12, 0x01, 0x61, 0x1a, 0x01, 0x62,        // set 61 to 62
                      0x0a, 0x05, 0x08, 0x01, 0x12, 0x01, 0x63,              // delete 63
                      0x0a, 0x03, 0x12, 0x01, 0x64,                          // set 64 to nothing
                      0x12, 0x03, 'e',  'v',  'm',                           // name
                      0x12, 0x07, 0x0a, 0x00, 0x12, 0x03, 'e',  'v',  'm'};  // an empty set

TEST(ChangelogEntry, BytesByHand) { EXPECT_EQ(payload(42, small()), kSmall); }

// docs/hazards.md#empty-missing-delete
TEST(ChangelogEntry, SetEmptyAndDeleteStayApart) {
  const Bytes bytes = payload(42, small());
  const auto entry = decode_changelog_entry(bytes);
  ASSERT_TRUE(entry);
  expect_same(*entry, 42, small());
  EXPECT_FALSE(entry->changesets[0].pairs[2].remove);
  EXPECT_TRUE(entry->changesets[0].pairs[1].remove);
}

// docs/hazards.md#empty-missing-delete
TEST(ChangelogEntry, TheValueOfADeleteIsNotLogged) {
  const Block with{{{"evm", {{{1}, {2, 3}, true}}}}};
  const Block without{{{"evm", {{{1}, {}, true}}}}};
  EXPECT_EQ(payload(1, with), payload(1, without));
}

TEST(ChangelogEntry, VersionsRoundTrip) {
  for (const std::int64_t version :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{127}, std::int64_t{128},
        std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::max(), std::int64_t{-1}}) {
    const Bytes bytes = payload(version, {});
    ASSERT_TRUE(decode_changelog_entry(bytes));
    EXPECT_EQ(decode_changelog_entry(bytes)->version, version);
  }
}

TEST(ChangelogEntry, RandomBlocksRoundTripAndPlacesPointAtTheirBytes) {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): repeatable on purpose
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto bytes_of = [&](std::size_t size) {
    Bytes bytes(size);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    return bytes;
  };
  for (int round = 0; round < 300; ++round) {
    Block block;
    for (unsigned s = below(4); s > 0; --s) {
      auto& set = block.sets.emplace_back();
      set.name = below(5) == 0 ? std::string(200, 'x') : "evm";
      for (unsigned p = below(20); p > 0; --p) {
        const bool big = below(30) == 0;
        set.pairs.push_back(
            {bytes_of(1 + below(60)), bytes_of(below(big ? 40000 : 150)), below(4) == 0});
      }
    }
    const Borrowed borrowed(block);
    Bytes bytes;
    append_version(bytes, round);
    const std::size_t head = bytes.size();
    std::vector<PairPlace> places = {PairPlace{7, 8}};
    append_change_sets(bytes, borrowed.sets, &places);
    EXPECT_EQ(bytes.size() - head, encoded_bytes(borrowed.sets));
    const auto entry = decode_changelog_entry(bytes);
    ASSERT_TRUE(entry);
    expect_same(*entry, round, block);
    std::size_t place = 1;
    for (const auto& set : block.sets) {
      for (const auto& pair : set.pairs) {
        ASSERT_LT(place, places.size());
        const PairPlace& at = places[place++];
        EXPECT_TRUE(equal(ByteView(bytes).subspan(at.key_offset, pair.key.size()), pair.key));
        if (!pair.remove) {
          EXPECT_TRUE(
              equal(ByteView(bytes).subspan(at.value_offset, pair.value.size()), pair.value));
        }
      }
    }
    EXPECT_EQ(place, places.size());
    EXPECT_EQ(places[0].key_offset, 7U) << "what was there stays";
  }
}

TEST(ChangelogEntry, TruncatedAnywhereIsNeverTheWholeBlock) {
  const Bytes bytes = payload(42, small());
  // A protobuf message cut between two fields is a shorter message; any other cut makes it
  // malformed.
  const std::vector<std::size_t> boundaries = {0, 2, 31, bytes.size()};
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto entry = decode_changelog_entry(cut);
    const bool boundary = std::ranges::find(boundaries, size) != boundaries.end();
    ASSERT_EQ(entry.has_value(), boundary) << size;
    if (!entry) {
      EXPECT_EQ(entry.error().code, ErrorCode::corruption);
      ASSERT_TRUE(entry.error().offset);
      EXPECT_LE(*entry.error().offset, size);
    }
  }
}

TEST(ChangelogEntry, EveryFlippedBitIsSurvived) {
  const Bytes bytes = payload(42, small());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto entry = decode_changelog_entry(flipped);
    if (!entry) {
      EXPECT_EQ(entry.error().code, ErrorCode::corruption);
    }
  }
}

TEST(ChangelogEntry, UnknownFieldsOfEveryWireTypeAreSkipped) {
  const Bytes unknown = {0x50, 0x96, 0x01,                               // field 10, varint
                         0x59, 1,    2,    3,    4,    5,    6,   7, 8,  // field 11, 64 bits
                         0x62, 0x02, 0xff, 0xff,                         // field 12, bytes
                         0x6d, 1,    2,    3,    4,                      // field 13, 32 bits
                         0xfa, 0xff, 0xff, 0xff, 0x0f, 0x01, 0x00};      // highest field number
  const auto wrap = [](std::uint8_t tag, const Bytes& inner) {
    Bytes bytes = {tag, static_cast<std::uint8_t>(inner.size())};
    append(bytes, inner);
    return bytes;
  };
  Bytes pair = unknown;
  append(pair, Bytes{0x12, 0x01, 0x61});
  append(pair, unknown);
  append(pair, Bytes{0x1a, 0x01, 0x62});
  Bytes set = unknown;
  append(set, wrap(0x0a, pair));
  Bytes named = wrap(0x0a, set);
  named.insert(named.begin() + 1, 0);  // the length needs two bytes: 0x80 | low, high
  const std::size_t length = set.size();
  named[1] = static_cast<std::uint8_t>(0x80 | (length & 0x7f));
  named[2] = static_cast<std::uint8_t>(length >> 7);
  append(named, unknown);
  append(named, Bytes{0x12, 0x03, 'e', 'v', 'm'});
  Bytes entry = unknown;
  append(entry, Bytes{0x08, 0x05, 0x12, static_cast<std::uint8_t>(0x80 | (named.size() & 0x7f)),
                      static_cast<std::uint8_t>(named.size() >> 7)});
  append(entry, named);
  append(entry, unknown);
  const auto decoded = decode_changelog_entry(entry);
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  expect_same(*decoded, 5, {{{"evm", {{{0x61}, {0x62}}}}}});
}

TEST(ChangelogEntry, LastValueWinsAndSetsGivenTwiceAreOne) {
  const Bytes twice = {0x08, 0x01, 0x08, 0x02, 0x12, 0x17,                    //
                       0x0a, 0x08, 0x0a, 0x06, 0x12, 0x01, 1, 0x12, 0x01, 2,  // key twice
                       0x12, 0x01, 'x',                                       //
                       0x0a, 0x05, 0x0a, 0x03, 0x12, 0x01, 3,                 //
                       0x12, 0x01, 'y'};
  const auto decoded = decode_changelog_entry(twice);
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  expect_same(*decoded, 2, {{{"y", {{{2}, {}}, {{3}, {}}}}}});
}

TEST(ChangelogEntry, FlagsOfMoreThanOneByteAreReadWhole) {
  // 0x80 0x00 is an overlong zero; a reader that looks at the first byte alone sees a delete.
  const Bytes zero = {0x12, 0x08, 0x0a, 0x06, 0x0a, 0x04, 0x08, 0x80, 0x80, 0x00};
  const Bytes high = {0x12, 0x08, 0x0a, 0x06, 0x0a, 0x04, 0x08, 0x80, 0x80, 0x01};
  ASSERT_TRUE(decode_changelog_entry(zero));
  EXPECT_FALSE(decode_changelog_entry(zero)->changesets[0].pairs[0].remove);
  EXPECT_TRUE(decode_changelog_entry(high)->changesets[0].pairs[0].remove);
  // One that ends with its pair, whatever follows there.
  const Bytes cut = {0x12, 0x09, 0x0a, 0x07, 0x0a, 0x05, 0x12, 0x01, 'k', 0x08, 0x80, 0x08, 0x01};
  EXPECT_FALSE(decode_changelog_entry(cut));
}

TEST(ChangelogEntry, BadTagsTypesAndLengthsAreCorruption) {
  const std::vector<Bytes> bad = {
      {0x00},                                // field 0
      {0x0b},                                // group
      {0x0c},                                // end of group
      {0x0e, 0x00},                          // wire type 6
      {0x0a, 0x00},                          // version as bytes
      {0x10, 0x01},                          // change sets as a number
      {0x12, 0x02, 0x10, 0x01},              // name as a number
      {0x12, 0x04, 0x0a, 0x02, 0x0d, 0x00},  // pairs as 32 bits, cut
      {0x12, 0x05},                          // nothing left
      {0x12, 0x80, 0x80, 0x80, 0x80, 0x10},  // 2^32: 0 in 32 bits
      {0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},        // 2^64 - 1
      {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},  // too long
      {0x92, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00},  // tag above 32 bits: a change set in 32 bits
      {0x51, 0, 0, 0, 0, 0, 0, 0},                 // 64 bits, cut
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    const auto decoded = decode_changelog_entry(bad[i]);
    ASSERT_FALSE(decoded) << i;
    EXPECT_EQ(decoded.error().code, ErrorCode::corruption) << i;
    EXPECT_TRUE(decoded.error().offset) << i;
  }
}

/// So many fields of two bytes: change sets without pairs, or pairs without a key.
Bytes many(std::uint8_t tag, std::size_t count) {
  Bytes bytes;
  bytes.reserve(2 * count);
  for (std::size_t i = 0; i < count; ++i) append(bytes, Bytes{tag, 0x00});
  return bytes;
}

// A forged block must not take twenty times its bytes.
TEST(ChangelogEntry, WhatIsSmallHereAndLargeInMemoryIsBounded) {
  Bytes sets = many(0x12, kMaxChangeSets);
  const auto most = decode_changelog_entry(sets);
  ASSERT_TRUE(most) << most.error().to_string();
  EXPECT_EQ(most->changesets.size(), kMaxChangeSets);
  const std::size_t end = sets.size();
  append(sets, Bytes{0x12, 0x00});
  const auto more = decode_changelog_entry(sets);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::corruption);
  EXPECT_EQ(more.error().offset, end);

  const auto named_with = [](const Bytes& pairs) {
    const std::size_t size = pairs.size();
    Bytes entry = {0x12};
    const auto put_length = [&](std::size_t length) {
      for (; length >= 0x80; length >>= 7) {
        entry.push_back(static_cast<std::uint8_t>(0x80 | (length & 0x7f)));
      }
      entry.push_back(static_cast<std::uint8_t>(length));
    };
    const std::size_t inner = size < 0x80 ? 2 : size < 0x4000 ? 3 : size < 0x200000 ? 4 : 5;
    put_length(size + inner);
    entry.push_back(0x0a);
    put_length(size);
    append(entry, pairs);
    return entry;
  };
  const auto keyless = decode_changelog_entry(named_with(many(0x0a, 1U << 20)));
  ASSERT_FALSE(keyless);
  EXPECT_EQ(keyless.error().code, ErrorCode::corruption);

  constexpr std::size_t kPairs = 100'000;
  Bytes pairs;
  for (std::size_t i = 0; i < kPairs; ++i) append(pairs, Bytes{0x0a, 0x03, 0x12, 0x01, 'k'});
  const Bytes entry = named_with(pairs);
  const auto decoded = decode_changelog_entry(entry);
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_EQ(decoded->changesets[0].pairs.size(), kPairs);
  EXPECT_EQ(decoded->changesets[0].pairs.capacity(), kPairs) << "room that is never used";
}

TEST(ChangelogEntry, DecodedBytesAreBorrowed) {
  const Bytes bytes = payload(1, small());
  const auto entry = decode_changelog_entry(bytes);
  ASSERT_TRUE(entry);
  const auto* key = entry->changesets[0].pairs[0].key.data();
  EXPECT_GE(key, bytes.data());
  EXPECT_LT(key, bytes.data() + bytes.size());
}

// ---- the log that the reference wrote ----

Bytes reference_log() {
  std::ifstream file(std::string(FLATKV_SOURCE_DIR) +
                         "/tests/golden/reference-changelog-accounts/00000000000000000001.zst",
                     std::ios::binary);
  const std::string packed{std::istreambuf_iterator<char>(file), {}};
  Bytes bytes(1 << 20);
  const std::size_t size =
      ZSTD_decompress(bytes.data(), bytes.size(), packed.data(), packed.size());
  EXPECT_FALSE(ZSTD_isError(size));
  bytes.resize(ZSTD_isError(size) ? 0 : size);
  return bytes;
}

TEST(ChangelogEntry, GoldenReferenceLogIsReadAndWrittenByteForByte) {
  const Bytes log = reference_log();
  std::size_t at = 0;
  std::int64_t version = 0;
  std::size_t pairs = 0;
  std::size_t deletes = 0;
  while (at < log.size()) {
    std::uint64_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
      const std::uint8_t byte = log[at++];
      length |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) break;
    }
    ASSERT_LE(length, log.size() - at);
    const ByteView message = ByteView(log).subspan(at, static_cast<std::size_t>(length));
    at += static_cast<std::size_t>(length);
    const auto entry = decode_changelog_entry(message);
    ASSERT_TRUE(entry) << entry.error().to_string();
    EXPECT_EQ(entry->version, ++version);
    std::vector<NamedChangeSet> sets;
    for (const auto& set : entry->changesets) {
      EXPECT_EQ(set.name, "evm");
      sets.push_back({set.name, set.pairs});
      pairs += set.pairs.size();
      for (const KVPair& pair : set.pairs) {
        deletes += pair.remove ? 1 : 0;
        EXPECT_EQ(pair.key.size(), 21U);
      }
    }
    Bytes again;
    append_version(again, entry->version);
    append_change_sets(again, sets);
    EXPECT_TRUE(equal(again, message)) << "version " << version;
  }
  EXPECT_EQ(version, 200);
  EXPECT_GT(pairs, 1000U);
  EXPECT_GT(deletes, 100U);
}

}  // namespace
}  // namespace flatkv::codec
