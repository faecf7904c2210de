// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "changelog/record.hpp"
#include "fs/file_system.hpp"

// Walks a log without changing it, for phase 1 of opening (docs/specification.md#walking-the-log).
namespace flatkv::changelog {

/// "%020d.log" with the first version.
std::string segment_name(std::int64_t first_version);
/// The first version; nullopt if it is not a segment's name.
std::optional<std::int64_t> parse_segment_name(std::string_view name);

struct Segment {
  std::string name;
  std::int64_t first_version = 0;  ///< from the name; equals header.base.version + 1
  std::uint64_t file_bytes = 0;
  SegmentHeader header;
};

/// The end of the unbroken valid walk.
struct Tip {
  std::int64_t version = 0;      ///< W
  Digest digest{};               ///< chain digest of W
  std::optional<Roots> roots;    ///< of record W; nullopt if W is the base of a log without records
  std::string segment;           ///< name of the segment that holds the end
  std::uint64_t end_offset = 0;  ///< bytes of that segment that count
};

/// What ended the walk before the end of the log.
struct Break {
  std::string segment;  ///< where it is; for a gap, the segment above it
  std::uint64_t offset = 0;
  std::int64_t version = 0;  ///< the version expected there: W + 1
  std::string reason;
  bool zeros_only = false;  ///< nothing but zeros to the end of the last segment: an end, no damage
  bool valid_above = false;  ///< a valid record (header under our id and payload) of a version
                             ///< above `version` lies at or after this place
  std::int64_t highest_above = 0;  ///< highest version in any valid header there; 0: none
};

struct LogWalk {
  /// The segments of the walk, ascending and contiguous. Older ones that it did not need are not
  /// listed.
  std::vector<Segment> segments;
  /// Segments before a gap, wholly at or below `from_version`, oldest first; then -tmp files.
  std::vector<std::string> strays;
  /// Of the first segment in `segments`.
  Base base;
  Tip tip;
  /// nullopt if the walk ended at the last byte of the last segment.
  std::optional<Break> damage;
  /// Highest `synced` in any valid record header seen, those after the damage included; 0: none.
  std::int64_t synced = 0;
  /// Blocks above the tip are being undone: the log ends there, and whatever stands above it is to
  /// be removed before anything is appended.
  bool undone = false;
};

struct SurveyOptions {
  StoreId store{};
  /// The walk starts in the segment that holds this version (min Lᵢ) or has it as its base; in the
  /// oldest one if all are above.
  std::int64_t from_version = 0;
  /// Also check payload digests in the segment where the walk ends (the last one, if all is well),
  /// for versions above from_version. Needed after an unclean close. A bad payload ends the walk
  /// before its record.
  bool check_last_payloads = true;
};

/// nullopt if there is no directory or no segment at all. Errors: `foreign_store` or
/// `format_too_new` for a valid header of another store or of a newer format; `corruption` for a
/// bad segment header (never a torn write), and for an UNDO that is not valid or does not fit the
/// records; I/O. An undo under way ends the log: nothing above it counts, neither records nor
/// damage, nor what they say of durability. If the walk reaches a missing segment in the
/// middle, `damage` has the reason "gap".
Result<std::optional<LogWalk>> walk_segments(fs::FileSystem& files, const std::string& directory,
                                             const SurveyOptions& options);

}  // namespace flatkv::changelog
