#include "base/guard.hpp"
#include "changelog/reader.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/inspect.hpp"
#include "history/look.hpp"

namespace flatkv {

struct LogBlock::Impl {
  Bytes payload;  ///< the entry points into it
  codec::ChangelogEntry entry;
  std::vector<NamedChangeSet> sets;
};

std::span<const NamedChangeSet> LogBlock::change_sets() const noexcept {
  if (!impl) return {};
  return impl->sets;
}

struct LogReader::Impl {
  Range range;
  std::optional<changelog::Reader> reader;
  bool with_changes = false;
  std::string directory;
  Status end;  ///< what the end of the log is: an end, or damage

  Result<LogBlock> block(changelog::Record record) const {
    LogBlock block;
    block.record = {.version = record.header.version,
                    .roots = record.header.roots,
                    .payload_bytes = record.header.payload_bytes,
                    .payload_digest = record.header.payload_digest};
    if (!with_changes) return block;
    auto impl = std::make_shared<LogBlock::Impl>();
    impl->payload = std::move(record.payload);
    auto entry = codec::decode_changelog_entry(impl->payload);
    if (!entry || entry->version != record.header.version) {
      return fail(ErrorCode::corruption,
                  entry
                      ? "the logged block says that it is version " + std::to_string(entry->version)
                      : "the logged block does not decode: " + entry.error().message)
          .path(directory + "/" + record.segment)
          .version(record.header.version)
          .offset(record.offset);
    }
    impl->entry = std::move(*entry);
    for (const auto& set : impl->entry.changesets) impl->sets.push_back({set.name, set.pairs});
    block.impl = std::move(impl);
    return block;
  }
};

Result<LogReader> LogReader::open(const std::string& store, std::optional<std::int64_t> from,
                                  bool with_changes) try {
  fs::FileSystem& files = fs::posix();
  const auto look = [&](const history::Place& place) -> Result<std::unique_ptr<Impl>> {
    auto impl = std::make_unique<Impl>();
    impl->with_changes = with_changes;
    impl->directory = layout::changelog_path(place.generation);
    FLATKV_ASSIGN(const auto manifest, layout::read_manifest(files, place.generation));
    FLATKV_ASSIGN(const auto log, history::survey_whole_log(files, place, manifest.store));
    if (!log) {
      return fail(ErrorCode::corruption, "there is no changelog").path(impl->directory);
    }
    impl->range = {log->base.version, log->tip.version, 0};
    for (const auto& segment : log->segments) impl->range.bytes += segment.file_bytes;
    impl->end = history::end_is_sound(place, *log);
    FLATKV_ASSIGN(impl->reader,
                  changelog::Reader::open(files, impl->directory, *log, manifest.store,
                                          from.value_or(log->base.version + 1), with_changes));
    return impl;
  };
  FLATKV_ASSIGN(auto impl, history::look_at_store(files, store, look));
  return LogReader(std::move(impl));
} catch (...) {
  return std::unexpected(error_of_exception());
}

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader& LogReader::operator=(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

const LogReader::Range& LogReader::range() const noexcept { return impl_->range; }

Result<std::optional<LogBlock>> LogReader::next() try {
  FLATKV_ASSIGN(auto record, impl_->reader->next());
  if (!record) {
    FLATKV_TRY(Status(impl_->end));
    return std::optional<LogBlock>{};
  }
  FLATKV_ASSIGN(auto block, impl_->block(std::move(*record)));
  return std::optional(std::move(block));
} catch (...) {
  return std::unexpected(error_of_exception());
}

}  // namespace flatkv
