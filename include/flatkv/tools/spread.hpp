// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/transfer.hpp"
#include "flatkv/verify.hpp"
#include "flatkv/view.hpp"

// A full scan spread over processes or machines: each of n scans a part of the keys of one state,
// on a clone or a replica of its own, and whoever has the n results merges them to what one process
// would have found (docs/formats.md).
namespace FLATKV_API flatkv {

/// Part `index` of `of`, counted from 1; at most 65 536 of them. In each database the keys are cut
/// in equal steps between its first and its last key, so the parts follow from the rows alone, and
/// replicas agree on them. They have equally many rows where keys are spread evenly.
struct PartOf {
  std::uint32_t index = 1;
  std::uint32_t of = 1;
  bool operator==(const PartOf&) const = default;
};

/// What one process found in its part of a state: the lattice hash of the rows, their counts and,
/// for a digest, what joins their ranges to those of the other parts. A value type; copies share
/// the ranges.
class PartScan {
 public:
  struct Part {
    Database database = Database::account;
    Bytes start;            ///< only keys from here on …
    Bytes end;              ///< … and before this; empty: no bound
    DatabaseStats claimed;  ///< of the whole database, as the store records them
    DatabaseStats found;    ///< in this part of it
    /// Of the rows found. Where they could not be read, the hash of the whole database that the
    /// store has.
    LtHash hash;
    std::optional<Error> error;  ///< why the rows could not be read; only in a scan for `verify`
    struct Ranges;
    std::shared_ptr<const Ranges> ranges;  ///< of a scan for a digest; else null
  };

  PartOf which;
  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
  Roots roots;                  ///< as the store records them
  std::uint64_t leaf_rows = 0;  ///< as DigestOptions
  bool for_digest = false;      ///< made by digest_part; such a scan can be merged to both
  std::vector<Part> databases;  ///< all four, or the one asked for

  /// Whether every row of the part could be read. What the rows should have been only all parts
  /// together can tell.
  bool complete() const noexcept;

  /// The bytes of the file format (docs/formats.md). `unsupported` for more than 256 MiB, which
  /// takes legacy keys of many kilobytes that begin each other.
  Result<Bytes> encode() const;
  /// `corruption` with the offset for bytes that `encode` cannot have made; `format_too_new`.
  static Result<PartScan> decode(ByteView bytes);
};

/// Scans a part for a digest. Options and errors as digest_state, and `invalid_argument` for a part
/// that cannot be or a range of keys.
Result<PartScan> digest_part(const ReadView& view, PartOf which, const DigestOptions& options = {});

/// Scans a part to verify it. Options and errors as `verify`, and `invalid_argument` for a part
/// that cannot be. A database that cannot be read is noted in the result, and is no error.
Result<PartScan> verify_part(const ReadView& view, PartOf which, const VerifyOptions& options = {});

/// The digest that one process would have made, byte for byte. Errors, of this and of
/// `merge_verify`: `invalid_argument` (parts are missing, doubled, or of different divisions or
/// options; the message names them), `version_mismatch` (of different versions), `foreign_store`
/// (of different states, or cut at different keys), `corruption` (they do not fit together).
Result<StateDigest> merge_digest(std::span<const PartScan> parts);

/// The report that `verify` would have made of the whole.
Result<VerifyReport> merge_verify(std::span<const PartScan> parts);

/// Reads an encoded scan. `corruption` if it is larger than 256 MiB; otherwise as `decode`, and
/// errors of the source.
Result<PartScan> read_part(ByteSource& source);

}  // namespace flatkv
