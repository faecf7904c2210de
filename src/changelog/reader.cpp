// SPDX-License-Identifier: Apache-2.0
#include "changelog/reader.hpp"

#include <algorithm>
#include <vector>

#include "base/assert.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"
#include "changelog/segment_file.hpp"

namespace flatkv::changelog {
namespace {

/// Index of the segment that holds `version`, which the walk must cover.
std::size_t segment_of(const LogWalk& survey, std::int64_t version) {
  const auto after =
      std::ranges::upper_bound(survey.segments, version, {}, &Segment::first_version);
  FLATKV_ASSERT(after != survey.segments.begin());
  return static_cast<std::size_t>(after - survey.segments.begin() - 1);
}

}  // namespace

struct Reader::Impl {
  struct Part {
    Segment segment;
    SegmentFile file;
    std::uint64_t end;  ///< bytes that count
  };

  std::vector<Part> parts;
  std::size_t current = 0;
  std::uint64_t offset = kSegmentHeaderBytes;
  StoreId store{};
  Chain chain;
  std::int64_t last = 0;  ///< last version to return
  bool with_payloads = false;

  Failure corrupt(std::string what) const {
    return fail(ErrorCode::corruption, std::move(what))
        .path(parts[current].file.path())
        .offset(offset)
        .version(expected_version());
  }

  std::int64_t expected_version() const {
    return version_after(chain.version).value_or(kLastVersion);
  }

  /// Opens the segments that hold `from` to `to`.
  Status open(fs::FileSystem& files, const std::string& directory, const LogWalk& survey,
              std::int64_t from, std::int64_t to) {
    last = to;
    chain = {from - 1, {}};
    if (from > to) return {};
    const std::size_t first_segment = segment_of(survey, from);
    const std::size_t last_segment = segment_of(survey, to);
    parts.reserve(last_segment - first_segment + 1);
    for (std::size_t i = first_segment; i <= last_segment; ++i) {
      const Segment& segment = survey.segments[i];
      FLATKV_ASSIGN(SegmentFile file, SegmentFile::open(files, directory, segment.name));
      const bool holds_tip = segment.name == survey.tip.segment;
      const std::uint64_t end = holds_tip ? survey.tip.end_offset : segment.file_bytes;
      if (file.size() < end) {
        return fail(ErrorCode::corruption, "the segment became shorter since it was surveyed")
            .path(file.path())
            .offset(file.size());
      }
      parts.push_back({segment, std::move(file), end});
    }
    const Base& base = parts.front().segment.header.base;
    chain = {base.version, base.digest};
    while (chain.version < from - 1) FLATKV_TRY(step(Payload::skip));
    return {};
  }

  /// Moves to the next segment if this one is finished.
  Status next_segment() {
    if (offset < parts[current].end) return {};
    if (current + 1 == parts.size()) return corrupt("the segment ends before the log does");
    const Base& base = parts[current + 1].segment.header.base;
    if (base.version != chain.version) {
      return fail(ErrorCode::log_gap,
                  "the next segment kept begins with version " + std::to_string(base.version + 1))
          .path(parts[current + 1].file.path())
          .version(expected_version());
    }
    ++current;
    offset = kSegmentHeaderBytes;
    if (base.digest != chain.digest) return corrupt("the segment's base is of another chain");
    return {};
  }

  Result<RecordHeader> look_here(Payload payload) {
    FLATKV_TRY(next_segment());
    FLATKV_ASSIGN(Look found, look(parts[current].file, store, offset, chain, payload));
    if (!found.problem.empty()) return corrupt(std::move(found.problem));
    return *found.header;
  }

  void go_past(const RecordHeader& header) noexcept {
    chain = {header.version, header.digest};
    offset += kRecordHeaderBytes + header.payload_bytes;
  }

  Result<RecordHeader> step(Payload payload) {
    FLATKV_ASSIGN(const RecordHeader header, look_here(payload));
    go_past(header);
    return header;
  }

  /// After an error it stands before the same record.
  Result<Record> next() {
    // Read a whole record once and hash it in place.
    FLATKV_ASSIGN(const RecordHeader header, look_here(Payload::skip));
    const Part& part = parts[current];
    Record record{header, {}, part.segment.name, offset};
    if (with_payloads) {
      record.payload.resize(header.payload_bytes);
      FLATKV_TRY(part.file.read(offset + kRecordHeaderBytes, record.payload));
      if (blake3::hash(record.payload) != header.payload_digest) {
        return fail(ErrorCode::corruption, "bad digest of the payload")
            .path(part.file.path())
            .offset(offset)
            .version(header.version);
      }
    }
    go_past(header);
    return record;
  }
};

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(fs::FileSystem& files, const std::string& directory,
                            const LogWalk& survey, const StoreId& store, std::int64_t from,
                            bool with_payloads) {
  if (from <= survey.base.version || from - 1 > survey.tip.version) {
    return fail(ErrorCode::log_gap, "the changelog reaches from version " +
                                        std::to_string(survey.base.version + 1) + " to " +
                                        std::to_string(survey.tip.version))
        .path(directory)
        .version(from);
  }
  auto impl = std::make_unique<Impl>();
  impl->store = store;
  impl->with_payloads = with_payloads;
  FLATKV_TRY(impl->open(files, directory, survey, from, survey.tip.version));
  return Reader(std::move(impl));
}

Result<std::optional<Record>> Reader::next() {
  if (impl_->chain.version == impl_->last) return std::optional<Record>{};
  FLATKV_ASSIGN(Record record, impl_->next());
  return std::optional(std::move(record));
}

Result<std::optional<RecordHeader>> find_header(fs::FileSystem& files, const std::string& directory,
                                                const LogWalk& survey, const StoreId& store,
                                                std::int64_t version) {
  FLATKV_ASSIGN(const auto place, find_record(files, directory, survey, store, version));
  if (!place) return std::optional<RecordHeader>{};
  return std::optional(place->header);
}

Result<std::optional<RecordPlace>> find_record(fs::FileSystem& files, const std::string& directory,
                                               const LogWalk& survey, const StoreId& store,
                                               std::int64_t version) {
  if (version <= survey.base.version || version > survey.tip.version) {
    return std::optional<RecordPlace>{};
  }
  Reader::Impl reader;
  reader.store = store;
  FLATKV_TRY(reader.open(files, directory, survey, version, version));
  FLATKV_ASSIGN(const RecordHeader header, reader.step(Payload::skip));
  return std::optional(
      RecordPlace{header, reader.parts[reader.current].segment.name, reader.offset});
}

}  // namespace flatkv::changelog
