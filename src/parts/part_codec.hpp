// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "parts/part_splitter.hpp"
#include "parts/stored_manifest.hpp"
#include "transfer/row_hasher.hpp"

// A part as an object: the stream of a state with the part's rows alone, compressed.
namespace flatkv::parts {

/// What all parts of a snapshot have in common.
struct PartContext {
  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
};

struct EncodedPart {
  Part part;
  Bytes object;
};
/// `rows` must not be empty.
Result<EncodedPart> encode_part(const PartContext& context, Database database,
                                const scan::RowBuffer& rows);

/// Sums up rows of one database, in key order, to what a manifest says of them. One thread.
class RowSum {
 public:
  explicit RowSum(Database database) { part_.database = database; }
  /// At least one row. The bytes are free when it returns.
  void add(std::span<const ImportRow> rows);
  /// Without length and digest of the object.
  Part finish();

 private:
  Part part_;
  transfer::RowHasher hasher_;
};

/// Checks an object that was fetched: its digest before anything else is looked at, then all that
/// its rows prove. `use` gets the rows on the way, when they are not all proved yet; it may be
/// empty. `corruption`, naming database and version.
Status check_part(const PartContext& context, const Part& part, ByteView object,
                  const std::stop_token& stop,
                  const std::function<Status(std::span<const ImportRow>)>& use);

}  // namespace flatkv::parts
