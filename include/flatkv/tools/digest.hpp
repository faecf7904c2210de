// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/tools/transfer.hpp"
#include "flatkv/view.hpp"

// Digests of states, which find where two states differ even if only files can be exchanged
// (docs/formats.md).
namespace FLATKV_API flatkv {

struct DigestOptions {
  std::optional<Database> database;  ///< this data database only; default all four
  RowRange range;  ///< of that database; the digest stores `prefix` as start and end
  /// Ranges with at most this many rows are not split. 0: the least power of two with which the
  /// digest of a database takes about 96 KiB; that depends on the rows alone.
  std::uint64_t leaf_rows = 0;
  std::uint32_t threads = 0;          ///< 0: one per core; at most 1024
  std::uint64_t rows_per_second = 0;  ///< 0: no limit
  std::stop_token stop;               ///< request to end with `cancelled`
  ProgressCallback progress{};        ///< counts rows scanned
};

/// Hashes of the key ranges of a state, from one scan of its rows: equal rows give equal digests,
/// whatever their history. A value type; copies share the trees.
class StateDigest {
 public:
  struct Part {
    Database database = Database::account;
    DatabaseStats claimed;  ///< what the store records; zero for a part of a database
    DatabaseStats found;    ///< what the scan counted
    Digest checksum{};      ///< of the lattice hash of the rows found
    std::uint64_t leaf_rows = 1;
    std::size_t nodes = 0;  ///< ranges, including those that contain others
    struct Tree;
    std::shared_ptr<const Tree> tree;
  };

  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
  Roots roots;              ///< as the store records them; the parts have what was found
  Bytes start;              ///< only keys from here on …
  Bytes end;                ///< … and before this; empty: no bound
  std::vector<Part> parts;  ///< all four databases, or the one asked for

  /// Whether a part's checksum and counts are what the store records. True for a part of a
  /// database, for which nothing is recorded.
  bool proven(const Part& part) const;
  bool is_whole() const noexcept { return start.empty() && end.empty(); }

  /// The bytes of the file format (docs/formats.md). Fails only with `out_of_memory`.
  Result<Bytes> encode() const;
  /// `corruption` with the offset for bytes that `encode` cannot have made; `format_too_new`.
  static Result<StateDigest> decode(ByteView bytes);
};

/// Scans a state. Memory: a few MB, whatever its size. Rows that differ from what the
/// store records are no error: see StateDigest::proven. Errors: those of reading, `cancelled`, and
/// `invalid_argument` for the metadata database, a range without a database, or a `leaf_rows` that
/// makes the digest larger than 16 MiB.
Result<StateDigest> digest_state(const ReadView& view, const DigestOptions& options = {});

/// Reads an encoded digest. `corruption` if it is larger than 64 MiB; otherwise as `decode`, and
/// errors of the source.
Result<StateDigest> read_digest(ByteSource& source);

/// A range in which two digests differ: keys at or above `start` and below `end` (empty: no bound),
/// and the number of rows that each side has there.
struct RangeDifference {
  Database database = Database::account;
  Bytes start;
  Bytes end;
  std::uint64_t rows_a = 0;
  std::uint64_t rows_b = 0;
  bool is_key = false;  ///< the range holds no key but `start`
};

/// The ranges in which two digests differ, as small as the digests tell, in order; none if all rows
/// are equal. `invalid_argument` for digests of different parts of a state. Does not compare
/// versions, roots and account_rows.
Result<std::vector<RangeDifference>> differing_ranges(const StateDigest& a, const StateDigest& b);

/// A key and what each side holds for it (nullopt: absent); borrowed for the call.
struct RowDifference {
  Database database = Database::account;
  ByteView key;
  std::optional<ByteView> a;
  std::optional<ByteView> b;
};

/// Walks the rows of both states within a range side by side and shows each key that differs to
/// `visit`, in order. Errors: what `visit` returns, those of reading, `cancelled`.
Status diff_rows(const ReadView& a, const ReadView& b, const RangeDifference& range,
                 const std::function<Status(const RowDifference&)>& visit,
                 std::stop_token stop = {});

}  // namespace flatkv
