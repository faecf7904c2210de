// SPDX-License-Identifier: Apache-2.0
// Merges the scans of all parts of a state.
#include <algorithm>

#include "base/bytes.hpp"
#include "base/guard.hpp"
#include "compare/digest_scan.hpp"
#include "compare/part_scan.hpp"

namespace flatkv {
namespace {

using Ordered = std::vector<const PartScan*>;

std::string name_of(const PartScan& scan) { return "part " + std::to_string(scan.which.index); }

/// "3, 7 to 9": of ascending numbers.
std::string list(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += std::to_string(numbers[i]);
    if (last != i) text += " to " + std::to_string(numbers[last]);
    i = last;
  }
  return text;
}

/// Each part once.
Result<Ordered> in_order(std::span<const PartScan> parts) {
  if (parts.empty()) return fail(ErrorCode::invalid_argument, "there are no parts to merge");
  const std::uint32_t of = parts.front().which.of;
  Ordered ordered;
  for (const PartScan& scan : parts) {
    FLATKV_TRY(compare::check_part(scan.which));
    if (scan.which.of != of) {
      return fail(ErrorCode::invalid_argument, "parts of " + std::to_string(of) + " and of " +
                                                   std::to_string(scan.which.of) +
                                                   " do not belong together");
    }
    ordered.push_back(&scan);
  }
  std::ranges::sort(ordered, {}, [](const PartScan* scan) { return scan->which.index; });
  std::vector<std::uint32_t> missing;
  std::vector<std::uint32_t> doubled;
  std::uint32_t next = 1;
  for (const PartScan* scan : ordered) {
    const std::uint32_t index = scan->which.index;
    for (; next < index; ++next) missing.push_back(next);
    if (index < next && (doubled.empty() || doubled.back() != index)) doubled.push_back(index);
    next = index + 1;
  }
  for (; next <= of; ++next) missing.push_back(next);
  if (missing.empty() && doubled.empty()) return ordered;
  std::string message = "of " + std::to_string(of) + " parts";
  if (!missing.empty()) message += ", missing: " + list(missing);
  if (!doubled.empty()) message += ", more than once: " + list(doubled);
  return fail(ErrorCode::invalid_argument, message);
}

/// Whether two parts are of one state.
Status check_same(const PartScan& first, const PartScan& other) {
  const std::string both = name_of(first) + " and " + name_of(other);
  if (first.version != other.version) {
    return fail(ErrorCode::version_mismatch, both + " are of versions " +
                                                 std::to_string(first.version) + " and " +
                                                 std::to_string(other.version));
  }
  if (first.roots != other.roots || first.account_rows != other.account_rows) {
    return fail(ErrorCode::foreign_store, both + " are of different states: roots " +
                                              to_hex(first.roots.root) + " and " +
                                              to_hex(other.roots.root))
        .version(first.version);
  }
  const auto same_database = [](const PartScan::Part& a, const PartScan::Part& b) {
    return a.database == b.database;
  };
  if (!std::ranges::equal(first.databases, other.databases, same_database)) {
    return fail(ErrorCode::invalid_argument, both + " are of different databases");
  }
  for (std::size_t i = 0; i < first.databases.size(); ++i) {
    if (first.databases[i].claimed == other.databases[i].claimed) continue;
    return fail(ErrorCode::foreign_store, both + " are of stores that count their rows differently")
        .database(first.databases[i].database)
        .version(first.version);
  }
  return {};
}

/// Whether each part begins where the one before it ends, in every database that both could read.
Status check_cuts(const Ordered& parts) {
  for (std::size_t i = 1; i < parts.size(); ++i) {
    for (std::size_t at = 0; at < parts[i]->databases.size(); ++at) {
      const PartScan::Part& before = parts[i - 1]->databases[at];
      const PartScan::Part& after = parts[i]->databases[at];
      if (before.error || after.error || before.end == after.start) continue;
      return fail(ErrorCode::foreign_store,
                  name_of(*parts[i - 1]) + " ends at key " + to_hex(before.end) + " and " +
                      name_of(*parts[i]) + " begins at " + to_hex(after.start) +
                      ": the first or the last row is not the same in both stores")
          .database(after.database)
          .version(parts[i]->version);
    }
  }
  return {};
}

Result<Ordered> check_together(std::span<const PartScan> parts) {
  FLATKV_ASSIGN(Ordered ordered, in_order(parts));
  for (const PartScan* scan : ordered) FLATKV_TRY(check_same(*ordered.front(), *scan));
  FLATKV_TRY(check_cuts(ordered));
  return ordered;
}

DatabaseStats sum(const DatabaseStats& a, const DatabaseStats& b) {
  return {a.rows + b.rows, a.key_bytes + b.key_bytes, a.value_bytes + b.value_bytes};
}

compare::ScannedRows rows_of(const PartScan::Part& part) {
  compare::ScannedRows rows;
  rows.tally = {part.found.rows, part.found.key_bytes, part.found.value_bytes,
                part.ranges->empties};
  rows.leaf_rows = part.ranges->leaf_rows;
  if (part.ranges->run) rows.runs.push_back(compare::copy_of(*part.ranges->run));
  return rows;
}

}  // namespace

Result<StateDigest> merge_digest(std::span<const PartScan> parts) {
  return guarded([&]() -> Result<StateDigest> {
    FLATKV_ASSIGN(const Ordered ordered, check_together(parts));
    const PartScan& first = *ordered.front();
    for (const PartScan* scan : ordered) {
      const bool ranges = std::ranges::all_of(
          scan->databases, [](const PartScan::Part& part) { return part.ranges != nullptr; });
      if (!scan->for_digest || !ranges) {
        return fail(ErrorCode::invalid_argument,
                    name_of(*scan) + " was scanned to verify, without ranges of keys");
      }
      if (scan->leaf_rows == first.leaf_rows) continue;
      return fail(ErrorCode::invalid_argument, name_of(first) + " and " + name_of(*scan) +
                                                   " were scanned for ranges of different sizes");
    }
    StateDigest digest{.version = first.version,
                       .account_rows = first.account_rows,
                       .roots = first.roots,
                       .start = {},
                       .end = {},
                       .parts = {}};
    for (std::size_t at = 0; at < first.databases.size(); ++at) {
      std::vector<compare::ScannedRows> rows;
      for (const PartScan* scan : ordered) rows.push_back(rows_of(scan->databases[at]));
      StateDigest::Part part;
      part.database = first.databases[at].database;
      part.claimed = first.databases[at].claimed;
      FLATKV_TRY(compare::make_part(std::move(rows), first.leaf_rows, part));
      digest.parts.push_back(std::move(part));
    }
    // Parts that were read from files may contradict each other: then this is no digest.
    FLATKV_ASSIGN(const Bytes bytes, digest.encode());
    auto decoded = StateDigest::decode(bytes);
    if (!decoded && decoded.error().code != ErrorCode::out_of_memory) {
      return fail(ErrorCode::corruption, "the parts do not fit together").version(first.version);
    }
    FLATKV_TRY(std::move(decoded));
    return digest;
  });
}

Result<VerifyReport> merge_verify(std::span<const PartScan> parts) {
  return guarded([&]() -> Result<VerifyReport> {
    FLATKV_ASSIGN(const Ordered ordered, check_together(parts));
    const PartScan& first = *ordered.front();
    VerifyReport report;
    report.version = first.version;
    report.roots = first.roots;
    LtHash all;
    for (std::size_t at = 0; at < first.databases.size(); ++at) {
      DatabaseVerdict verdict;
      verdict.database = first.databases[at].database;
      verdict.expected = report.roots.of(verdict.database);
      verdict.expected_stats = first.databases[at].claimed;
      LtHash hash;
      for (const PartScan* scan : ordered) {
        const PartScan::Part& part = scan->databases[at];
        if (part.error) {
          verdict.error = part.error;
          hash = part.hash;
          break;
        }
        hash += part.hash;
        verdict.found_stats = sum(verdict.found_stats, part.found);
      }
      if (verdict.error) {
        verdict.found_stats = {};
      } else {
        verdict.found = hash.checksum();
      }
      all += hash;
      report.databases.push_back(std::move(verdict));
    }
    if (first.databases.size() == kDataDatabases.size()) {
      report.sum_good = all.checksum() == report.roots.root;
    }
    return report;
  });
}

}  // namespace flatkv
