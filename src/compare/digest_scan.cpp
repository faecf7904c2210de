// SPDX-License-Identifier: Apache-2.0
#include "compare/digest_scan.hpp"

#include <algorithm>
#include <iterator>

#include "base/internals.hpp"
#include "compare/digest_part.hpp"
#include "read/read_view.hpp"

namespace flatkv::compare {
namespace {

constexpr std::size_t kBudget = 96U << 10;
constexpr std::size_t kMostBytes = 16U << 20;

Fineness fineness_of(std::uint64_t leaf_rows) {
  if (leaf_rows == 0) return {1, kBudget};
  return {leaf_rows, 0};
}

Status too_fine(std::uint64_t leaf_rows) {
  return fail(ErrorCode::invalid_argument,
              "ranges of at most " + std::to_string(leaf_rows) +
                  " rows make a digest of more than 16 MiB: ask for larger ones, or for a part "
                  "of the database");
}

/// The rows of one database while they are scanned.
class RowScan {
 public:
  RowScan(unsigned threads, std::uint64_t leaf_rows)
      : fineness_(fineness_of(leaf_rows)), tallies_(threads) {
    for (unsigned thread = 0; thread < threads; ++thread) joiners_.emplace_back(fineness_, true);
  }

  void range_begins(unsigned thread) { joiners_[thread].end_run(); }

  Status add(unsigned thread, std::span<const lthash::RowChange> rows) {
    Joiner& joiner = joiners_[thread];
    const std::size_t before = joiner.cost();
    joiner.add(rows, tallies_[thread]);
    if (fineness_.budget != 0) return {};
    held_ += joiner.cost() - before;
    return held_ > kMostBytes ? too_fine(fineness_.leaf_rows) : Status{};
  }

  /// The results of the threads.
  ScannedRows take() {
    ScannedRows rows{{}, fineness_.leaf_rows, {}};
    for (const Tally& one : tallies_) rows.tally += one;
    for (const Joiner& joiner : joiners_) {
      rows.leaf_rows = std::max(rows.leaf_rows, joiner.leaf_rows());
    }
    for (Joiner& joiner : joiners_) {
      joiner.end_run();
      joiner.raise(rows.leaf_rows);
      std::ranges::move(joiner.take(), std::back_inserter(rows.runs));
    }
    std::ranges::sort(rows.runs, [](const Run& a, const Run& b) {
      return compare_bytes(a.subtrees.front().key, b.subtrees.front().key) < 0;
    });
    return rows;
  }

 private:
  Fineness fineness_;
  std::vector<Joiner> joiners_;
  std::vector<Tally> tallies_;
  std::atomic<std::size_t> held_ = 0;
};

}  // namespace

Result<ScannedRows> scan_for_digest(const ReadView& view, Database database,
                                    std::uint64_t leaf_rows, scan::ScanOptions options) {
  RowScan rows(scan::thread_count(options), leaf_rows);
  options.range_begins = [&](unsigned thread) { rows.range_begins(thread); };
  Status scanned =
      scan::scan_batches(state::cursors_of(Internals::impl(view).state, database), options,
                         [&](unsigned thread, std::span<const lthash::RowChange> batch) {
                           return rows.add(thread, batch);
                         });
  if (!scanned) return std::unexpected(std::move(scanned).error());
  return rows.take();
}

void join_runs(ScannedRows& rows) {
  Joiner all({rows.leaf_rows, 0}, true);
  for (Run& run : rows.runs) all.add(std::move(run));
  rows.runs = all.take();
}

Status make_part(std::vector<ScannedRows> rows, std::uint64_t leaf_rows, StateDigest::Part& part) {
  Fineness fineness = fineness_of(leaf_rows);
  Tally tally;
  for (const ScannedRows& one : rows) {
    fineness.leaf_rows = std::max(fineness.leaf_rows, one.leaf_rows);
    tally += one.tally;
  }
  part.found = {tally.rows, tally.key_bytes, tally.value_bytes};
  Joiner all({fineness.leaf_rows, 0}, false);
  for (ScannedRows& one : rows) {
    for (Run& run : one.runs) {
      raise(run, fineness.leaf_rows);
      all.add(std::move(run));
    }
  }
  LtHash hash;
  Nodes nodes;
  if (auto whole = all.take(); !whole.empty()) {
    Subtree& root = whole.front().subtrees.front();
    hash = *root.sum - tally.empties;
    nodes = std::move(root.nodes);
  }
  if (fineness.budget != 0) {
    fineness.leaf_rows = fit(nodes, fineness.leaf_rows, fineness.budget);
  } else if (cost(nodes) > kMostBytes) {
    return too_fine(fineness.leaf_rows);
  }
  part.checksum = hash.checksum();
  part.leaf_rows = fineness.leaf_rows;
  part.nodes = nodes.size();
  part.tree = std::make_shared<const StateDigest::Part::Tree>(std::move(nodes));
  return {};
}

}  // namespace flatkv::compare
