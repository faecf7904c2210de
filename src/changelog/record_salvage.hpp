// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "changelog/segment_file.hpp"

// Looking for records where the chain does not lead any more: after damage, and only then. Internal
// to the room.
namespace flatkv::changelog {

struct Found {
  bool above = false;        ///< a valid record of a version above the one asked for
  std::int64_t synced = 0;   ///< highest `synced` in any right header
  std::int64_t highest = 0;  ///< highest version of any right header
};

/// Searches the segment from `begin` to its end, at any alignment, for records under the store's
/// id, and adds what it finds to `found`. Linear in the bytes, whatever they are: a candidate is
/// dropped by its fixed fields, and only one that passes, at most one in twenty bytes, costs a
/// digest of its header. From a right header on the walk is by headers again; that digest is bound
/// to the store's random id, which no payload can know.
Status search_records(SegmentFile& file, const StoreId& store, std::uint64_t begin,
                      std::int64_t version, Found& found);

}  // namespace flatkv::changelog
