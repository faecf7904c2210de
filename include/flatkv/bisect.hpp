#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/digest.hpp"
#include "flatkv/export.hpp"
#include "flatkv/inspect.hpp"

// The block at which two nodes part, and what is different there. Works beside writers.
namespace FLATKV_API flatkv {

struct BisectOptions {
  const std::atomic<bool>* cancel = nullptr;  ///< looked at between records and while rows are read
  std::function<void(std::uint64_t blocks, std::uint64_t total)> progress;
};

/// Two logs side by side, by their roots lines. (Chain digests differ between stores from the
/// start, and roots can meet again: only reading in order finds the first difference.)
struct Parting {
  struct Side {
    AccountRows account_rows = AccountRows::keep;
    std::int64_t initial_version = 1;
    LogReader::Range log;
  };
  std::array<Side, 2> sides;
  std::int64_t first = 0;  ///< oldest version whose lines were compared
  std::int64_t last = 0;   ///< newest: where they part, or the last that both have

  bool parted = false;
  /// They differ at `first` already, and that does not follow on equal states: the parting is there
  /// or older than what both keep.
  bool older = false;
  std::array<Roots, 2> roots{};  ///< of `last`
  /// Whether both blocks `last` have the same writes; nothing where one is not in its log.
  std::optional<bool> same_block;

  /// Those whose checksums differ at `last`.
  std::vector<Database> databases() const;
};

/// Headers only. `version_mismatch` where the logs have no version in common, otherwise as
/// LogReader::open.
Result<Parting> find_parting(const std::string& a, const std::string& b,
                             const BisectOptions& options = {});

/// Shows every key that differs at one version, in order within each of `databases`, with both
/// values. First looks at those that the block writes on either side; where they do not account for
/// the difference of the hashes, at all rows. `a` and `b` are `store_a` and `store_b` at `version`.
/// Errors: those of reading, `cancelled`, and what `visit` returns.
Status parted_rows(const ReadOnlyStore& a, const std::string& store_a, const ReadOnlyStore& b,
                   const std::string& store_b, const std::vector<Database>& databases,
                   const std::function<Status(const RowDifference&)>& visit,
                   const BisectOptions& options = {});

}  // namespace flatkv
