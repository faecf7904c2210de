// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flatkv/tools/report.hpp"
#include "flatkv/verify.hpp"

namespace flatkv::cli {

/// What is on the page of `flatkv report`.
struct ReportFacts {
  std::string store;  ///< path
  std::string made;   ///< UTC, ISO 8601
  StoreInfo info;
  std::int64_t version = 0;  ///< of what follows
  Roots roots;
  std::vector<TableInfo> tables;
  std::optional<Contracts> contracts;  ///< unset: not counted
  std::optional<VerifyReport> verified;
  std::vector<LogRecord> blocks;  ///< of the log, the newest last
  /// When files of the store were last written, in seconds since 1970: segments of the log and
  /// snapshots.
  struct Written {
    std::int64_t version = 0;
    std::int64_t time = 0;
  };
  std::vector<Written> times;  ///< ascending in both
};

/// One page, with its style and pictures in it: it loads nothing.
std::string report_page(const ReportFacts& facts);

}  // namespace flatkv::cli
