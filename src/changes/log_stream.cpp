// SPDX-License-Identifier: Apache-2.0
#include "changes/log_stream.hpp"

#include <algorithm>

#include "base/version_arithmetic.hpp"
#include "changes/log_block.hpp"

namespace flatkv::changes {
namespace {

/// Follows the headers of a segment to version `after`.
Result<changelog::Tip> find_place(const LogPlace& place, const std::string& name,
                                  std::int64_t after) {
  FLATKV_ASSIGN(auto file, changelog::SegmentFile::open(*place.files, place.directory, name));
  FLATKV_ASSIGN(const changelog::SegmentHeader header, file.header());
  if (header.store != place.store) {
    return fail(ErrorCode::foreign_store, "the segment is another store's").path(file.path());
  }
  changelog::Tip tip{.version = header.base.version,
                     .digest = header.base.digest,
                     .roots = std::nullopt,
                     .segment = name,
                     .end_offset = changelog::kSegmentHeaderBytes};
  while (tip.version < after && tip.end_offset < file.size()) {
    FLATKV_ASSIGN(const changelog::Look found,
                  changelog::look(file, place.store, tip.end_offset, {tip.version, tip.digest},
                                  changelog::Payload::skip));
    if (!found.problem.empty()) {
      return fail(ErrorCode::corruption, found.problem)
          .path(file.path())
          .offset(tip.end_offset)
          .version(tip.version + 1);
    }
    tip.version = found.header->version;
    tip.digest = found.header->digest;
    tip.end_offset += changelog::kRecordHeaderBytes + found.header->payload_bytes;
  }
  return tip;
}

Failure gap(const LogPlace& place, std::int64_t after, const std::string& message) {
  return fail(ErrorCode::log_gap, message)
      .path(place.directory)
      .version(version_after(after).value_or(after));
}

Result<changelog::Tip> find_place(const LogPlace& place, std::int64_t after) {
  FLATKV_ASSIGN(const auto listing, changelog::list_segments(*place.files, place.directory));
  const auto above = std::ranges::find_if(
      listing.segments,
      [&](const changelog::Listing::Entry& one) { return one.first_version - 1 > after; });
  if (above == listing.segments.begin()) {
    if (listing.segments.empty()) return gap(place, after, "there is no changelog");
    return gap(place, after,
               "the changelog begins with version " +
                   std::to_string(listing.segments.front().first_version));
  }
  FLATKV_ASSIGN(auto tip, find_place(place, std::prev(above)->name, after));
  if (tip.version != after) {
    return gap(place, after,
               "a part of the changelog ends with version " + std::to_string(tip.version));
  }
  return tip;
}

}  // namespace

Result<LogStream> LogStream::open(const LogPlace& place, std::int64_t after) {
  // Pruning may remove a segment after the log was listed.
  constexpr int kTries = 3;
  auto tip = find_place(place, after);
  for (int i = 1; i < kTries && !tip && tip.error().code == ErrorCode::not_found; ++i) {
    tip = find_place(place, after);
  }
  if (!tip) return std::unexpected(std::move(tip).error());
  return LogStream(place,
                   changelog::LogFollower(*place.files, place.directory, place.store, *tip, true));
}

ChainPosition LogStream::at() const noexcept {
  return {tail_.chain().version, tail_.chain().digest};
}

Result<LogBlock> LogStream::next() {
  auto record = tail_.next();
  if (!record) {
    if (record.error().code != ErrorCode::not_found) {
      return std::unexpected(std::move(record).error());
    }
    return fail(ErrorCode::log_gap,
                "the next block was pruned before it was read" + log_begin(place_))
        .path(place_.directory)
        .version(tail_.chain().version + 1);
  }
  if (*record) return to_log_block(**std::move(record), true, place_.directory);
  return fail(ErrorCode::corruption, tail_.is_unclear()
                                         ? "a bad record, and blocks were committed from it on"
                                         : "the log ends before the last block that was committed")
      .path(tail_.path())
      .version(tail_.chain().version + 1)
      .offset(tail_.offset());
}

std::optional<std::int64_t> first_base(const LogPlace& place) {
  const auto listing = changelog::list_segments(*place.files, place.directory);
  if (!listing || listing->segments.empty()) return std::nullopt;
  return listing->segments.front().first_version - 1;
}

std::string log_begin(const LogPlace& place) {
  const auto base = first_base(place);
  return base ? ": the changelog begins with version " + std::to_string(*base + 1) : "";
}

Result<std::optional<Digest>> chain_at(const LogPlace& place, std::int64_t version) {
  const auto stream = LogStream::open(place, version);
  if (stream) return std::optional(stream->at().chain);
  if (stream.error().code == ErrorCode::log_gap) return std::optional<Digest>{};
  return std::unexpected(stream.error());
}

}  // namespace flatkv::changes
