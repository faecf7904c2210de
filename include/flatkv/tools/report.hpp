// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/view.hpp"

// What `flatkv report` shows beside StoreInfo.
namespace FLATKV_API flatkv {

/// The tables of one level. Those of level 0 are not yet merged into the sorted ones.
struct LevelInfo {
  std::uint32_t level = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};
/// The tables of one database, of a private copy or of a snapshot that it links.
struct TableInfo {
  Database database = Database::account;
  std::vector<LevelInfo> levels;  ///< those that have tables, from the lowest number on
  std::uint64_t pending_compaction_bytes = 0;
};
/// One for each of the five. Fails only with `out_of_memory`.
Result<std::vector<TableInfo>> table_info(const ReadOnlyStore& store);

/// The storage of one contract.
struct ContractRows {
  Address address{};
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< of keys and values
};

struct ContractsOptions {
  std::size_t most = 20;        ///< contracts to return
  std::stop_token stop;         ///< request to end with `cancelled`
  ProgressCallback progress{};  ///< counts rows
};

/// The contracts with the most rows of storage, most first (equal ones by address), from one walk
/// over all of them; and how many contracts have any. Errors: those of reading, `cancelled`.
struct Contracts {
  std::vector<ContractRows> largest;
  std::uint64_t count = 0;
};
Result<Contracts> largest_contracts(const ReadView& view, const ContractsOptions& options = {});

}  // namespace flatkv
