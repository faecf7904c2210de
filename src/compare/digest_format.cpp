// SPDX-License-Identifier: Apache-2.0
// The bytes of a digest (docs/formats.md).
#include "base/guard.hpp"
#include "codec/keys.hpp"
#include "compare/digest_part.hpp"
#include "compare/scan_codec.hpp"
#include "flatkv/tools/digest.hpp"

namespace flatkv {
namespace {

constexpr std::string_view kMagic = "FLATKVD\n";
constexpr std::uint32_t kFormat = 1;

Status read_part(compare::ByteReader& from, const StateDigest& digest, StateDigest::Part& part) {
  const auto place = static_cast<std::size_t>(&part - digest.parts.data());
  FLATKV_TRY(from.take_database(place, digest.parts.size(), part.database));
  FLATKV_TRY(from.take(part.claimed));
  if (!digest.is_whole() && part.claimed != DatabaseStats{}) {
    return from.bad("counts of a whole database in a digest of a part");
  }
  FLATKV_TRY(from.take(part.found));
  FLATKV_TRY(from.take(part.checksum));
  FLATKV_TRY(from.take(part.leaf_rows));
  if (part.leaf_rows == 0) return from.bad("ranges of no rows");
  auto tree = std::make_shared<StateDigest::Part::Tree>();
  FLATKV_TRY(from.take_nodes(part.leaf_rows, part.found.rows, tree->nodes));
  if (tree->nodes.empty() && part.found.rows != 0) return from.bad("rows without ranges");
  part.nodes = tree->nodes.size();
  part.tree = std::move(tree);
  return {};
}

Result<StateDigest> read(compare::ByteReader from) {
  StateDigest digest;
  FLATKV_TRY(from.begin(kMagic, kFormat, digest.account_rows, digest.version, digest.roots));
  // One byte more than a key can have: the end of a range that holds the longest key.
  FLATKV_TRY(from.take_sized(codec::kMaxKeyBytes + 1, digest.start));
  FLATKV_TRY(from.take_sized(codec::kMaxKeyBytes + 1, digest.end));
  std::size_t parts = 0;
  FLATKV_TRY(from.take_databases(parts));
  if (parts == 4 && !digest.is_whole()) return from.bad("a range of keys of four databases");
  digest.parts.resize(parts);
  for (auto& part : digest.parts) FLATKV_TRY(read_part(from, digest, part));
  FLATKV_TRY(from.end());
  return digest;
}

}  // namespace

Result<Bytes> StateDigest::encode() const {
  return guarded([&]() -> Result<Bytes> {
    compare::ByteWriter to;
    to.begin(kMagic, kFormat, account_rows, version, roots);
    to.sized(start).sized(end).put(static_cast<std::uint32_t>(parts.size()));
    for (const Part& part : parts) {
      to.put(static_cast<std::uint32_t>(part.database)).put(part.claimed).put(part.found);
      to.raw(part.checksum).put(part.leaf_rows).put_nodes(part.tree->nodes);
    }
    return to.seal();
  });
}

Result<StateDigest> StateDigest::decode(ByteView bytes) {
  return guarded([&]() -> Result<StateDigest> { return read({bytes, "digest"}); });
}

Result<StateDigest> read_digest(ByteSource& source) {
  return guarded([&]() -> Result<StateDigest> {
    FLATKV_ASSIGN(const Bytes bytes,
                  compare::read_all(source, 64U << 20, "this is larger than any digest"));
    return StateDigest::decode(bytes);
  });
}

}  // namespace flatkv
