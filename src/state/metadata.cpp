// SPDX-License-Identifier: Apache-2.0
#include "state/metadata.hpp"

#include <algorithm>

#include "layout/generation.hpp"

namespace flatkv::state {

Status put_local_meta(rocks::TableWriter& table, std::int64_t version, const LtHash& hash,
                      const DatabaseStats& stats) {
  FLATKV_TRY(table.put_meta(rocks::kLocalKey, codec::encode(codec::LocalMeta{version, hash})));
  return table.put_meta(rocks::kStatsKey, codec::encode(codec::StatsAt{version, stats}));
}

Status put_global_meta(rocks::TableWriter& table, const layout::StoreId& store,
                       std::int64_t version, const PerDataDatabase<LtHash>& hashes) {
  LtHash sum;
  for (const LtHash& hash : hashes) sum += hash;
  FLATKV_TRY(table.put_meta(rocks::kMetaHashKey, sum.serialize()));
  // In key order: account, code, legacy, storage.
  for (const Database database :
       {Database::account, Database::code, Database::legacy, Database::storage}) {
    FLATKV_TRY(table.put_meta(rocks::meta_hash_key(database), hashes[database].serialize()));
  }
  FLATKV_TRY(table.put_meta(rocks::kMetaStoreKey, store));
  return table.put_meta(rocks::kMetaVersionKey, codec::encode_version(version));
}

Result<DataMeta> read_data_meta(const rocks::PinnedDatabase& snapshot) {
  DataMeta meta;
  FLATKV_ASSIGN(const auto local, snapshot.get_meta(rocks::kLocalKey));
  if (!local) return meta;
  FLATKV_ASSIGN(meta.local, codec::decode_local_meta(*local));
  FLATKV_ASSIGN(const auto stats, snapshot.get_meta(rocks::kStatsKey));
  if (stats) {
    FLATKV_ASSIGN(const codec::StatsAt decoded, codec::decode_stats(*stats));
    if (decoded.version == meta.local->version) meta.stats = decoded.stats;
  }
  return meta;
}

namespace {

Result<std::optional<LtHash>> read_hash(const rocks::PinnedDatabase& snapshot,
                                        std::string_view name) {
  FLATKV_ASSIGN(const auto bytes, snapshot.get_meta(name));
  if (!bytes) return std::nullopt;
  if (bytes->size() != LtHash::kBytes) {
    return fail(ErrorCode::corruption, std::string(name) + " has " + std::to_string(bytes->size()) +
                                           " bytes, expected 2048");
  }
  return LtHash::deserialize(std::span<const std::uint8_t, LtHash::kBytes>(*bytes));
}

Result<std::optional<layout::StoreId>> read_store(const rocks::PinnedDatabase& snapshot) {
  FLATKV_ASSIGN(const auto bytes, snapshot.get_meta(rocks::kMetaStoreKey));
  if (!bytes) return std::nullopt;
  layout::StoreId store{};
  if (bytes->size() != store.size()) {
    return fail(ErrorCode::corruption, std::string(rocks::kMetaStoreKey) + " has " +
                                           std::to_string(bytes->size()) + " bytes, expected " +
                                           std::to_string(store.size()));
  }
  std::ranges::copy(*bytes, store.begin());
  return store;
}

}  // namespace

Result<std::optional<GlobalMeta>> read_global_meta(const rocks::PinnedDatabase& snapshot) {
  GlobalMeta meta;
  FLATKV_ASSIGN(const auto version, snapshot.get_meta(rocks::kMetaVersionKey));
  if (!version) return std::nullopt;
  FLATKV_ASSIGN(meta.version, codec::decode_version(*version));
  FLATKV_ASSIGN(const auto hash, read_hash(snapshot, rocks::kMetaHashKey));
  if (!hash) return std::nullopt;
  meta.hash = *hash;
  for (const Database database : kDataDatabases) {
    FLATKV_ASSIGN(const auto own, read_hash(snapshot, rocks::meta_hash_key(database)));
    if (!own) return std::nullopt;
    meta.hashes[database] = *own;
  }
  FLATKV_ASSIGN(meta.store, read_store(snapshot));
  return meta;
}

}  // namespace flatkv::state
