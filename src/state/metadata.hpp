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

/// Writes LocalMeta and stats, the first keys of a data database's table.
Status put_local_meta(rocks::TableWriter& table, std::int64_t version, const LtHash& hash,
                      const DatabaseStats& stats);

/// Writes the whole table of a metadata database; `store` is the store's id.
Status put_global_meta(rocks::TableWriter& table, const layout::StoreId& store,
                       std::int64_t version, const PerDataDatabase<LtHash>& hashes);

/// What a data database records about itself; both members may be missing.
struct DataMeta {
  std::optional<codec::LocalMeta> local;
  std::optional<DatabaseStats> stats;  ///< only if they are of LocalMeta's version
};
Result<DataMeta> read_data_meta(const rocks::PinnedDatabase& snapshot);

struct GlobalMeta {
  std::int64_t version = 0;
  LtHash hash;
  PerDataDatabase<LtHash> hashes;
  /// nullopt if the database was last flushed before this value was introduced.
  std::optional<layout::StoreId> store;

  bool is_of_another(const layout::StoreId& own) const { return store && *store != own; }
};
/// nullopt if any value but `store` is missing.
Result<std::optional<GlobalMeta>> read_global_meta(const rocks::PinnedDatabase& snapshot);

}  // namespace flatkv::state
