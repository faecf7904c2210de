// SPDX-License-Identifier: Apache-2.0
#include "transfer/sei_log.hpp"

#include <algorithm>
#include <charconv>

#include "codec/keys.hpp"
#include "fs/files.hpp"
#include "transfer/file_io.hpp"

namespace flatkv::transfer {
namespace {

constexpr std::size_t kNameDigits = 20;
/// Larger than any block's payload, its version and framing included.
constexpr std::uint64_t kMaxEntryBytes = codec::kMaxBlockBytes + (1U << 20);
constexpr std::size_t kStep = 1U << 20;

std::optional<std::int64_t> first_index(std::string_view name) {
  if (name.ends_with(".zst")) name.remove_suffix(4);
  if (name.size() != kNameDigits) return std::nullopt;
  std::int64_t first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), first);
  if (error != std::errc{} || end != name.data() + name.size() || first < 0) return std::nullopt;
  return first;
}

bool is_balance(ByteView key) {
  return key.size() == sizeof(AccountKey) && key.front() == kBalancePrefix;
}

void keep_pairs(ReferenceEntry& entry, const codec::ChangelogEntry::Set& set) {
  std::vector<KVPair> kept;
  for (const KVPair& pair : set.pairs) {
    if (pair.key.empty()) {
      ++entry.skipped_pairs;
      continue;
    }
    entry.has_balances = entry.has_balances || (set.name == kEvmModule && is_balance(pair.key));
    kept.push_back(pair);
  }
  if (set.name.empty() && kept.empty()) {
    ++entry.skipped_sets;
    return;
  }
  entry.pairs.push_back(std::move(kept));
  entry.change_sets.push_back({set.name, entry.pairs.back()});
}

/// Refuses what a store would refuse before anything is committed.
Status check_pairs(const codec::ChangelogEntry::Set& set) {
  const auto has_key = [](const KVPair& pair) { return !pair.key.empty(); };
  if (set.name.empty() && std::ranges::any_of(set.pairs, has_key)) {
    return fail(ErrorCode::corruption, "a change set has an empty name");
  }
  if (set.name != kEvmModule) return {};
  for (const KVPair& pair : set.pairs) {
    if (pair.key.empty()) continue;
    auto route = codec::route_pair(pair);
    if (!route) return std::unexpected(std::move(route).error());
  }
  return {};
}

}  // namespace

Result<ReferenceLog> ReferenceLog::open(fs::FileSystem& files, const std::string& directory) {
  FLATKV_ASSIGN(const auto entries, files.list(directory));
  std::vector<Segment> segments;
  for (const auto& entry : entries) {
    const auto first = first_index(entry.name);
    if (!first) continue;
    const std::string path = fs::join(directory, entry.name);
    if (entry.type != fs::FileType::file) {
      return fail(ErrorCode::corruption, "a segment of the log must be a file").path(path);
    }
    segments.push_back({path, *first});
  }
  if (segments.empty()) {
    return fail(ErrorCode::not_found, "there is no segment of a log here").path(directory);
  }
  std::ranges::sort(segments, {}, &Segment::first);
  const auto twice = std::ranges::adjacent_find(segments, {}, &Segment::first);
  if (twice != segments.end()) {
    return fail(ErrorCode::corruption, "two segments begin at one index").path(twice->path);
  }
  if (segments.front().first != 1) {
    return fail(ErrorCode::log_gap,
                "the log begins at " + std::to_string(segments.front().first) +
                    ", not at 1: it was pruned, and the state before it is missing")
        .path(segments.front().path)
        .version(1);
  }
  return ReferenceLog(files, std::move(segments));
}

Status ReferenceLog::open_segment() {
  const Segment& segment = segments_[segment_];
  if (segment.first != next_version_) {
    return fail(segment.first > next_version_ ? ErrorCode::log_gap : ErrorCode::corruption,
                "the segment begins at " + std::to_string(segment.first) + ", expected " +
                    std::to_string(next_version_))
        .path(segment.path)
        .version(next_version_);
  }
  FLATKV_ASSIGN(source_, open_source(*files_, segment.path));
  ++segment_;
  offset_ = 0;
  return {};
}

Result<std::size_t> ReferenceLog::read(std::span<std::uint8_t> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    auto got = source_->read(into.subspan(filled));
    if (!got) {
      Error error = std::move(got).error();
      if (error.path.empty()) error.path = segments_[segment_ - 1].path;
      error.version = next_version_;
      return std::unexpected(std::move(error));
    }
    if (*got == 0) break;
    filled += *got;
  }
  offset_ += filled;
  return filled;
}

Result<std::optional<std::uint64_t>> ReferenceLog::read_length(bool& cut) {
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    std::array<std::uint8_t, 1> byte{};
    FLATKV_ASSIGN(const std::size_t got, read(byte));
    if (got == 0) {
      cut = shift != 0;
      return std::nullopt;
    }
    length |= static_cast<std::uint64_t>(byte[0] & 0x7fU) << shift;
    if (byte[0] < 0x80) return length;
  }
  return kMaxEntryBytes + 1;  // no length takes so many bytes
}

Result<std::optional<Bytes>> ReferenceLog::unfinished(std::uint64_t offset) {
  const std::string& path = segments_[segment_ - 1].path;
  if (!in_last_segment()) {
    return fail(ErrorCode::corruption, "a segment that others follow ends inside an entry")
        .path(path)
        .version(next_version_)
        .offset(offset);
  }
  torn_ = path + " at offset " + std::to_string(offset);
  return std::nullopt;
}

Result<bool> ReferenceLog::rest_is_zeros() {
  Bytes chunk(kStep);
  while (true) {
    FLATKV_ASSIGN(const std::size_t got, read(chunk));
    if (got == 0) return true;
    const auto rest = std::span(chunk).first(got);
    if (std::ranges::any_of(rest, [](std::uint8_t byte) { return byte != 0; })) return false;
  }
}

Result<std::optional<Bytes>> ReferenceLog::read_entry() {
  while (true) {
    if (source_ == nullptr) {
      if (in_last_segment()) return std::nullopt;
      FLATKV_TRY(open_segment());
    }
    const std::uint64_t begin = offset_;
    bool cut = false;
    FLATKV_ASSIGN(const auto length, read_length(cut));
    if (cut) return unfinished(begin);
    if (!length) {
      source_.reset();
      continue;
    }
    if (*length == 0 && in_last_segment()) {
      // No entry is empty: zeros up to the end of the log are the end, as in our own log.
      FLATKV_ASSIGN(const bool zeros, rest_is_zeros());
      if (zeros) return unfinished(begin);
    }
    if (*length > kMaxEntryBytes) {
      return fail(ErrorCode::corruption, "an entry's length is out of range")
          .path(segments_[segment_ - 1].path)
          .version(next_version_)
          .offset(begin);
    }
    Bytes bytes;
    while (bytes.size() < *length) {  // in steps: the length may be false
      const std::size_t at = bytes.size();
      bytes.resize(std::min<std::uint64_t>(*length, at + kStep));
      FLATKV_ASSIGN(const std::size_t got, read(std::span(bytes).subspan(at)));
      if (at + got < bytes.size()) return unfinished(begin);
    }
    return bytes;
  }
}

Result<std::optional<ReferenceEntry>> ReferenceLog::next() {
  if (torn_) return std::nullopt;
  FLATKV_ASSIGN(auto bytes, read_entry());
  if (!bytes) return std::nullopt;
  const std::uint64_t begin = offset_ - bytes->size();
  const std::int64_t version = next_version_;
  const auto damaged = [&](std::string message) {
    return fail(ErrorCode::corruption, std::move(message))
        .path(segments_[segment_ - 1].path)
        .version(version)
        .offset(begin);
  };
  ReferenceEntry entry;
  entry.bytes = *std::move(bytes);
  const auto decoded = codec::decode_changelog_entry(entry.bytes);
  if (!decoded) return damaged("an entry does not decode: " + decoded.error().message);
  if (decoded->version != next_version_) {
    return fail(decoded->version > next_version_ ? ErrorCode::log_gap : ErrorCode::corruption,
                "an entry of version " + std::to_string(decoded->version) + ", expected " +
                    std::to_string(next_version_))
        .path(segments_[segment_ - 1].path)
        .version(next_version_)
        .offset(begin);
  }
  entry.version = next_version_++;
  entry.pairs.reserve(decoded->changesets.size());  // the change sets point into it
  for (const auto& set : decoded->changesets) {
    keep_pairs(entry, set);
    if (Status valid = check_pairs(set); !valid) return damaged(valid.error().message);
  }
  return entry;
}

}  // namespace flatkv::transfer
