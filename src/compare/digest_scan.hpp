// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compare/digest_builder.hpp"
#include "flatkv/tools/digest.hpp"
#include "scan/scan.hpp"

// From the rows of a database to its part of a digest, in two steps with a seam between: what is
// scanned apart is joined afterwards.
namespace flatkv::compare {

/// What a scan found: of a whole database, or of keys that lie side by side.
struct ScannedRows {
  Tally tally;
  std::uint64_t leaf_rows = 1;  ///< of all runs
  std::vector<Run> runs;        ///< in key order
};

/// Scans the rows within the bounds of `options`. `leaf_rows` as in DigestOptions.
Result<ScannedRows> scan_for_digest(const ReadView& view, Database database,
                                    std::uint64_t leaf_rows, scan::ScanOptions options);

/// Joins the rows of neighbours, given in key order, as far as the rows beside them are not needed:
/// one run, or none.
void join_runs(ScannedRows& rows);

/// Makes all rows that the digest covers, given in key order, its part.
Status make_part(std::vector<ScannedRows> rows, std::uint64_t leaf_rows, StateDigest::Part& part);

}  // namespace flatkv::compare
