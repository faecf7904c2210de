// SPDX-License-Identifier: Apache-2.0
#include "layout/snapshot_manifest.hpp"

#include <limits>

#include "blake3/tree.hpp"
#include "changelog/record.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::layout {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxVersion = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMaxNumber = std::numeric_limits<std::uint64_t>::max();

void encode_databases(const StateSummary& state, Sealing& object) {
  object.object("databases");
  for (const Database database : kDataDatabases) {
    object.object(to_string(database))
        .number("rows", state.stats[database].rows)
        .number("key_bytes", state.stats[database].key_bytes)
        .number("value_bytes", state.stats[database].value_bytes)
        .text("lthash", to_hex(state.hashes[database].serialize()))
        .end();
  }
  object.end();
}

Status decode_database(const Members& members, DatabaseStats& stats, LtHash& hash) {
  FLATKV_ASSIGN(stats.rows, members.number("rows", 0, kMaxNumber));
  FLATKV_ASSIGN(stats.key_bytes, members.number("key_bytes", 0, kMaxNumber));
  FLATKV_ASSIGN(stats.value_bytes, members.number("value_bytes", 0, kMaxNumber));
  std::array<std::uint8_t, LtHash::kBytes> limbs;
  FLATKV_TRY(members.hex("lthash", limbs));
  hash = LtHash::deserialize(limbs);
  return {};
}

Status decode_databases(const Members& members, StateSummary& state) {
  FLATKV_ASSIGN(const json* databases, members.object("databases"));
  for (const Database database : kDataDatabases) {
    FLATKV_ASSIGN(const json* one, Members(*databases).object(to_string(database)));
    FLATKV_TRY(decode_database(Members(*one), state.stats[database], state.hashes[database]));
  }
  return {};
}

Result<SnapshotFile> decode_file(const Members& members) {
  SnapshotFile file;
  FLATKV_ASSIGN(const std::string_view path, members.text("path"));
  if (!is_snapshot_file_path(path)) {
    return fail(ErrorCode::corruption, "a file of the list is not in one of the five databases");
  }
  file.path = path;
  FLATKV_ASSIGN(file.bytes, members.number("bytes", 0, kMaxNumber));
  if (is_table_path(path) == members.has("crc32c")) {
    return fail(ErrorCode::corruption,
                "exactly the files that are not tables have a CRC: " + file.path);
  }
  if (members.has("crc32c")) {
    FLATKV_ASSIGN(const std::uint64_t crc, members.number("crc32c", 0, 0xffffffff));
    file.crc32c = static_cast<std::uint32_t>(crc);
  }
  return file;
}

Result<std::vector<SnapshotFile>> decode_files(const json& list) {
  std::vector<SnapshotFile> files;
  files.reserve(list.size());
  for (const json& entry : list) {
    FLATKV_ASSIGN(SnapshotFile file, decode_file(Members(entry)));
    if (!files.empty() && files.back().path >= file.path) {
      return fail(ErrorCode::corruption, "the files of the list are not in order: " + file.path);
    }
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

Roots roots_of(const PerDataDatabase<LtHash>& hashes) {
  LtHash sum;
  for (const LtHash& hash : hashes) sum += hash;
  const std::array<std::array<std::uint8_t, LtHash::kBytes>, 5> bytes = {
      sum.serialize(), hashes[Database::account].serialize(), hashes[Database::code].serialize(),
      hashes[Database::storage].serialize(), hashes[Database::legacy].serialize()};
  const std::array<const std::uint8_t*, 5> inputs = {
      bytes[0].data(), bytes[1].data(), bytes[2].data(), bytes[3].data(), bytes[4].data()};
  std::array<Digest, 5> found;
  blake3::hash_pairs(inputs, found);
  return {found[0], found[1], found[2], found[3], found[4]};
}

Bytes encode(const SnapshotManifest& manifest) {
  Sealing object;
  object.number("format", kFormat)
      .number("version", static_cast<std::uint64_t>(manifest.state.version))
      .text("chain", to_hex(manifest.chain));
  encode_databases(manifest.state, object);
  object.text("manifest", as_chars(encode(manifest.manifest))).array("files");
  for (const SnapshotFile& file : manifest.files) {
    object.object().text("path", file.path).number("bytes", file.bytes);
    if (file.crc32c) object.number("crc32c", *file.crc32c);
    object.end();
  }
  object.end();
  return std::move(object).seal();
}

Result<SnapshotManifest> decode_snapshot_manifest(ByteView bytes) {
  FLATKV_ASSIGN(const Unsealed object, unseal(bytes, kMaxSnapshotManifestBytes));
  const Members members(object);
  FLATKV_TRY(check_format(members));
  SnapshotManifest manifest;
  FLATKV_ASSIGN(const std::string_view copy, members.text("manifest"));
  FLATKV_ASSIGN(manifest.manifest, decode_manifest(as_bytes(copy)));
  const auto base = static_cast<std::uint64_t>(manifest.manifest.initial_version) - 1;
  FLATKV_ASSIGN(const std::uint64_t version, members.number("version", base, kMaxVersion));
  manifest.state.version = static_cast<std::int64_t>(version);
  FLATKV_TRY(members.hex("chain", manifest.chain));
  FLATKV_TRY(decode_databases(members, manifest.state));
  FLATKV_ASSIGN(const json* files, members.array("files"));
  FLATKV_ASSIGN(manifest.files, decode_files(*files));
  return manifest;
}

Result<SnapshotManifest> read_snapshot_manifest(fs::FileSystem& files,
                                                const std::string& directory) {
  return read_decoded(files, fs::join(directory, kSnapshotFile), kMaxSnapshotManifestBytes,
                      decode_snapshot_manifest);
}

}  // namespace flatkv::layout
