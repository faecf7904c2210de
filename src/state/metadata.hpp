// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>

#include "codec/local_meta.hpp"
#include "flatkv/lthash.hpp"
#include "layout/manifest.hpp"
#include "rocks/db.hpp"

// Reads and writes the metadata values of databases (docs/specification.md#metadata).
namespace flatkv::state {

/// First keys of a data database's table.
Status put_local_meta(rocks::TableWriter& table, std::int64_t version, const LtHash& hash,
                      codec::Stats stats);

/// All of a metadata database's table; `store` is the id of the store that it belongs to.
Status put_global_meta(rocks::TableWriter& table, const layout::StoreId& store,
                       std::int64_t version, const std::array<LtHash, 4>& hashes);

/// What a data database says of itself; both members may be missing.
struct DataMeta {
  std::optional<codec::LocalMeta> local;
  std::optional<codec::Stats> stats;  ///< only if of LocalMeta's version
};
Result<DataMeta> read_data_meta(const rocks::PinnedDatabase& snapshot);

struct GlobalMeta {
  std::int64_t version = 0;
  LtHash hash;
  std::array<LtHash, 4> hashes;
  /// Nothing in a database whose last flush is older than this value: then nothing is known.
  std::optional<layout::StoreId> store;

  bool is_of_another(const layout::StoreId& own) const { return store && *store != own; }
};
/// Nothing if any of the values but `store` is missing.
Result<std::optional<GlobalMeta>> read_global_meta(const rocks::PinnedDatabase& snapshot);

}  // namespace flatkv::state
