// SPDX-License-Identifier: Apache-2.0
// Makes the digest of a state from one scan.
#include "flatkv/tools/digest.hpp"

#include <string>

#include "base/guard.hpp"
#include "codec/keys.hpp"
#include "compare/digest_scan.hpp"
#include "compare/each_database.hpp"
#include "read/read_view.hpp"
#include "state/check_options.hpp"

namespace flatkv {
namespace {

Status check(const DigestOptions& options) {
  FLATKV_TRY(state::check_options(options));
  if (options.database) FLATKV_TRY(read::check_data_database(*options.database));
  const RowRange& range = options.range;
  if (!options.database && !(range.prefix.empty() && range.start.empty() && range.end.empty())) {
    return fail(ErrorCode::invalid_argument, "a range of keys needs the name of its database");
  }
  return {};
}

/// As the file format has it: the end of a range that holds the longest key.
Status check_bound(const Bytes& key) {
  constexpr std::size_t kMost = codec::kMaxKeyBytes + 1;
  if (key.size() <= kMost) return {};
  return fail(ErrorCode::invalid_argument, "the bound of a range has " +
                                               std::to_string(key.size()) + " bytes, limit " +
                                               std::to_string(kMost));
}

}  // namespace

Result<StateDigest> digest_state(const ReadView& view, const DigestOptions& options) {
  return guarded([&]() -> Result<StateDigest> {
    FLATKV_TRY(check(options));
    StateDigest digest{.version = view.version(),
                       .account_rows = view.account_rows(),
                       .roots = view.roots(),
                       .start = {},
                       .end = {},
                       .parts = {}};
    const rocks::Bounds bounds = read::bounds_of(options.range);
    digest.start = bounds.lower.value_or(Bytes{});
    digest.end = bounds.upper.value_or(Bytes{});
    FLATKV_TRY(check_bound(digest.start));
    FLATKV_TRY(check_bound(digest.end));
    Status done = compare::each_database(
        view, options.database, 1, options, "digest",
        [&](Database database, scan::ScanOptions scan_options) -> Result<std::uint64_t> {
          scan_options.bounds = bounds;
          StateDigest::Part part;
          part.database = database;
          if (digest.is_whole()) part.claimed = view.stats(database);
          FLATKV_ASSIGN(auto rows, compare::scan_for_digest(view, database, options.leaf_rows,
                                                            std::move(scan_options)));
          std::vector<compare::ScannedRows> all;
          all.push_back(std::move(rows));
          FLATKV_TRY(compare::make_part(std::move(all), options.leaf_rows, part));
          digest.parts.push_back(std::move(part));
          return digest.parts.back().found.rows;
        });
    if (!done) return std::unexpected(std::move(done).error());
    return digest;
  });
}

bool StateDigest::proven(const Part& part) const {
  if (!is_whole()) return true;
  return part.claimed == part.found && part.checksum == roots.of(part.database);
}

}  // namespace flatkv
