// SPDX-License-Identifier: Apache-2.0
#include "json_lines.hpp"

#include <gtest/gtest.h>

#include "test_support.hpp"

namespace flatkv::cli {
namespace {

std::string hex(ByteView bytes) { return to_hex(bytes); }

Outcome<std::optional<ChangeLine>> first_of(const std::string& text) {
  TextSource source(text);
  JsonChangeReader reader(source);
  return reader.next();
}

/// The message for one malformed line; empty if it was taken.
std::string complaint(const std::string& line) {
  auto result = first_of(line);
  if (result) return {};
  EXPECT_EQ(result.error().exit, ExitCode::usage);
  return result.error().message;
}

std::string with_pair(const std::string& pair) {
  return R"({"version":5,"changesets":[{"name":"evm","pairs":[)" + pair + "]}]}";
}

TEST(JsonLines, ReadsALine) {
  auto line = first_of(
      R"({"version": 7, "changesets": [{"name": "evm", "pairs": [{"key": "0A01", "value": "0xFf"},)"
      R"( {"key": "02", "delete": true}, {"key": "03"}]}, {"name": "bank", "pairs": []}]})");
  ASSERT_TRUE(line && *line);
  const ChangeLine& change = **line;
  EXPECT_EQ(change.version, 7);
  EXPECT_EQ(change.number, 1U);
  ASSERT_EQ(change.sets.size(), 2U);
  EXPECT_EQ(change.sets[0].name, "evm");
  ASSERT_EQ(change.sets[0].pairs.size(), 3U);
  EXPECT_EQ(hex(change.sets[0].pairs[0].key), "0a01");
  EXPECT_EQ(hex(change.sets[0].pairs[0].value), "ff");
  EXPECT_FALSE(change.sets[0].pairs[0].remove);
  EXPECT_TRUE(change.sets[0].pairs[1].remove);
  EXPECT_FALSE(change.sets[0].pairs[2].remove);
  EXPECT_TRUE(change.sets[0].pairs[2].value.empty());
  EXPECT_EQ(change.sets[1].name, "bank");
  EXPECT_TRUE(change.sets[1].pairs.empty());
}

TEST(JsonLines, OrderOfMembersAndStrangersDoNotMatter) {
  auto line = first_of(
      R"({"note":"x\u00e9","changesets":[{"pairs":[{"value":"","x":[1,{"y":null}],"key":"aa"}],)"
      R"("name":"evm"}],"more":{"a":[true,-1.5e3,123456789012345678901234567890]},)"
      R"("ver\u0073ion":9})");
  ASSERT_TRUE(line && *line) << line.error().message;
  EXPECT_EQ((*line)->version, 9);
  EXPECT_EQ(hex((*line)->sets.at(0).pairs[0].key), "aa");
}

// docs/hazards.md#empty-missing-delete
TEST(JsonLines, DeleteWinsOverAValueAndEmptyIsNotDelete) {
  auto line = first_of(with_pair(
      R"({"key":"01","value":"02","delete":true},{"key":"01","value":"","delete":false})"));
  ASSERT_TRUE(line && *line);
  EXPECT_TRUE((*line)->sets[0].pairs[0].remove);
  EXPECT_FALSE((*line)->sets[0].pairs[1].remove);
}

TEST(JsonLines, BytesStayWhereTheyAreWhenALineMoves) {
  auto line = first_of(with_pair(R"({"key":"01","value":"02"})"));
  ASSERT_TRUE(line && *line);
  const ChangeLine moved = std::move(**line);
  EXPECT_EQ(hex(moved.sets[0].pairs[0].key), "01");
  EXPECT_EQ(hex(moved.sets[0].pairs[0].value), "02");
}

TEST(JsonLines, StrictRefusesWhatTheFormatDoesNotHave) {
  const auto strictly = [](const std::string& line) -> std::string {
    TextSource source(line);
    JsonChangeReader reader(source, Reading::strict);
    auto result = reader.next();
    if (result) return {};
    EXPECT_EQ(result.error().exit, ExitCode::usage);
    return result.error().message;
  };
  EXPECT_EQ(
      strictly(with_pair(R"({"key":"01","vaule":"02"})")),
      "line 1, version 5: change set 1, pair 1: a member \"vaule\", which the format does not "
      "have");
  EXPECT_EQ(strictly(with_pair(R"({"key":"01","value":""},{"key":"02"})")),
            "line 1, version 5: change set 1, pair 2: neither a value nor a delete");
  EXPECT_EQ(strictly(with_pair(R"({"key":"01","delete":false})")),
            "line 1, version 5: change set 1, pair 1: neither a value nor a delete");
  EXPECT_EQ(strictly(R"({"version":5,"changesets":[{"name":"evm","pairs":[],"x":1}]})"),
            "line 1, version 5: change set 1: a member \"x\", which the format does not have");
  EXPECT_EQ(strictly(R"({"version":5,"changesets":[],"note":null})"),
            "line 1, version 5: a member \"note\", which the format does not have");
  EXPECT_EQ(strictly(with_pair(R"({"key":"01","delete":true},{"key":"01","value":"","delete":)"
                               R"(false},{"key":"01","value":"01","delete":true})")),
            "");
}

TEST(JsonLines, SaysLineVersionPairAndWhatIsWrong) {
  EXPECT_EQ(complaint(with_pair(R"({"key":"0a1"})")),
            "line 1, version 5: change set 1, pair 1: key has an odd number of hex digits");
  EXPECT_EQ(complaint(with_pair(R"({"key":"zz"})")),
            "line 1, version 5: change set 1, pair 1: key is not hex");
  EXPECT_EQ(complaint(with_pair(R"({"key":"01"},{"key":"01","value":"0g"})")),
            "line 1, version 5: change set 1, pair 2: value is not hex");
  EXPECT_EQ(complaint(with_pair(R"({"value":"01"})")),
            "line 1, version 5: change set 1, pair 1: no key");
  EXPECT_EQ(complaint("\n\n" + with_pair(R"({"key":1})")),
            "line 3, version 5: change set 1, pair 1: key is not a string");
}

TEST(JsonLines, MissingMembers) {
  EXPECT_NE(complaint(R"({"changesets":[]})").find("no version"), std::string::npos);
  EXPECT_NE(complaint(R"({"version":1})").find("no changesets"), std::string::npos);
  EXPECT_NE(complaint(R"({"version":1,"changesets":[{"name":"evm"}]})").find("no pairs"),
            std::string::npos);
  EXPECT_NE(complaint(R"({"version":1,"changesets":[{"pairs":[]}]})").find("no name"),
            std::string::npos);
}

TEST(JsonLines, WrongTypesAndBadVersions) {
  for (const char* version :
       {"\"1\"", "1.0", "1e0", "null", "true", "[]", "{}", "9223372036854775808",
        "99999999999999999999999", "0", "-1", "-9223372036854775808", "01", "+1", "1x"}) {
    EXPECT_FALSE(
        complaint(std::string(R"({"version":)") + version + R"(,"changesets":[]})").empty())
        << version;
  }
  EXPECT_NE(complaint(R"({"version":0,"changesets":[]})").find("below 1"), std::string::npos);
  for (const char* sets : {"{}", "null", "\"\"", "[1]", "[[]]", "[null]"}) {
    EXPECT_FALSE(complaint(std::string(R"({"version":1,"changesets":)") + sets + "}").empty())
        << sets;
  }
  for (const char* pair : {R"({"key":"01","value":null})", R"({"key":"01","value":[]})",
                           R"({"key":"01","delete":"true"})", R"({"key":"01","delete":1})", "[]",
                           "\"\"", R"({"key":null})"}) {
    EXPECT_FALSE(complaint(with_pair(pair)).empty()) << pair;
  }
}

TEST(JsonLines, AMemberThatComesTwiceIsAmbiguous) {
  EXPECT_FALSE(complaint(R"({"version":1,"version":2,"changesets":[]})").empty());
  EXPECT_FALSE(complaint(with_pair(R"({"key":"01","key":"02"})")).empty());
  EXPECT_FALSE(complaint(with_pair(R"({"key":"01","delete":false,"delete":true})")).empty());
}

TEST(JsonLines, GarbageIsRefusedWhereverItIs) {
  const std::string good = with_pair(R"({"key":"01"})");
  for (const std::string& bad :
       std::vector<std::string>{"x",
                                "{",
                                "}",
                                "[]",
                                "1",
                                "\"a\"",
                                "null",
                                "{}",
                                good + "x",
                                good + good,
                                good + ",",
                                good.substr(0, good.size() - 1),
                                good.substr(0, good.size() / 2),
                                R"({"version":1,"changesets":[],"x":tru})",
                                R"({"version":1,"changesets":[],"x":1-2})",
                                R"({"version":1,"changesets":[],"x":[1,]})",
                                R"({"version":1,"changesets":[],"x":nul})",
                                R"({"version":1,"changesets":[],})",
                                R"({"version":1 "changesets":[]})",
                                "{\"version\":1,\"changesets\":[],\"x\":\"a\x01\"}",
                                "{\"version\":1,\"changesets\":[],\"x\":\"\xff\"}",
                                R"({"version":1,"changesets":[],"x":"\q"})"}) {
    EXPECT_FALSE(complaint(bad).empty()) << bad;
  }
}

TEST(JsonLines, EveryTruncationOfALineIsRefused) {
  const std::string good =
      R"({"version":5,"changesets":[{"name":"evm","pairs":[{"key":"0a","value":"0b"}]}],"x":[1]})";
  for (std::size_t length = 1; length < good.size(); ++length) {
    EXPECT_FALSE(complaint(good.substr(0, length)).empty()) << length;
  }
}

TEST(JsonLines, NulBytes) {
  const std::string good = with_pair(R"({"key":"01"})");
  for (std::size_t at = 0; at <= good.size(); ++at) {
    std::string bad = good;
    bad.insert(at, 1, '\0');
    EXPECT_FALSE(complaint(bad).empty()) << at;
  }
}

TEST(JsonLines, DeepNesting) {
  const auto nested = [](std::size_t depth) {
    return R"({"version":1,"changesets":[],"x":)" + std::string(depth, '[') +
           std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(complaint(nested(20)).empty());
  EXPECT_FALSE(complaint(nested(1000)).empty());
  EXPECT_FALSE(complaint(nested(1'000'000)).empty());
  EXPECT_FALSE(complaint(std::string(1'000'000, '[')).empty());
  EXPECT_FALSE(complaint(std::string(1'000'000, '{')).empty());
}

TEST(JsonLines, ByteOrderMarkCarriageReturnsAndEmptyLines) {
  TextSource source(
      "\xef\xbb\xbf{\"version\":1,\"changesets\":[]}\r\n\r\n  \n\n"
      "{\"version\":2,\"changesets\":[]}");
  JsonChangeReader reader(source);
  auto first = reader.next();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->version, 1);
  auto second = reader.next();
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->version, 2);
  EXPECT_EQ((*second)->number, 5U);
  auto end = reader.next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
  // Only at the beginning: elsewhere it is garbage.
  EXPECT_FALSE(complaint("\n\xef\xbb\xbf{\"version\":1,\"changesets\":[]}").empty());
}

TEST(JsonLines, ALongLineAfterAShortOne) {
  std::string pairs;
  for (int i = 0; i < 20'000; ++i) {
    if (i > 0) pairs += ',';
    pairs += R"({"key":"0102030405060708090a","value":"ff"})";
  }
  TextSource source(
      with_pair(R"({"key":"01"})") + "\n" + with_pair(pairs) + "\n" + with_pair(R"({"key":"02"})"),
      65'536);
  JsonChangeReader reader(source);
  ASSERT_TRUE(reader.next());
  auto wide = reader.next();
  ASSERT_TRUE(wide && *wide);
  ASSERT_EQ((*wide)->sets.at(0).pairs.size(), 20'000U);
  EXPECT_EQ(hex((*wide)->sets[0].pairs[19'999].key), "0102030405060708090a");
  auto last = reader.next();
  ASSERT_TRUE(last && *last);
  EXPECT_EQ(hex((*last)->sets.at(0).pairs[0].key), "02");
}

// ---- roots lines -------------------------------------------------------------------------------

Parsed<JsonParser::RootsLine> roots(std::string line) {
  const std::size_t length = line.size();
  line.resize(length + LineReader::kPadding);
  JsonParser parser;
  return parser.roots_line({line.data(), length});
}

std::string good_roots() {
  std::string line = R"({"version":3)";
  char digit = '1';
  for (const char* name : {"root", "account", "code", "storage", "legacy"}) {
    line += std::string(",\"") + name + "\":\"" + std::string(64, digit++) + "\"";
  }
  return line + "}";
}

TEST(RootsLines, ReadsALine) {
  const auto line = roots(good_roots());
  ASSERT_TRUE(line);
  EXPECT_EQ(line->version, 3);
  EXPECT_EQ(hex(line->roots.root), std::string(64, '1'));
  EXPECT_EQ(hex(line->roots.legacy), std::string(64, '5'));
}

TEST(RootsLines, RefusesWhatIsNotWhole) {
  const std::string good = good_roots();
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(roots(good.substr(0, length))) << length;
  }
  std::string other = good;
  other.replace(other.find("legacy"), 6, "legacz");
  EXPECT_FALSE(roots(other));
  std::string shorter = good;
  shorter.erase(shorter.find("111"), 2);
  EXPECT_FALSE(roots(shorter));
  std::string wrong = good;
  wrong[wrong.find("111")] = 'g';
  EXPECT_FALSE(roots(wrong));
  EXPECT_FALSE(roots(good + "x"));
}

}  // namespace
}  // namespace flatkv::cli
