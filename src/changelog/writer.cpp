// SPDX-License-Identifier: Apache-2.0
#include "changelog/writer.hpp"

#include <mutex>
#include <vector>

#include "base/assert.hpp"
#include "base/failpoint.hpp"
#include "base/reuse.hpp"
#include "base/version_arithmetic.hpp"
#include "changelog/segment_file.hpp"
#include "fs/files.hpp"
#include "fs/space.hpp"

namespace flatkv::changelog {

// Two locks. `state_mutex` guards what both threads see and is never held during I/O. `sync_mutex`
// is held during every fdatasync: the kernel reports a failed write-back once per open file, so of
// two concurrent syncs one could return OK for bytes that the other was told are lost. Order:
// sync_mutex, then state_mutex.
//
// Each segment is synced before the next one is created. So a sync of the current file makes the
// whole log durable, up to what `tip` said before it.
struct Writer::Impl {
  fs::FileSystem& files;
  std::string directory;
  WriterOptions options;

  std::mutex sync_mutex;
  mutable std::mutex state_mutex;
  std::shared_ptr<fs::AppendFile> file;
  fs::FileInfo opened;  ///< of `file`; for the appending thread alone
  Tip tip;
  std::int64_t synced = 0;
  std::uint64_t appended = 0;
  std::optional<Error> failure;  ///< the first failure; the writer is then dead

  std::vector<ByteView> parts;  // of the record being appended; a member to reuse its memory

  Impl(fs::FileSystem& fs, std::string dir, WriterOptions opts)
      : files(fs), directory(std::move(dir)), options(opts) {}

  /// A failed Status if the writer is dead. The caller holds `state_mutex`.
  Status check_alive() const {
    if (!failure) return {};
    return fail(ErrorCode::store_failed, "the changelog failed earlier: " + failure->message)
        .path(failure->path);
  }

  void die(const Error& error) {
    const std::lock_guard lock(state_mutex);
    if (!failure) failure = error;
  }

  Status check_argument(std::int64_t version, std::uint64_t payload_bytes) const {
    if (version != version_after(tip.version)) {
      return fail(ErrorCode::invalid_argument,
                  "the changelog stands at version " + std::to_string(tip.version))
          .version(version);
    }
    if (payload_bytes > kMaxPayloadBytes) {
      return fail(ErrorCode::invalid_argument, "a block of " + std::to_string(payload_bytes) +
                                                   " bytes, limit " +
                                                   std::to_string(kMaxPayloadBytes))
          .version(version);
    }
    return {};
  }

  Status sync_current() {
    std::shared_ptr<fs::AppendFile> current;
    std::int64_t target = 0;
    {
      const std::lock_guard lock(state_mutex);
      FLATKV_TRY(check_alive());
      if (synced >= tip.version) return {};
      current = file;
      target = tip.version;
    }
    FLATKV_FAILPOINT("changelog.sync.before");
    FLATKV_TRY(current->sync());
    FLATKV_FAILPOINT("changelog.sync.after");
    const std::lock_guard lock(state_mutex);
    synced = std::max(synced, target);
    return {};
  }

  Status sync() {
    const std::lock_guard serial(sync_mutex);
    Status status = sync_current();
    // Record the failure before another sync can begin: that one might return OK.
    if (!status) die(status.error());
    return status;
  }

  /// Only the appending thread changes `tip` and `file`, so it reads them without the lock.
  Status rotate() {
    FLATKV_FAILPOINT("changelog.rotate.before");
    FLATKV_TRY(sync());
    FLATKV_FAILPOINT("changelog.rotate.after_sync");
    const Base base{tip.version, tip.digest};
    FLATKV_TRY(create_segment(files, directory, {options.store, base}));
    FLATKV_FAILPOINT("changelog.rotate.after_create");
    std::string name = segment_name(base.version + 1);
    const std::string path = fs::join(directory, name);
    FLATKV_ASSIGN(std::shared_ptr<fs::AppendFile> next, files.open_append(path));
    FLATKV_ASSIGN(opened, files.stat(path));
    const std::lock_guard lock(state_mutex);
    file = std::move(next);
    tip.segment = std::move(name);
    tip.end_offset = kSegmentHeaderBytes;
    return {};
  }

  Status append(RecordHeader& header, std::span<const ByteView> payload) {
    const std::uint64_t bytes = kRecordHeaderBytes + header.payload_bytes;
    if (tip.end_offset > kSegmentHeaderBytes && tip.end_offset + bytes > options.segment_bytes) {
      FLATKV_TRY(rotate());
    }
    header.previous = tip.digest;
    {
      const std::lock_guard lock(state_mutex);
      header.synced = synced;
    }
    const auto encoded = encode(options.store, header);
    parts.assign(1, encoded);
    parts.insert(parts.end(), payload.begin(), payload.end());
    FLATKV_FAILPOINT("changelog.append.before");
    FLATKV_TRY(fs::needing(bytes, file->append(parts)));
    clear_for_reuse(parts);
    FLATKV_FAILPOINT("changelog.append.after");
    const std::lock_guard lock(state_mutex);
    tip.version = header.version;
    tip.digest = header.digest;
    tip.roots = header.roots;
    tip.end_offset += bytes;
    appended += bytes;
    return {};
  }
};

namespace {

Result<std::shared_ptr<fs::AppendFile>> open_at(fs::FileSystem& files, const std::string& directory,
                                                const Tip& tip, fs::FileInfo& opened) {
  const std::string path = fs::join(directory, tip.segment);
  FLATKV_ASSIGN(std::shared_ptr<fs::AppendFile> file, files.open_append(path));
  if (file->size() != tip.end_offset) {
    return fail(ErrorCode::corruption, "the last segment has " + std::to_string(file->size()) +
                                           " bytes, the log ends at " +
                                           std::to_string(tip.end_offset))
        .path(path);
  }
  FLATKV_ASSIGN(opened, files.stat(path));
  return file;
}

}  // namespace

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::~Writer() = default;

Result<std::unique_ptr<Writer>> Writer::open(fs::FileSystem& files, const std::string& directory,
                                             const Tip& tip, const WriterOptions& options) {
  auto impl = std::make_unique<Impl>(files, directory, options);
  FLATKV_ASSIGN(auto file, open_at(files, directory, tip, impl->opened));
  impl->file = std::move(file);
  impl->tip = tip;
  impl->synced = tip.version;
  return std::unique_ptr<Writer>(new Writer(std::move(impl)));
}

Status Writer::rewind(const Tip& tip) {
  const std::lock_guard serial(impl_->sync_mutex);
  auto file = open_at(impl_->files, impl_->directory, tip, impl_->opened);
  const std::lock_guard lock(impl_->state_mutex);
  FLATKV_TRY(impl_->check_alive());
  if (!file) {
    impl_->failure = file.error();
    return std::unexpected(std::move(file).error());
  }
  impl_->file = *std::move(file);
  impl_->tip = tip;
  impl_->synced = tip.version;
  return {};
}

Result<Digest> Writer::append(std::int64_t version, std::span<const ByteView> payload,
                              const Digest& payload_digest, const Roots& roots) {
  std::uint64_t payload_bytes = 0;
  for (const ByteView part : payload) payload_bytes += part.size();
  {
    const std::lock_guard lock(impl_->state_mutex);
    FLATKV_TRY(impl_->check_alive());
  }
  FLATKV_TRY(impl_->check_argument(version, payload_bytes));
  RecordHeader header;
  header.version = version;
  header.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  header.payload_digest = payload_digest;
  header.roots = roots;
  if (const Status status = impl_->append(header, payload); !status) {
    impl_->die(status.error());
    return std::unexpected(status.error());
  }
  return header.digest;
}

Status Writer::check_there() const {
  const std::string path = fs::join(impl_->directory, impl_->tip.segment);
  FLATKV_ASSIGN(const auto now, fs::stat_if_there(impl_->files, path));
  if (now && now->is_same(impl_->opened) && now->size == impl_->file->size()) return {};
  return fail(ErrorCode::store_failed,
              "the changelog's last segment was removed, replaced or changed while it was open; "
              "nothing was written")
      .path(path);
}

Status Writer::sync() { return impl_->sync(); }

std::int64_t Writer::synced() const noexcept {
  const std::lock_guard lock(impl_->state_mutex);
  return impl_->synced;
}

Tip Writer::tip() const {
  const std::lock_guard lock(impl_->state_mutex);
  return impl_->tip;
}

std::uint64_t Writer::appended_bytes() const noexcept {
  const std::lock_guard lock(impl_->state_mutex);
  return impl_->appended;
}

}  // namespace flatkv::changelog
