// SPDX-License-Identifier: Apache-2.0
#include "changelog/segment_file.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"
#include "changelog/log_walk.hpp"
#include "fs/files.hpp"
#include "fs/space.hpp"

namespace flatkv::changelog {
namespace {

/// One page: it holds many headers of small records; large records cost one page each.
constexpr std::size_t kWindowBytes = 4096;
constexpr std::size_t kStreamBytes = std::size_t{256} << 10;
constexpr std::size_t kNameDigits = 20;
constexpr std::string_view kExtension = ".log";

}  // namespace

std::string segment_name(std::int64_t first_version) {
  const std::string digits = std::to_string(first_version);
  return std::string(kNameDigits - std::min(kNameDigits, digits.size()), '0') + digits +
         std::string(kExtension);
}

std::optional<std::int64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kNameDigits + kExtension.size() || !name.ends_with(kExtension)) return {};
  const std::string_view digits = name.substr(0, kNameDigits);
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return {};
  std::int64_t version = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  if (parsed.ec != std::errc{} || version < 1) return {};
  return version;
}

Result<SegmentFile> SegmentFile::open(fs::FileSystem& files, const std::string& directory,
                                      const std::string& name) {
  std::string path = fs::join(directory, name);
  FLATKV_ASSIGN(auto file, files.open_read(path));
  return SegmentFile(std::move(file), std::move(path));
}

Result<ByteView> SegmentFile::at(std::uint64_t offset, std::size_t size) {
  if (offset >= this->size()) return ByteView{};
  const std::uint64_t left = this->size() - offset;
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, left));
  if (offset < window_offset_ || offset + size > window_offset_ + window_.size()) {
    const auto want = std::min<std::uint64_t>(left, std::max(size, kWindowBytes));
    window_.resize(static_cast<std::size_t>(want));
    window_offset_ = offset;
    const auto got = file_->read_at(offset, window_);
    // What follows the part that is wanted may be cut meanwhile.
    window_.resize(got ? *got : 0);
    if (!got) return std::unexpected(got.error());
    if (*got < size) return became_shorter(offset + *got);
  }
  return ByteView(window_).subspan(static_cast<std::size_t>(offset - window_offset_), size);
}

Status SegmentFile::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
  FLATKV_ASSIGN(const std::size_t got, file_->read_at(offset, into));
  if (got == into.size()) return {};
  return became_shorter(offset + got);
}

Failure SegmentFile::became_shorter(std::uint64_t offset) const {
  return fail(ErrorCode::corruption, "the segment became shorter while it was read")
      .path(path_)
      .offset(offset);
}

Result<Digest> SegmentFile::digest(std::uint64_t offset, std::uint64_t size) {
  blake3::Hasher hasher;
  Bytes chunk(static_cast<std::size_t>(std::min<std::uint64_t>(size, kStreamBytes)));
  for (std::uint64_t done = 0; done < size;) {
    const auto part = std::span(chunk).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(size - done, chunk.size())));
    FLATKV_TRY(read(offset + done, part));
    hasher.update(part);
    done += part.size();
  }
  return hasher.finalize();
}

Result<bool> SegmentFile::zeros_from(std::uint64_t offset) {
  while (offset < size()) {
    FLATKV_ASSIGN(const ByteView bytes, at(offset, kStreamBytes));
    if (!all_zero(bytes)) return false;
    offset += bytes.size();
  }
  return true;
}

Result<SegmentHeader> SegmentFile::header() {
  // The header of a newer format may be longer, so pass more bytes than ours has.
  FLATKV_ASSIGN(const ByteView bytes, at(0, kWindowBytes));
  auto header = decode_segment_header(bytes);
  if (!header) header.error().path = path_;
  return header;
}

Result<Look> look(SegmentFile& file, const StoreId& store, std::uint64_t offset, const Chain& chain,
                  Payload payload) {
  FLATKV_ASSIGN(const ByteView bytes, file.at(offset, kRecordHeaderBytes));
  auto header = decode_record_header(store, bytes);
  if (!header) return Look{std::nullopt, std::move(header).error().message};
  Look result{*header, {}};
  if (header->payload_bytes > file.size() - offset - kRecordHeaderBytes) {
    result.problem = "the payload does not end within the segment";
    return result;
  }
  if (header->version != version_after(chain.version)) {
    result.problem = "record of version " + std::to_string(header->version);
  } else if (header->previous != chain.digest) {
    result.problem = "record of another chain";
  } else if (payload == Payload::check) {
    FLATKV_ASSIGN(const Digest digest,
                  file.digest(offset + kRecordHeaderBytes, header->payload_bytes));
    if (digest != header->payload_digest) result.problem = "bad digest of the payload";
  }
  return result;
}

Status create_segment(fs::FileSystem& files, const std::string& directory,
                      const SegmentHeader& header) {
  const auto first = version_after(header.base.version);
  if (!first) {
    return fail(ErrorCode::version_mismatch, "no block can follow the highest possible version")
        .path(directory)
        .version(header.base.version);
  }
  const std::string path = fs::join(directory, segment_name(*first));
  const std::string temporary = path + std::string(kTemporarySuffix);
  FLATKV_ASSIGN(const bool taken, fs::exists(files, path, fs::FileType::file));
  if (taken) {
    // A rename would silently replace records.
    return fail(ErrorCode::corruption, "a segment of this name exists already").path(path);
  }
  FLATKV_ASSIGN(const bool left, fs::exists(files, temporary, fs::FileType::file));
  if (left) FLATKV_TRY(files.unlink(temporary));
  FLATKV_FAILPOINT("changelog.create.before");
  {
    FLATKV_ASSIGN(const auto file, files.create(temporary));
    const auto bytes = encode(header);
    const ByteView view = bytes;
    FLATKV_FAILPOINT("changelog.create.before_write");
    FLATKV_TRY(fs::needing(bytes.size(), file->append({&view, 1})));
    FLATKV_FAILPOINT("changelog.create.after_write");
    FLATKV_TRY(file->sync());
  }
  FLATKV_FAILPOINT("changelog.create.after_sync");
  FLATKV_TRY(files.rename(temporary, path));
  FLATKV_FAILPOINT("changelog.create.after_rename");
  FLATKV_TRY(files.sync_directory(directory));
  FLATKV_FAILPOINT("changelog.create.after_directory_sync");
  return {};
}

Result<Listing> list_segments(fs::FileSystem& files, const std::string& directory) {
  FLATKV_ASSIGN(const auto entries, files.list(directory));
  Listing listing;
  for (const fs::DirEntry& entry : entries) {
    if (const auto first = parse_segment_name(entry.name)) {
      if (entry.type != fs::FileType::file) {
        return fail(ErrorCode::corruption, "a segment that is no regular file")
            .path(fs::join(directory, entry.name));
      }
      listing.segments.push_back({entry.name, *first});
    } else if (entry.type == fs::FileType::file && entry.name.ends_with(kTemporarySuffix)) {
      listing.temporary.push_back(entry.name);
    }
  }
  // Names have twenty digits, so their order is that of the versions; do not rely on that of
  // `list`.
  std::ranges::sort(listing.segments, {}, &Listing::Entry::first_version);
  return listing;
}

}  // namespace flatkv::changelog
