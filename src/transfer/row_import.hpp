#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "flatkv/transfer.hpp"
#include "layout/generation.hpp"
#include "store/generation_builder.hpp"
#include "transfer/row_tables.hpp"

namespace flatkv::transfer {

/// Turns rows that somebody else checked, ordered and hashed into the next generation of a store:
/// table files first, then databases, log, snapshot, swap. Until `finish` returned, the old store
/// stands; what is built goes with this object. One thread; holds the store's lock.
class RowImport {
 public:
  static Result<std::unique_ptr<RowImport>> begin(const store::Environment& environment,
                                                  const std::string& path,
                                                  const ImportOptions& options);
  ~RowImport();
  RowImport(const RowImport&) = delete;
  RowImport& operator=(const RowImport&) = delete;

  AccountRows account_rows() const noexcept { return manifest_.account_rows; }
  /// Rows in stream order.
  Status write(std::span<const ImportRow> rows);
  /// Makes it the live store.
  Status finish(std::int64_t version, const std::array<LtHash, 4>& hashes,
                const std::array<DatabaseStats, 4>& stats);

 private:
  RowImport(fs::FileSystem& files, std::string store, const layout::Manifest& manifest,
            layout::StoreLock lock, store::GenerationBuilder builder, LogCallback log);

  fs::FileSystem& files_;
  std::string store_;
  layout::Manifest manifest_;
  layout::StoreLock lock_;
  store::GenerationBuilder builder_;
  Logger logger_;
  std::vector<RowTables> tables_;  ///< four
  bool finished_ = false;
};

}  // namespace flatkv::transfer
