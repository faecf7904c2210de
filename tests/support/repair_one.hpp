// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <utility>

#include "flatkv/tools/repair.hpp"

namespace flatkv::test {

/// `repair_databases` with one database.
inline Result<RepairReport> repair_one(const std::string& store, Database database,
                                       const RepairOptions& options = {}) {
  auto reports = repair_databases(store, std::array{database}, options);
  if (!reports) return std::unexpected(std::move(reports).error());
  return std::move(reports->front());
}

/// `options` with the stream in `file`.
inline RepairOptions with_file(RepairOptions options, std::string file) {
  options.stream_file = std::move(file);
  return options;
}

}  // namespace flatkv::test
