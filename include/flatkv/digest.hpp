#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/transfer.hpp"
#include "flatkv/view.hpp"

// Where two states differ, also for nodes that can only exchange files (docs/formats.md).
namespace flatkv {

struct DigestOptions {
  std::optional<Database> database;  ///< one of the four only
  RowRange range;                    ///< of that database; `prefix` ends up in start and end
  /// Ranges with at most so many rows are not split. 0: the least power of two with which the
  /// digest of a database takes about 96 KiB, which follows from its rows alone.
  std::uint64_t leaf_rows = 0;
  std::uint32_t threads = 0;          ///< 0: one per core; at most 1024
  std::uint64_t rows_per_second = 0;  ///< 0: no limit
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(std::uint64_t rows, std::uint64_t total)> progress;
};

/// Hashes of the key ranges of a state, from one scan of its rows: equal rows give equal digests,
/// however and wherever they came to be. A value type; copies share what is large.
class StateDigest {
 public:
  struct Part {
    Database database = Database::account;
    DatabaseStats claimed;  ///< what the store says of its rows; zero for a part of a database
    DatabaseStats found;    ///< what the scan counted
    Digest checksum{};      ///< of the lattice hash of the rows found
    std::uint64_t leaf_rows = 1;
    std::size_t nodes = 0;  ///< ranges, those that are parts of others counted too
    struct Tree;
    std::shared_ptr<const Tree> tree;
  };

  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
  Roots roots;              ///< as the store says; what was found stands in the parts
  Bytes start;              ///< only keys from here on …
  Bytes end;                ///< … and before this; empty ones do not limit
  std::vector<Part> parts;  ///< all four databases, or the one asked for

  /// Whether a part's rows are what the store says of them: checksum and counts. True for a part
  /// of a database, of which nothing is said.
  bool proven(const Part& part) const;
  bool is_whole() const noexcept { return start.empty() && end.empty(); }

  Bytes encode() const;
  /// `corruption` with the offset for anything that `encode` cannot have made, `format_too_new`.
  static Result<StateDigest> decode(ByteView bytes);
};

/// Scans a state on all cores. Memory: some MB, whatever its size. Rows that are not what the store
/// says of them are no error: see StateDigest::proven. Errors: those of reading, `cancelled`, and
/// `invalid_argument` for the metadata database, a range without a database, or a `leaf_rows` that
/// gives more than 16 MiB.
Result<StateDigest> digest_state(const ReadView& view, AccountRows account_rows,
                                 const DigestOptions& options = {});

/// A digest as it was written. More than 64 MiB is `corruption`.
Result<StateDigest> read_digest(ByteSource& source);

/// A range in which two digests differ: keys from `start` on and before `end`, which is empty where
/// nothing limits it, and the rows that either side has there.
struct RangeDifference {
  Database database = Database::account;
  Bytes start;
  Bytes end;
  std::uint64_t rows_a = 0;
  std::uint64_t rows_b = 0;
  bool is_key = false;  ///< no other key than `start` lies within
};

/// The ranges in which they differ, as small as the two tell, in order; none: all rows are equal.
/// `invalid_argument` for digests of different parts of a state. Version, roots and account_rows
/// are not compared.
Result<std::vector<RangeDifference>> differing_ranges(const StateDigest& a, const StateDigest& b);

/// A key with what either side holds for it; borrowed for the call.
struct RowDifference {
  Database database = Database::account;
  ByteView key;
  std::optional<ByteView> a;
  std::optional<ByteView> b;
};

/// Walks the rows of both states within a range side by side and shows each key that differs, in
/// order. Stops with what `visit` returns, errors of reading, or `cancelled`.
Status diff_rows(const ReadView& a, const ReadView& b, const RangeDifference& range,
                 const std::function<Status(const RowDifference&)>& visit,
                 const std::atomic<bool>* cancel = nullptr);

}  // namespace flatkv
