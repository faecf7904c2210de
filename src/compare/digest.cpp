// SPDX-License-Identifier: Apache-2.0
// Makes the digest of a state from one scan.
#include "flatkv/tools/digest.hpp"

#include <algorithm>

#include "base/guard.hpp"
#include "base/internals.hpp"
#include "compare/digest_builder.hpp"
#include "compare/digest_part.hpp"
#include "layout/generation.hpp"
#include "read/read_view.hpp"
#include "recovery/recovery_analysis.hpp"
#include "scan/scan.hpp"
#include "state/check_options.hpp"

namespace flatkv {
namespace {

using compare::Fineness;
using compare::Joiner;
using compare::Run;
using compare::Tally;

constexpr std::size_t kBudget = 96U << 10;
constexpr std::size_t kMostBytes = 16U << 20;

/// The digest of one database while it is scanned.
class DatabaseDigest {
 public:
  DatabaseDigest(unsigned threads, std::uint64_t leaf_rows)
      : fineness_{leaf_rows == 0 ? 1 : leaf_rows, leaf_rows == 0 ? kBudget : 0}, tallies_(threads) {
    for (unsigned thread = 0; thread < threads; ++thread) joiners_.emplace_back(fineness_, true);
  }

  void range_begins(unsigned thread) { joiners_[thread].end_run(); }

  Status add(unsigned thread, std::span<const lthash::RowChange> rows) {
    Joiner& joiner = joiners_[thread];
    const std::size_t before = joiner.cost();
    joiner.add(rows, tallies_[thread]);
    if (fineness_.budget != 0) return {};
    held_ += joiner.cost() - before;
    return held_ > kMostBytes ? too_fine() : Status{};
  }

  /// Merges the results of the threads.
  Status finish(StateDigest::Part& part) {
    Tally tally;
    for (const Tally& one : tallies_) tally += one;
    part.found = {tally.rows, tally.key_bytes, tally.value_bytes};
    auto whole = join();
    LtHash hash;
    compare::Nodes nodes;
    if (!whole.subtrees.empty()) {
      hash = *whole.subtrees.front().sum - tally.empties;
      nodes = std::move(whole.subtrees.front().nodes);
    }
    if (fineness_.budget != 0) {
      fineness_.leaf_rows = compare::fit(nodes, fineness_.leaf_rows, fineness_.budget);
    } else if (compare::cost(nodes) > kMostBytes) {
      return too_fine();
    }
    part.checksum = hash.checksum();
    part.leaf_rows = fineness_.leaf_rows;
    part.nodes = nodes.size();
    part.tree = std::make_shared<const StateDigest::Part::Tree>(std::move(nodes));
    return {};
  }

 private:
  Run join() {
    for (const Joiner& joiner : joiners_) {
      fineness_.leaf_rows = std::max(fineness_.leaf_rows, joiner.leaf_rows());
    }
    std::vector<Run> runs;
    for (Joiner& joiner : joiners_) {
      joiner.end_run();
      joiner.raise(fineness_.leaf_rows);
      std::ranges::move(joiner.take(), std::back_inserter(runs));
    }
    std::ranges::sort(runs, [](const Run& a, const Run& b) {
      return compare_bytes(a.subtrees.front().key, b.subtrees.front().key) < 0;
    });
    Joiner all({fineness_.leaf_rows, 0}, false);
    for (Run& run : runs) all.add(std::move(run));
    auto whole = all.take();
    return whole.empty() ? Run{} : std::move(whole.front());
  }

  Status too_fine() const {
    return fail(ErrorCode::invalid_argument,
                "ranges of at most " + std::to_string(fineness_.leaf_rows) +
                    " rows make a digest of more than 16 MiB: ask for larger ones, or for a part "
                    "of the database");
  }

  Fineness fineness_;
  std::vector<Joiner> joiners_;
  std::vector<Tally> tallies_;
  std::atomic<std::size_t> held_ = 0;
};

Status check(const DigestOptions& options) {
  FLATKV_TRY(state::check_options(options));
  if (options.database == Database::metadata) {
    return fail(ErrorCode::invalid_argument, "the metadata database has no rows");
  }
  const RowRange& range = options.range;
  if (!options.database && !(range.prefix.empty() && range.start.empty() && range.end.empty())) {
    return fail(ErrorCode::invalid_argument, "a range of keys needs the name of its database");
  }
  return {};
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
    scan::ScanOptions scan_options;
    scan_options.bounds = read::bounds_of(options.range);
    digest.start = scan_options.bounds.lower.value_or(Bytes{});
    digest.end = scan_options.bounds.upper.value_or(Bytes{});
    scan_options.threads = options.threads;
    scan_options.rows_per_second = options.rows_per_second;
    scan_options.stop = options.stop;
    std::uint64_t total = 0;
    std::uint64_t before = 0;
    for (const Database database : kDataDatabases) {
      if (!options.database || *options.database == database) total += view.stats(database).rows;
    }
    for (const Database database : kDataDatabases) {
      if (options.database && *options.database != database) continue;
      if (options.progress) {
        scan_options.progress = [&](std::uint64_t rows) {
          options.progress("digest", before + rows, total);
        };
      }
      DatabaseDigest building(scan::thread_count(scan_options), options.leaf_rows);
      scan_options.range_begins = [&](unsigned thread) { building.range_begins(thread); };
      StateDigest::Part part;
      part.database = database;
      if (digest.is_whole()) part.claimed = view.stats(database);
      Status scanned = scan::scan_batches(
          [&](const rocks::Bounds& bounds) {
            return state::rows_of(Internals::impl(view).state, database, bounds);
          },
          scan_options,
          [&](unsigned thread, std::span<const lthash::RowChange> rows) {
            return building.add(thread, rows);
          });
      if (scanned) scanned = building.finish(part);
      if (!scanned) {
        Error error = std::move(scanned).error();
        error.database = database;
        return std::unexpected(std::move(error));
      }
      before += part.found.rows;
      digest.parts.push_back(std::move(part));
    }
    return digest;
  });
}

bool StateDigest::proven(const Part& part) const {
  if (!is_whole()) return true;
  return part.claimed == part.found && part.checksum == roots.of(part.database);
}

}  // namespace flatkv
