// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "changelog/segment_file.hpp"

// Finds records that the chain no longer leads to: after damage, and only then. Internal to the
// room.
namespace flatkv::changelog {

struct Found {
  bool above = false;        ///< a valid record of a version above the one asked for
  std::int64_t synced = 0;   ///< highest `synced` in any valid header
  std::int64_t highest = 0;  ///< highest version in any valid header
};

/// Searches the segment from `begin` to its end, at any alignment, for records under the store's
/// id, and adds what it finds to `found`. Linear in the bytes, whatever they are: the fixed fields
/// rule out most candidates, and only one that passes, at most one in twenty bytes, costs a digest
/// of its header. After a valid header the search follows headers again; no payload can forge one,
/// because its digest covers the store's random id.
Status search_records(SegmentFile& file, const StoreId& store, std::uint64_t begin,
                      std::int64_t version, Found& found);

}  // namespace flatkv::changelog
