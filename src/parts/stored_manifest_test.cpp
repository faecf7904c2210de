// SPDX-License-Identifier: Apache-2.0
#include "parts/stored_manifest.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "layout/sealed_json.hpp"
#include "parts/test_support.hpp"

namespace flatkv::parts {
namespace {

constexpr PartContext kContext{7, AccountRows::prune_empty};

StoredManifest two_parts() {
  return {kContext.version,
          kContext.account_rows,
          {small_part(kContext, 5, 0).part, small_part(kContext, 1, 9).part}};
}

TEST(StoredManifest, RoundTrip) {
  for (const StoredManifest& manifest : {two_parts(), StoredManifest{0, AccountRows::keep, {}}}) {
    const Bytes bytes = encode(manifest);
    const auto decoded = decode_stored_manifest(bytes);
    ASSERT_TRUE(decoded) << decoded.error().to_string();
    EXPECT_EQ(encode(*decoded), bytes);
    EXPECT_EQ(decoded->roots(), manifest.roots());
    EXPECT_EQ(decoded->parts.size(), manifest.parts.size());
  }
  const StoredSnapshot summary = two_parts().summary("x");
  EXPECT_EQ(summary.rows, 6U);
  EXPECT_EQ(summary.parts, 2U);
}

TEST(StoredManifest, AnyFlippedBitAndAnyCut) {
  Bytes bytes = encode(two_parts());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    EXPECT_FALSE(decode_stored_manifest(bytes)) << at;
    bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    EXPECT_FALSE(decode_stored_manifest(ByteView(bytes).first(at))) << at;
  }
}

/// With a digest that fits, since whoever forges one makes that, too.
Result<StoredManifest> forged(const auto& change) {
  const Bytes bytes = encode(two_parts());
  nlohmann::ordered_json object = nlohmann::ordered_json::parse(as_chars(bytes));
  object.erase("digest");
  change(object);
  std::string text = object.dump(2);
  text.resize(text.size() - 2);  // the line feed and the closing brace
  return decode_stored_manifest(layout::seal_text(text + ",\n"));
}

TEST(StoredManifest, EveryForgery) {
  using Json = nlohmann::ordered_json;
  ASSERT_TRUE(forged([](Json&) {}));
  EXPECT_TRUE(forged([](Json& j) { j["later"] = 1; })) << "unknown members are ignored";
  EXPECT_EQ(forged([](Json& j) { j["format"] = 2; }).error().code, ErrorCode::format_too_new);
  const auto refused = [&](const char* what, const auto& change) {
    const auto decoded = forged(change);
    ASSERT_FALSE(decoded) << what;
    EXPECT_EQ(decoded.error().code, ErrorCode::corruption) << what;
  };
  refused("version", [](Json& j) { j["version"] = 9223372036854775807; });
  refused("account rows", [](Json& j) { j["account_rows"] = "some"; });
  refused("rows", [](Json& j) { j["rows"] = 7; });
  refused("root", [](Json& j) { j["roots"]["root"] = std::string(64, '0'); });
  refused("legacy", [](Json& j) { j["roots"]["legacy"] = std::string(64, '0'); });
  refused("no root", [](Json& j) { j["roots"].erase("root"); });
  refused("a part less", [](Json& j) { j["parts"].erase(1); });
  refused("order", [](Json& j) { std::swap(j["parts"][0], j["parts"][1]); });
  refused("twice", [](Json& j) { j["parts"][1] = j["parts"][0]; });
  refused("database", [](Json& j) { j["parts"][0]["database"] = "metadata"; });
  refused("database order", [](Json& j) { j["parts"][1]["database"] = "storage"; });
  refused("overlap", [](Json& j) { j["parts"][0]["last"] = "9909"; });
  refused("turned", [](Json& j) { j["parts"][0]["first"] = "9905"; });
  refused("one key of many", [](Json& j) { j["parts"][0]["last"] = j["parts"][0]["first"]; });
  refused("no key", [](Json& j) { j["parts"][0]["first"] = ""; });
  refused("half a digit", [](Json& j) { j["parts"][0]["first"] = "990"; });
  refused("no rows", [](Json& j) { j["parts"][0]["rows"] = 0; });
  refused("overflow", [](Json& j) { j["parts"][0]["key_bytes"] = 18446744073709551615U; });
  refused("length", [](Json& j) { j["parts"][0]["bytes"] = kMaxPartBytes + 1; });
  refused("digest", [](Json& j) { j["parts"][0]["digest"] = "00"; });
  refused("hash", [](Json& j) { j["parts"][0]["lthash"] = std::string(4096, '1'); });
  refused("no parts", [](Json& j) { j.erase("parts"); });
  refused("more values than parts have",
          [](Json& j) { j["later"] = std::vector<int>(16 * kMaxParts + 64); });
  refused("parts that are none", [](Json& j) { j["parts"] = {1, 2}; });
}

/// With sums that fit, too.
TEST(StoredManifest, PartsThatNoSnapshotHas) {
  const auto refused = [](const char* what, const auto& change) {
    StoredManifest manifest = two_parts();
    change(manifest.parts);
    const auto decoded = decode_stored_manifest(encode(manifest));
    ASSERT_FALSE(decoded) << what;
    EXPECT_EQ(decoded.error().code, ErrorCode::corruption) << what;
  };
  refused("no rows", [](auto& parts) { parts[0].stats.rows = 0; });
  refused("twice", [](auto& parts) { parts[1] = parts[0]; });
  refused("database order", [](auto& parts) { parts[1].database = Database::storage; });
}

}  // namespace
}  // namespace flatkv::parts
