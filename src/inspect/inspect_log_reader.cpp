// SPDX-License-Identifier: Apache-2.0
#include "base/guard.hpp"
#include "base/version_arithmetic.hpp"
#include "changelog/log_follower.hpp"
#include "changes/log_block.hpp"
#include "flatkv/tools/inspect.hpp"
#include "fs/files.hpp"
#include "recovery/live_generation.hpp"

namespace flatkv {

struct LogReader::Impl {
  /// Undoing blocks may cut the log, again and again, between a walk over it and the open or the
  /// read of what the walk found.
  static constexpr int kMostLooks = 10;

  fs::FileSystem& files;
  std::string store;
  bool with_changes = false;
  Range range;
  recovery::LiveGeneration place;
  std::string directory;
  layout::StoreId id{};
  std::optional<changelog::Reader> reader;  ///< for the records that existed at the open; reset
                                            ///< when all are read
  std::optional<changelog::LogFollower> follower;  ///< for the records that come later
  Status end;                                    ///< whether the end of the log is sound, or damage
  std::optional<Error> over;                     ///< why no more records will come
  std::int64_t wanted = 0;                       ///< what `reader` reads next
  std::optional<changelog::Chain> last_read;     ///< by `reader`
  std::optional<changelog::Record> undelivered;  ///< read, and not returned for lack of memory
  std::string unsynced;                          ///< segment of the last record returned
  int failures = 0;                              ///< of `reader`, one after the other

  Impl(fs::FileSystem& given, std::string path, bool changes)
      : files(given), store(std::move(path)), with_changes(changes) {}

  /// Switches to the log of `found` and walks it.
  Result<changelog::LogWalk> survey(const recovery::LiveGeneration& found) {
    place = found;
    directory = layout::changelog_path(place.generation);
    FLATKV_ASSIGN(const auto manifest, layout::read_manifest(files, place.generation));
    id = manifest.store;
    FLATKV_ASSIGN(auto log, recovery::walk_whole_log(files, place, id));
    if (!log) {
      return fail(ErrorCode::corruption, "there is no changelog").path(directory);
    }
    range = {log->base.version, log->tip.version, 0};
    for (const auto& segment : log->segments) range.bytes += segment.file_bytes;
    end = recovery::end_is_sound(place, *log);
    follower.emplace(files, directory, id, log->tip, with_changes);
    return *std::move(log);
  }

  Status read_from(const changelog::LogWalk& log, std::int64_t version) {
    FLATKV_ASSIGN(reader,
                  changelog::Reader::open(files, directory, log, id, version, with_changes));
    wanted = version;
    return {};
  }

  /// A segment may have been cut above the records that are read here: continues where the log was
  /// left. False if that does not help.
  Result<bool> read_again() {
    if (++failures > kMostLooks) return false;
    FLATKV_ASSIGN(const auto log, last_read ? log_with(*last_read)
                                            : recovery::walk_log(files, place, id, wanted - 1));
    if (!log || !read_from(*log, wanted)) return false;
    end = recovery::end_is_sound(place, *log);
    follower.emplace(files, directory, id, log->tip, with_changes);
    return true;
  }

  Result<std::optional<changelog::Record>> next_record() {
    while (true) {
      if (reader) {
        auto record = reader->next();
        if (!record) {
          FLATKV_TRY(check_not_undone());
          if (record.error().code != ErrorCode::corruption) return record;
          FLATKV_ASSIGN(const bool again, read_again());
          if (!again) return record;
          continue;
        }
        if (*record) {
          failures = 0;
          last_read = {(*record)->header.version, (*record)->header.digest};
          wanted = version_after(last_read->version).value_or(kLastVersion);
          return record;
        }
        FLATKV_TRY(Status(end));
        reader.reset();
      }
      auto record = follower->next();
      if (!record && record.error().code != ErrorCode::not_found) return record;
      if (record && *record) return record;
      auto same = recovery::still_there(files, place);
      if (!same) return std::unexpected(std::move(same).error());
      if (!*same) {
        FLATKV_TRY(go_over());
        continue;
      }
      if (!record || follower->is_unclear()) FLATKV_TRY(check_end());
      if (!record) return pruned(follower->chain().version);
      return record;
    }
  }

  /// Checks bytes after the last record that are no record: fine while a writer is at work on them,
  /// but where blocks were undone they belong to another branch.
  Status check_end() const {
    FLATKV_ASSIGN(const auto log, log_with(follower->chain()));
    return log ? recovery::end_is_sound(place, *log) : Status{};
  }

  /// `version_mismatch` if the log no longer holds the last block that was there at the open.
  Status check_not_undone() const {
    const auto log = log_with(follower->chain());
    if (log || log.error().code != ErrorCode::version_mismatch)
      return {};  // the caller's says more
    return std::unexpected(log.error());
  }

  /// A walk over the log, which still holds that block; otherwise `version_mismatch` or `log_gap`.
  /// If it is being cut at this moment, looks again.
  Result<std::optional<changelog::LogWalk>> log_with(const changelog::Chain& last) const {
    for (int attempt = 1;; ++attempt) {
      auto log = recovery::walk_log(files, place, id, last.version);
      if (!log || !*log) return log;
      Status held = holds(**log, last);
      if (held) return log;
      if (held.error().code != ErrorCode::corruption || attempt == kMostLooks) {
        return std::unexpected(std::move(held).error());
      }
    }
  }

  /// Another generation has replaced the one that was read, after a rollback, repair or import.
  /// Continues in its log if that holds the last block read.
  Status go_over() {
    const changelog::Chain last = follower->chain();
    const auto look = [&](const recovery::LiveGeneration& found) -> Result<std::unique_ptr<Impl>> {
      auto next = std::make_unique<Impl>(files, store, with_changes);
      FLATKV_ASSIGN(const auto log, next->survey(found));
      if (next->id != id) {
        return fail(ErrorCode::foreign_store, "another store took the place of the one being read")
            .path(found.store);
      }
      FLATKV_TRY(next->holds(log, last));
      // Nothing follows the last version there can be.
      if (const auto after = version_after(last.version)) FLATKV_TRY(next->read_from(log, *after));
      return next;
    };
    FLATKV_ASSIGN(const auto next, recovery::look_at_store(files, store, look, false, kMostLooks));
    place = std::move(next->place);
    directory = std::move(next->directory);
    reader = std::move(next->reader);
    wanted = next->wanted;
    last_read = last;
    follower.emplace(*std::move(next->follower));
    end = std::move(next->end);
    return {};
  }

  Status holds(const changelog::LogWalk& log, const changelog::Chain& last) const {
    if (log.base.version > last.version) return pruned(last.version);
    std::optional<Digest> digest;
    if (log.base.version == last.version) {
      digest = log.base.digest;
    } else {
      FLATKV_ASSIGN(const auto header,
                    changelog::find_header(files, directory, log, id, last.version));
      if (header) digest = header->digest;
    }
    if (digest == last.digest) return {};
    return fail(ErrorCode::version_mismatch,
                "the store was rolled back: its log no longer holds the block that was read last")
        .path(directory)
        .version(last.version);
  }

  Failure pruned(std::int64_t last) const {
    return fail(ErrorCode::log_gap, "the next block was pruned before it was read")
        .path(directory)
        .version(version_after(last).value_or(last));
  }
};

Result<LogReader> LogReader::open(const std::string& store, std::optional<std::int64_t> from,
                                  bool with_changes) {
  return guarded([&]() -> Result<LogReader> {
    fs::FileSystem& files = fs::posix();
    const auto look = [&](const recovery::LiveGeneration& place) -> Result<std::unique_ptr<Impl>> {
      auto impl = std::make_unique<Impl>(files, store, with_changes);
      FLATKV_ASSIGN(const auto log, impl->survey(place));
      FLATKV_TRY(impl->read_from(log, from.value_or(log.base.version + 1)));
      return impl;
    };
    FLATKV_ASSIGN(auto impl, recovery::look_at_store(files, store, look, false, Impl::kMostLooks));
    return LogReader(std::move(impl));
  });
}

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader& LogReader::operator=(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

const LogReader::Range& LogReader::range() const noexcept { return impl_->range; }

Result<std::optional<LogBlock>> LogReader::next() {
  return guarded([&]() -> Result<std::optional<LogBlock>> {
    if (impl_->over) return std::unexpected(*impl_->over);
    if (!impl_->undelivered) {
      auto record = impl_->next_record();
      if (!record) {
        const ErrorCode code = record.error().code;
        if (code == ErrorCode::version_mismatch || code == ErrorCode::log_gap ||
            code == ErrorCode::foreign_store) {
          impl_->over = record.error();
        }
        return std::unexpected(std::move(record).error());
      }
      if (!*record) return std::optional<LogBlock>{};
      impl_->undelivered = **std::move(record);
    }
    impl_->unsynced = fs::join(impl_->directory, impl_->undelivered->segment);
    FLATKV_ASSIGN(auto block, changes::to_log_block(std::move(*impl_->undelivered),
                                                    impl_->with_changes, impl_->directory));
    impl_->undelivered.reset();
    return std::optional(std::move(block));
  });
}

Status LogReader::sync() {
  return guarded([&]() -> Status {
    if (impl_->unsynced.empty()) return {};
    // Of the segments before it, the writer synced each before it made the next.
    const auto file = impl_->files.open_append(impl_->unsynced);
    if (!file) {
      // Pruned, or gone with what was undone.
      if (file.error().code == ErrorCode::not_found) return {};
      return std::unexpected(file.error());
    }
    FLATKV_TRY((*file)->sync());
    impl_->unsynced.clear();
    return {};
  });
}

}  // namespace flatkv
