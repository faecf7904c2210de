// SPDX-License-Identifier: Apache-2.0
// Scans one part of a state.
#include "compare/part_scan.hpp"

#include <algorithm>
#include <limits>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/guard.hpp"
#include "base/internals.hpp"
#include "compare/digest_scan.hpp"
#include "compare/each_database.hpp"
#include "read/read_view.hpp"
#include "state/check_options.hpp"

namespace flatkv {
namespace compare {
namespace {

/// The eight bytes of a key from `at` on, as a number; zeros follow its end.
std::uint64_t number_at(ByteView key, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = at; i < at + sizeof number; ++i) {
    number = number << 8 | (i < key.size() ? key[i] : 0U);
  }
  return number;
}

PartScan begin(const ReadView& view, PartOf which, bool for_digest, std::uint64_t leaf_rows) {
  return {.which = which,
          .version = view.version(),
          .account_rows = view.account_rows(),
          .roots = view.roots(),
          .leaf_rows = leaf_rows,
          .for_digest = for_digest,
          .databases = {}};
}

/// Where the part lies in a database.
Status place(const ReadView& view, PartOf of, Database database, PartScan::Part& part) {
  part.database = database;
  part.claimed = view.stats(database);
  FLATKV_ASSIGN(RowIterator row, view.iterate(database));
  Bytes first;
  Bytes last;
  if (row.valid()) first = to_bytes(row.key());
  FLATKV_TRY(row.status());
  row.seek_to_last();
  if (row.valid()) last = to_bytes(row.key());
  FLATKV_TRY(row.status());
  if (of.index > 1) part.start = cut(first, last, of.index - 1, of.of);
  if (of.index < of.of) part.end = cut(first, last, of.index, of.of);
  return {};
}

rocks::Bounds bounds_of(const PartScan::Part& part) {
  return read::bounds_of({.prefix = {}, .start = part.start, .end = part.end});
}

/// Nothing where the part holds no key.
Result<ScannedRows> scan_ranges(const ReadView& view, const PartScan::Part& part,
                                std::uint64_t leaf_rows, scan::ScanOptions options) {
  options.bounds = bounds_of(part);
  FLATKV_ASSIGN(auto rows, scan_for_digest(view, part.database, leaf_rows, std::move(options)));
  join_runs(rows);
  return rows;
}

}  // namespace

Status check_part(PartOf part) {
  if (part.index >= 1 && part.index <= part.of && part.of <= kMostParts) return {};
  return fail(ErrorCode::invalid_argument,
              "there is no part " + std::to_string(part.index) + " of " + std::to_string(part.of) +
                  ": they are counted from 1, to at most " + std::to_string(kMostParts));
}

Bytes cut(ByteView first, ByteView last, std::uint32_t index, std::uint32_t of) {
  const auto parted = std::ranges::mismatch(first, last);
  const auto same = static_cast<std::size_t>(parted.in1 - first.begin());
  const std::uint64_t low = number_at(first, same);
  const std::uint64_t high = first.empty() && last.empty()
                                 ? std::numeric_limits<std::uint64_t>::max()
                                 : number_at(last, same);
  const std::uint64_t span = high - low;
  const std::uint64_t step = span / of * index + span % of * index / of;
  std::array<std::uint8_t, sizeof low> digits{};
  store_be(digits.data(), low + step);
  Bytes key = to_bytes(first.first(same));
  append(key, digits);
  return key;
}

LtHash hash_of(const PartScan::Part::Ranges& ranges) {
  LtHash hash;
  if (ranges.run) {
    for (const Subtree& subtree : ranges.run->subtrees) hash += *subtree.sum;
  }
  return hash - ranges.empties;
}

}  // namespace compare

bool PartScan::complete() const noexcept {
  return std::ranges::none_of(databases, [](const Part& part) { return part.error.has_value(); });
}

Result<PartScan> digest_part(const ReadView& view, PartOf of, const DigestOptions& options) {
  return guarded([&]() -> Result<PartScan> {
    FLATKV_TRY(compare::check_part(of));
    FLATKV_TRY(state::check_options(options));
    const RowRange& range = options.range;
    if (!(range.prefix.empty() && range.start.empty() && range.end.empty())) {
      return fail(ErrorCode::invalid_argument, "a part has its own range of keys");
    }
    PartScan scan = compare::begin(view, of, true, options.leaf_rows);
    Status done = compare::each_database(
        view, options.database, of.of, options, "digest",
        [&](Database database, scan::ScanOptions scan_options) -> Result<std::uint64_t> {
          PartScan::Part part;
          FLATKV_TRY(compare::place(view, of, database, part));
          FLATKV_ASSIGN(auto rows, compare::scan_ranges(view, part, options.leaf_rows,
                                                        std::move(scan_options)));
          const compare::Tally& tally = rows.tally;
          part.found = {tally.rows, tally.key_bytes, tally.value_bytes};
          auto ranges = std::make_shared<PartScan::Part::Ranges>();
          ranges->empties = tally.empties;
          ranges->leaf_rows = rows.leaf_rows;
          if (!rows.runs.empty()) ranges->run = std::move(rows.runs.front());
          part.hash = compare::hash_of(*ranges);
          part.ranges = std::move(ranges);
          scan.databases.push_back(std::move(part));
          return tally.rows;
        });
    if (!done) return std::unexpected(std::move(done).error());
    return scan;
  });
}

Result<PartScan> verify_part(const ReadView& view, PartOf of, const VerifyOptions& options) {
  return guarded([&]() -> Result<PartScan> {
    FLATKV_TRY(compare::check_part(of));
    FLATKV_TRY(state::check_options(options));
    PartScan scan = compare::begin(view, of, false, 0);
    Status done = compare::each_database(
        view, options.database, of.of, options, "verify",
        [&](Database database, scan::ScanOptions scan_options) -> Result<std::uint64_t> {
          PartScan::Part part;
          const auto& state = Internals::impl(view).state;
          const auto read = [&]() -> Result<scan::ScanResult> {
            FLATKV_TRY(compare::place(view, of, database, part));
            scan_options.bounds = compare::bounds_of(part);
            return scan::scan_rows(state::cursors_of(state, database), scan_options);
          };
          auto found = read();
          if (found) {
            part.found = found->stats;
            part.hash = found->hash;
          } else if (found.error().code == ErrorCode::cancelled) {
            return std::unexpected(std::move(found).error());
          } else {
            part.hash = view.hash(database);
            part.error = std::move(found).error();
            part.error->database = database;
          }
          scan.databases.push_back(std::move(part));
          return scan.databases.back().found.rows;
        });
    if (!done) return std::unexpected(std::move(done).error());
    return scan;
  });
}

}  // namespace flatkv
