// SPDX-License-Identifier: Apache-2.0
#include "parts/stored_manifest.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "layout/sealed_json.hpp"
#include "layout/snapshot_manifest.hpp"

namespace flatkv::parts {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMaxKey = 64U << 10;
/// A part has ten values; what a newer program may add to it is ignored.
constexpr std::size_t kMaxValues = 16 * kMaxParts + 64;
constexpr std::uint64_t kMaxVersion = std::numeric_limits<std::int64_t>::max() - 1;

struct NamedDigest {
  const char* name;
  Digest Roots::* digest;
};
constexpr std::array<NamedDigest, 5> kRoots = {{{"root", &Roots::root},
                                                {"account", &Roots::account},
                                                {"code", &Roots::code},
                                                {"storage", &Roots::storage},
                                                {"legacy", &Roots::legacy}}};

Failure bad(std::string message) { return fail(ErrorCode::corruption, std::move(message)); }

/// Adds without wrapping around.
Status add(std::uint64_t& sum, std::uint64_t more) {
  if (more > kMax - sum) return bad("the parts' counts are too large");
  sum += more;
  return {};
}

Result<Bytes> decode_key(const layout::Members& members, std::string_view name) {
  FLATKV_ASSIGN(const std::string_view digits, members.text(name));
  Bytes key(digits.size() / 2);
  if (key.empty() || key.size() > kMaxKey) {
    return bad("member \"" + std::string(name) + "\" is no key");
  }
  FLATKV_TRY(members.hex(name, key));
  return key;
}

Result<Database> decode_database(std::string_view name) {
  for (const Database database : kDataDatabases) {
    if (to_string(database) == name) return database;
  }
  return bad("member \"database\" names none that has rows");
}

Result<Part> decode_part(const json& object) {
  const layout::Members members(object);
  Part part;
  FLATKV_ASSIGN(const std::string_view database, members.text("database"));
  FLATKV_ASSIGN(part.database, decode_database(database));
  FLATKV_ASSIGN(part.first, decode_key(members, "first"));
  FLATKV_ASSIGN(part.last, decode_key(members, "last"));
  FLATKV_ASSIGN(part.stats.rows, members.number("rows", 1, kMax));
  FLATKV_ASSIGN(part.stats.key_bytes, members.number("key_bytes", 0, kMax));
  FLATKV_ASSIGN(part.stats.value_bytes, members.number("value_bytes", 0, kMax));
  FLATKV_ASSIGN(part.bytes, members.number("bytes", 1, kMaxPartBytes));
  FLATKV_TRY(members.hex("digest", part.digest));
  std::array<std::uint8_t, LtHash::kBytes> hash{};
  FLATKV_TRY(members.hex("lthash", hash));
  part.hash = LtHash::deserialize(hash);
  return part;
}

/// Whether the part lies behind the one before it.
Status check_order(const std::vector<Part>& parts, const Part& part) {
  const int inside = compare_bytes(part.first, part.last);
  const bool one = part.stats.rows == 1;
  if (inside > 0 || (inside == 0) != one) return bad("a part's keys and rows do not fit");
  if (parts.empty() || parts.back().database < part.database) return {};
  if (parts.back().database == part.database && compare_bytes(parts.back().last, part.first) < 0) {
    return {};
  }
  return bad("the parts are not in the order of their keys");
}

void encode_part(const Part& part, layout::Sealing& object) {
  object.object()
      .text("database", to_string(part.database))
      .text("first", to_hex(part.first))
      .text("last", to_hex(part.last))
      .number("rows", part.stats.rows)
      .number("key_bytes", part.stats.key_bytes)
      .number("value_bytes", part.stats.value_bytes)
      .number("bytes", part.bytes)
      .text("digest", to_hex(part.digest))
      .text("lthash", to_hex(part.hash.serialize()))
      .end();
}

Status decode_parts(const layout::Members& members, StoredManifest& manifest) {
  FLATKV_ASSIGN(const json* list, members.array("parts"));
  if (list->size() > kMaxParts) return bad("there are more parts than a snapshot has");
  DatabaseStats sum;
  for (const json& one : *list) {
    FLATKV_ASSIGN(Part part, decode_part(one));
    FLATKV_TRY(check_order(manifest.parts, part));
    FLATKV_TRY(add(sum.rows, part.stats.rows));
    FLATKV_TRY(add(sum.key_bytes, part.stats.key_bytes));
    FLATKV_TRY(add(sum.value_bytes, part.stats.value_bytes));
    manifest.parts.push_back(std::move(part));
  }
  FLATKV_ASSIGN(const std::uint64_t rows, members.number("rows", 0, kMax));
  if (rows != sum.rows) return bad("the parts' rows are not those of the snapshot");
  return {};
}

Status decode_roots(const layout::Members& members, const Roots& sum) {
  FLATKV_ASSIGN(const json* object, members.object("roots"));
  const layout::Members roots(*object);
  for (const auto& [name, digest] : kRoots) {
    Digest stated{};
    FLATKV_TRY(roots.hex(name, stated));
    if (stated != sum.*digest) {
      return bad("the parts' hashes do not add up to the roots line: " + std::string(name) +
                 " is " + to_hex(sum.*digest) + ", not " + to_hex(stated));
    }
  }
  return {};
}

}  // namespace

PerDataDatabase<LtHash> StoredManifest::hashes() const {
  PerDataDatabase<LtHash> sums;
  for (const Part& part : parts) sums[part.database] += part.hash;
  return sums;
}

PerDataDatabase<DatabaseStats> StoredManifest::stats() const {
  PerDataDatabase<DatabaseStats> sums;
  for (const Part& part : parts) {
    DatabaseStats& sum = sums[part.database];
    sum.rows += part.stats.rows;
    sum.key_bytes += part.stats.key_bytes;
    sum.value_bytes += part.stats.value_bytes;
  }
  return sums;
}

Roots StoredManifest::roots() const { return layout::roots_of(hashes()); }

StoredSnapshot StoredManifest::summary(std::string location) const {
  StoredSnapshot snapshot{.location = std::move(location),
                          .version = version,
                          .account_rows = account_rows,
                          .roots = roots(),
                          .rows = 0,
                          .parts = parts.size(),
                          .bytes = 0};
  for (const Part& part : parts) {
    snapshot.rows += part.stats.rows;
    snapshot.bytes += part.bytes;
  }
  return snapshot;
}

Bytes encode(const StoredManifest& manifest) {
  const StoredSnapshot summary = manifest.summary({});
  layout::Sealing object;
  object.number("format", layout::kFormat)
      .number("version", static_cast<std::uint64_t>(manifest.version))
      .text("account_rows", manifest.account_rows == AccountRows::keep ? "keep" : "prune_empty")
      .object("roots");
  for (const auto& [name, digest] : kRoots) object.text(name, to_hex(summary.roots.*digest));
  object.end().number("rows", summary.rows).array("parts");
  for (const Part& part : manifest.parts) encode_part(part, object);
  object.end();
  return std::move(object).seal();
}

Result<StoredManifest> decode_stored_manifest(ByteView bytes) {
  FLATKV_ASSIGN(const layout::Unsealed object,
                layout::unseal(bytes, kMaxManifestBytes, kMaxValues));
  const layout::Members members(object);
  FLATKV_TRY(layout::check_format(members));
  StoredManifest manifest;
  FLATKV_ASSIGN(const std::uint64_t version, members.number("version", 0, kMaxVersion));
  manifest.version = static_cast<std::int64_t>(version);
  FLATKV_ASSIGN(const std::string_view rows, members.text("account_rows"));
  if (rows != "keep" && rows != "prune_empty") return bad("an unknown option of account rows");
  manifest.account_rows = rows == "keep" ? AccountRows::keep : AccountRows::prune_empty;
  FLATKV_TRY(decode_parts(members, manifest));
  FLATKV_TRY(decode_roots(members, manifest.roots()));
  return manifest;
}

std::string part_name(const Digest& digest) { return "part-" + to_hex(digest) + ".zst"; }

}  // namespace flatkv::parts
