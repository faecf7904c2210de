// SPDX-License-Identifier: Apache-2.0
#include "changelog/log_walk.hpp"

#include <algorithm>
#include <utility>

#include "base/bytes.hpp"
#include "base/version_arithmetic.hpp"
#include "changelog/record_salvage.hpp"
#include "changelog/segment_file.hpp"
#include "changelog/undo_mark.hpp"
#include "fs/files.hpp"

namespace flatkv::changelog {
namespace {

/// Walks a log, step by step.
class Surveyor {
 public:
  Surveyor(fs::FileSystem& files, const std::string& directory, const SurveyOptions& options)
      : files_(files), directory_(directory), options_(options) {}

  Status look_for_undo() {
    FLATKV_ASSIGN(undo_, read_undo(files_, directory_, options_.store));
    if (undo_) options_.from_version = std::min(options_.from_version, undo_->version);
    return {};
  }

  /// False if there is no segment.
  Result<bool> list() {
    FLATKV_ASSIGN(Listing listing, list_segments(files_, directory_));
    temporary_ = std::move(listing.temporary);
    for (Listing::Entry& entry : listing.segments) {
      if (undo_ && entry.first_version - 1 > undo_->version) break;  // nothing in it counts
      FLATKV_ASSIGN(SegmentFile file, SegmentFile::open(files_, directory_, entry.name));
      FLATKV_ASSIGN(const SegmentHeader header, file.header());
      if (header.store != options_.store) {
        return fail(ErrorCode::foreign_store, "changelog segment of another store")
            .path(file.path());
      }
      if (header.base.version + 1 != entry.first_version) {
        return fail(ErrorCode::corruption,
                    "the segment's name and its header differ: its first "
                    "version is " +
                        std::to_string(header.base.version + 1))
            .path(file.path());
      }
      all_.push_back({std::move(entry.name), entry.first_version, file.size(), header});
    }
    return !all_.empty();
  }

  Status choose_start() {
    const auto after = std::ranges::find_if(all_, [&](const Segment& segment) {
      return segment.header.base.version > options_.from_version;
    });
    start_ = static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - all_.begin() - 1, 0));
    const std::size_t needed = start_;
    for (std::size_t i = needed; i-- > 0;) {
      FLATKV_ASSIGN(const auto end, end_of(all_[i]));
      // Damaged, so nothing is known here; whoever reads the segment is told.
      if (!end) continue;
      const Base& next = all_[i + 1].header.base;
      if (end->version < next.version) {
        for (std::size_t j = 0; j <= i; ++j) survey_.strays.push_back(all_[j].name);
        break;
      }
      // Include the record of from_version itself: it has the roots that the rows must have.
      const bool holds_from = i + 1 == needed && next.version == options_.from_version;
      if (holds_from && *end == next) start_ = i;
    }
    survey_.strays.insert(survey_.strays.end(), temporary_.begin(), temporary_.end());
    return {};
  }

  Status walk() {
    survey_.base = all_[start_].header.base;
    chain_ = {survey_.base.version, survey_.base.digest};
    std::size_t i = start_;
    for (; i < all_.size() && !survey_.damage; ++i) {
      if ((i > start_ && at_undo()) || !follows(all_[i])) break;
      survey_.segments.push_back(all_[i]);
      roots_before_ = survey_.tip.roots;
      FLATKV_TRY(walk_segment(i, is_last(i) ? end_payloads() : Payload::skip));
    }
    if (undo_) {
      FLATKV_TRY(check_undo());
    } else if (survey_.damage) {
      FLATKV_TRY(examine_damage(i - 1));
    }
    survey_.tip.version = chain_.version;
    survey_.tip.digest = chain_.digest;
    return {};
  }

  LogWalk take() && { return std::move(survey_); }

 private:
  bool is_last(std::size_t i) const {
    if (i + 1 == all_.size()) return true;
    return undo_ && all_[i + 1].header.base.version == undo_->version;
  }
  bool at_undo() const { return undo_ && chain_.version == undo_->version; }

  /// The chain's position at the end of a segment below the walk; nullopt if it breaks off before.
  /// Follows headers from the first one: a search from the end would look into payloads, whose
  /// bytes others choose.
  Result<std::optional<Base>> end_of(const Segment& segment) {
    FLATKV_ASSIGN(SegmentFile file, SegmentFile::open(files_, directory_, segment.name));
    Chain chain{segment.header.base.version, segment.header.base.digest};
    for (std::uint64_t offset = kSegmentHeaderBytes; offset < file.size();) {
      FLATKV_ASSIGN(const Look found, look(file, options_.store, offset, chain, Payload::skip));
      if (!found.problem.empty()) return std::optional<Base>{};
      chain = {found.header->version, found.header->digest};
      offset += kRecordHeaderBytes + found.header->payload_bytes;
    }
    return Base{chain.version, chain.digest};
  }

  bool follows(const Segment& segment) {
    const Base& base = segment.header.base;
    if (base.version == chain_.version && base.digest == chain_.digest) return true;
    Break damage;
    damage.segment = segment.name;
    damage.version = expected_version();
    damage.reason = base.version > chain_.version   ? "gap"
                    : base.version < chain_.version ? "the segment before it reaches further"
                                                    : "the segment's base is of another chain";
    survey_.damage = std::move(damage);
    return false;
  }

  std::int64_t expected_version() const {
    return version_after(chain_.version).value_or(kLastVersion);
  }

  Payload end_payloads() const {
    return options_.check_last_payloads ? Payload::check : Payload::skip;
  }

  Status walk_segment(std::size_t i, Payload payload) {
    FLATKV_ASSIGN(SegmentFile file, SegmentFile::open(files_, directory_, all_[i].name));
    std::uint64_t offset = kSegmentHeaderBytes;
    while (offset < file.size() && !at_undo()) {
      // Records at or below from_version are not replayed: rot there must not cost the whole
      // records above it. Whoever reads it later is told.
      const Payload needed = chain_.version >= options_.from_version ? payload : Payload::skip;
      FLATKV_ASSIGN(Look found, look(file, options_.store, offset, chain_, needed));
      if (found.header) survey_.synced = std::max(survey_.synced, found.header->synced);
      if (!found.problem.empty()) {
        survey_.damage =
            Break{all_[i].name, offset, expected_version(), std::move(found.problem), false, false};
        break;
      }
      chain_ = {found.header->version, found.header->digest};
      survey_.tip.roots = found.header->roots;
      offset += kRecordHeaderBytes + found.header->payload_bytes;
    }
    survey_.tip.segment = all_[i].name;
    survey_.tip.end_offset = offset;
    return {};
  }

  Failure unfit_undo(const std::string& found) const {
    return fail(ErrorCode::corruption, "UNDO ends the log with version " +
                                           std::to_string(undo_->version) + " of digest " +
                                           to_hex(undo_->digest) + ", but " + found)
        .path(fs::join(directory_, kUndoFile))
        .version(undo_->version);
  }

  /// Whether UNDO speaks of this log: it holds the block that stays, and after that one either the
  /// block that is undone or none.
  Status check_undo() {
    if (chain_.version != undo_->version || chain_.digest != undo_->digest) {
      return unfit_undo("the log leads to version " + std::to_string(chain_.version) +
                        " of digest " + to_hex(chain_.digest));
    }
    FLATKV_ASSIGN(const auto next, header_above());
    if (next && next->version == expected_version() && next->digest != undo_->next) {
      return unfit_undo("version " + std::to_string(next->version) + " has the digest " +
                        to_hex(next->digest) + " instead of " + to_hex(undo_->next));
    }
    survey_.damage.reset();
    survey_.undone = true;
    return {};
  }

  /// The header that follows the walk's end: in its segment, or else in the one above.
  Result<std::optional<RecordHeader>> header_above() const {
    std::string segment = survey_.tip.segment;
    std::uint64_t offset = survey_.tip.end_offset;
    FLATKV_ASSIGN(SegmentFile file, SegmentFile::open(files_, directory_, segment));
    if (offset >= file.size()) {
      if (all_.back().name == segment) return std::optional<RecordHeader>{};
      FLATKV_ASSIGN(file, SegmentFile::open(files_, directory_, all_.back().name));
      offset = kSegmentHeaderBytes;
    }
    FLATKV_ASSIGN(Look found, look(file, options_.store, offset, chain_, Payload::skip));
    return found.header;
  }

  /// `end` is the segment in which the walk ended.
  Status examine_damage(std::size_t end) {
    if (!is_last(end) && options_.check_last_payloads) {
      // After a cut this segment would be the last one, so check its payloads as those of a last
      // segment.
      Break found = *std::exchange(survey_.damage, std::nullopt);
      const Base& base = all_[end].header.base;
      chain_ = {base.version, base.digest};
      survey_.tip.roots = roots_before_;
      FLATKV_TRY(walk_segment(end, Payload::check));
      if (!survey_.damage) survey_.damage = std::move(found);
    }
    Break& damage = *survey_.damage;
    const bool in_end = damage.segment == all_[end].name;
    if (is_last(end)) {
      FLATKV_ASSIGN(SegmentFile file, SegmentFile::open(files_, directory_, damage.segment));
      FLATKV_ASSIGN(damage.zeros_only, file.zeros_from(damage.offset));
    }
    if (damage.zeros_only) return {};
    return in_end ? search_above(end, damage.offset) : search_above(end + 1, kSegmentHeaderBytes);
  }

  /// Searches from that offset to the end of the log.
  Status search_above(std::size_t i, std::uint64_t offset) {
    Found found;
    for (; i < all_.size(); ++i, offset = kSegmentHeaderBytes) {
      FLATKV_ASSIGN(SegmentFile file, SegmentFile::open(files_, directory_, all_[i].name));
      FLATKV_TRY(search_records(file, options_.store, offset, survey_.damage->version, found));
    }
    survey_.damage->valid_above = found.above;
    survey_.damage->highest_above = found.highest;
    survey_.synced = std::max(survey_.synced, found.synced);
    return {};
  }

  fs::FileSystem& files_;
  const std::string& directory_;
  SurveyOptions options_;
  std::optional<UndoMark> undo_;
  std::vector<Segment> all_;
  std::vector<std::string> temporary_;
  std::size_t start_ = 0;
  Chain chain_;
  std::optional<Roots> roots_before_;  // of the version before the segment walked last
  LogWalk survey_;
};

}  // namespace

Result<std::optional<LogWalk>> walk_segments(fs::FileSystem& files, const std::string& directory,
                                             const SurveyOptions& options) {
  FLATKV_ASSIGN(const bool there, fs::exists(files, directory, fs::FileType::directory));
  if (!there) return std::optional<LogWalk>{};
  Surveyor surveyor(files, directory, options);
  FLATKV_TRY(surveyor.look_for_undo());
  FLATKV_ASSIGN(const bool any, surveyor.list());
  if (!any) return std::optional<LogWalk>{};
  FLATKV_TRY(surveyor.choose_start());
  FLATKV_TRY(surveyor.walk());
  return std::optional(std::move(surveyor).take());
}

}  // namespace flatkv::changelog
