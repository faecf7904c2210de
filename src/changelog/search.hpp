#pragma once

#include "changelog/segment_file.hpp"

// Looking for records where the chain does not lead: after damage, and from the end of a segment.
// Internal to the room.
namespace flatkv::changelog {

struct Found {
  bool above = false;        ///< a valid record of a version above the one asked for
  std::int64_t synced = 0;   ///< highest `synced` in any right header
  std::int64_t highest = 0;  ///< highest version of any right header
};

/// Searches the segment from `begin` to its end, at any alignment, for records under the store's
/// id, and adds what it finds to `found`.
Status search_records(SegmentFile& file, const StoreId& store, std::uint64_t begin,
                      std::int64_t version, Found& found);

/// Header of the record that ends exactly with the segment: read from the end, without a walk.
/// Nothing if there is none or it is damaged.
Result<std::optional<RecordHeader>> last_record(SegmentFile& file, const StoreId& store);

}  // namespace flatkv::changelog
