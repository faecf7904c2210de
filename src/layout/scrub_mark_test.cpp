// SPDX-License-Identifier: Apache-2.0
#include "layout/scrub_mark.hpp"

#include "layout/test_support.hpp"

namespace flatkv::layout {
namespace {

ScrubMark sample_mark() {
  ScrubMark mark;
  mark.generation = "gen-00000003";
  mark.chain.fill(0xc4);
  mark.progress.version = 1234;
  mark.progress.round = 7;
  mark.progress.database = Database::storage;
  mark.progress.rows = 55;
  mark.progress.verdicts[Database::account] = {7, 1200, true};
  mark.progress.verdicts[Database::legacy] = {6, 1100, false};
  mark.before = {0x00, 0x11, 0xff};
  for (std::size_t i = 0; i < LtHash::kLimbs; ++i) {
    mark.hash.limbs()[i] = static_cast<std::uint16_t>(i * 257);
  }
  mark.stats = {55, 55 * 52, 55 * 32};
  return mark;
}

std::string body_of(const ScrubMark& mark) {
  std::string text(as_chars(encode(mark)));
  text.resize(text.rfind("  \"digest\""));
  return text;
}

/// The sample with one part of its text replaced and the digest corrected.
Bytes reworded(const std::string& from, const std::string& to) {
  std::string text = body_of(sample_mark());
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return seal_text(text);
}

TEST(ScrubMark, RoundTrip) {
  const ScrubMark mark = sample_mark();
  const auto back = decode_scrub_mark(encode(mark));
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(encode(*back), encode(mark));
  EXPECT_EQ(back->generation, mark.generation);
  EXPECT_EQ(back->chain, mark.chain);
  EXPECT_EQ(back->before, mark.before);
  EXPECT_EQ(back->hash, mark.hash);
  EXPECT_EQ(back->stats, mark.stats);
  EXPECT_EQ(back->progress.version, 1234);
  EXPECT_EQ(back->progress.round, 7U);
  EXPECT_EQ(back->progress.database, Database::storage);
  EXPECT_EQ(back->progress.rows, 55U);
  EXPECT_TRUE(back->progress.verdicts[Database::account]->good);
  EXPECT_FALSE(back->progress.verdicts[Database::code]);
  EXPECT_FALSE(back->progress.verdicts[Database::legacy]->good);
  EXPECT_EQ(back->progress.verdicts[Database::legacy]->version, 1100);
}

TEST(ScrubMark, BytesAreThoseOfTheDocumentation) {
  ScrubMark mark = sample_mark();
  mark.hash = {};
  const std::string zeros(4096, '0');
  EXPECT_EQ(body_of(mark),
            "{\n"
            "  \"format\": 1,\n"
            "  \"generation\": \"gen-00000003\",\n"
            "  \"version\": 1234,\n"
            "  \"chain\": \"" +
                to_hex(mark.chain) +
                "\",\n"
                "  \"round\": 7,\n"
                "  \"database\": \"storage\",\n"
                "  \"before\": \"0011ff\",\n"
                "  \"rows\": 55,\n"
                "  \"key_bytes\": 2860,\n"
                "  \"value_bytes\": 1760,\n"
                "  \"lthash\": \"" +
                zeros +
                "\",\n"
                "  \"verdicts\": {\n"
                "    \"account\": {\n"
                "      \"round\": 7,\n"
                "      \"version\": 1200,\n"
                "      \"good\": 1\n"
                "    },\n"
                "    \"legacy\": {\n"
                "      \"round\": 6,\n"
                "      \"version\": 1100,\n"
                "      \"good\": 0\n"
                "    }\n"
                "  },\n");
}

TEST(ScrubMark, EveryFlippedByteAndEveryCutIsRefused) {
  const Bytes good = encode(sample_mark());
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1U << (at % 8)));
    ASSERT_TRUE(fails_with(decode_scrub_mark(bad), ErrorCode::corruption)) << at;
    ASSERT_TRUE(fails_with(decode_scrub_mark(ByteView(good).first(at)), ErrorCode::corruption))
        << at;
  }
  Bytes longer = good;
  longer.push_back('\n');
  EXPECT_TRUE(fails_with(decode_scrub_mark(longer), ErrorCode::corruption));
}

TEST(ScrubMark, MembersOutOfTheirRangeAreRefused) {
  const auto refused = [](const std::string& from, const std::string& to) {
    EXPECT_TRUE(fails_with(decode_scrub_mark(reworded(from, to)), ErrorCode::corruption))
        << from << " -> " << to;
  };
  refused("gen-00000003", "gen-3");
  refused("gen-00000003", "../gen-00000003");
  refused("\"version\": 1234", "\"version\": 9223372036854775808");
  refused("\"version\": 1234", "\"version\": -1");
  refused("\"version\": 1234", "\"version\": \"1234\"");
  refused("c4c4", "c4");
  refused("\"round\": 7,\n  \"database", "\"round\": 0,\n  \"database");
  refused("\"storage\"", "\"metadata\"");
  refused("\"storage\"", "\"Storage\"");
  refused("0011ff", "0011f");
  refused("0011ff", "0x11ff");
  refused("0011ff", "001zff");
  refused("0011ff", std::string(2 * 65537, 'a'));
  refused("\"rows\": 55", "\"rows\": 5.5");
  refused("\"lthash\": \"00", "\"lthash\": \"");
  refused("\"verdicts\": {", "\"verdicts\": [], \"other\": {");
  refused("\"good\": 1", "\"good\": 2");
  refused("\"good\": 1", "\"good\": true");
  refused("\"rows\": 55", "\"rows\": 55, \"rows\": 55");
  EXPECT_TRUE(fails_with(decode_scrub_mark(reworded("\"format\": 1", "\"format\": 2")),
                         ErrorCode::format_too_new));
  EXPECT_TRUE(succeeds(decode_scrub_mark(reworded("0011ff", std::string(2 * 65536, 'a')))));
  EXPECT_TRUE(succeeds(decode_scrub_mark(reworded("0011ff", ""))));
}

}  // namespace
}  // namespace flatkv::layout
