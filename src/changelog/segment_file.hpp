// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "changelog/record.hpp"
#include "fs/file_system.hpp"

// One segment as a file, shared by log walk, reader and writer. Internal to the room.
namespace flatkv::changelog {

inline constexpr std::string_view kTemporarySuffix = "-tmp";

/// A segment open for reading, with a small window. Memory use does not depend on lengths in the
/// file. Not thread-safe.
class SegmentFile {
 public:
  static Result<SegmentFile> open(fs::FileSystem& files, const std::string& directory,
                                  const std::string& name);

  const std::string& path() const noexcept { return path_; }
  /// Size in bytes when it was opened.
  std::uint64_t size() const noexcept { return file_->size(); }

  /// Up to `size` bytes from `offset`; fewer only at the end of the file. Valid until the next
  /// call.
  Result<ByteView> at(std::uint64_t offset, std::size_t size);
  /// Fills `into`; `corruption` if the file has become shorter.
  Status read(std::uint64_t offset, std::span<std::uint8_t> into) const;
  /// Digest of a range within `size()`, streamed.
  Result<Digest> digest(std::uint64_t offset, std::uint64_t size);
  /// Whether all bytes from `offset` to the end are zero.
  Result<bool> zeros_from(std::uint64_t offset);

  /// The header; errors carry the path.
  Result<SegmentHeader> header();

 private:
  Failure became_shorter(std::uint64_t offset) const;

  SegmentFile(std::unique_ptr<fs::ReadFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}

  std::unique_ptr<fs::ReadFile> file_;
  std::string path_;
  Bytes window_;
  std::uint64_t window_offset_ = 0;
};

/// Position of a walk: the version and chain digest that the next record must continue.
struct Chain {
  std::int64_t version = 0;
  Digest digest{};
};

/// What a walk found at an offset.
struct Look {
  /// Set if its digest is valid under the store's id, whatever else is wrong.
  std::optional<RecordHeader> header;
  /// Empty if it is the record that the chain expects.
  std::string problem;
};

enum class Payload : std::uint8_t { skip, check };

/// Checks the record that should begin at `offset`; only I/O errors are errors.
Result<Look> look(SegmentFile& file, const StoreId& store, std::uint64_t offset, const Chain& chain,
                  Payload payload);

/// Creates a segment with only a header so that it exists whole or not at all: -tmp, sync, rename,
/// directory sync. No segment of that name may exist.
Status create_segment(fs::FileSystem& files, const std::string& directory,
                      const SegmentHeader& header);

/// The segments in a directory, ascending by version, and the -tmp files. `corruption` if anything
/// but a file has the name of a segment.
struct Listing {
  struct Entry {
    std::string name;
    std::int64_t first_version = 0;
  };
  std::vector<Entry> segments;
  std::vector<std::string> temporary;
};
Result<Listing> list_segments(fs::FileSystem& files, const std::string& directory);

}  // namespace flatkv::changelog
