// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "changelog/log_walk.hpp"

namespace flatkv::changelog {

struct WriterOptions {
  StoreId store{};
  std::uint64_t segment_bytes = 64ULL << 20;
};

/// Makes `directory` with one segment that has only a header: written to a -tmp file, synced,
/// renamed, directory synced. The caller syncs the parent.
Status create_log(fs::FileSystem& files, const std::string& directory, const StoreId& store,
                  const Base& base);

/// Copies the first `tip.end_offset` bytes of the tip's segment to a new file, syncs, renames it
/// over the old one and syncs the directory; before that, removes segments above it (none of them
/// counts), newest first, and `-tmp` files. Idempotent: after an unclean close it runs again and
/// again with the same result, interrupted anywhere.
Status reseal(fs::FileSystem& files, const std::string& directory, const Tip& tip);

/// Whether the tip's segment has another name beside its own (`cp -al`): what is appended to it
/// would be in the other place too, so it has to be resealed first.
Result<bool> is_shared(fs::FileSystem& files, const std::string& directory, const Tip& tip);

/// Appends records. `append` belongs to one thread; all else to any. After any error but
/// `invalid_argument` (nothing was written) the writer is dead: every later call returns
/// `store_failed`.
class Writer {
 public:
  /// Continues after `tip`, whose segment is exactly `end_offset` bytes long (see `reseal`).
  /// All of it is taken as durable, which a reseal or a believed CLEAN proves.
  static Result<std::unique_ptr<Writer>> open(fs::FileSystem& files, const std::string& directory,
                                              const Tip& tip, const WriterOptions& options);
  ~Writer();

  /// Appends the record of `version` (tip + 1, checked): one write of header and payload parts.
  /// Starts a new segment first when this one is full (the old one is synced before). Returns the
  /// record's chain digest. `payload_digest` is the digest of the parts in order.
  Result<Digest> append(std::int64_t version, std::span<const ByteView> payload,
                        const Digest& payload_digest, const Roots& roots);

  /// Everything appended before the call is on stable storage when it returns OK; fdatasync is
  /// called once and never retried. Concurrent calls are safe; a call that finds all durable
  /// already does nothing.
  Status sync();

  /// Highest version known durable.
  std::int64_t synced() const noexcept;
  /// End of the log: last appended version, its chain digest, segment, length.
  Tip tip() const;
  /// Bytes appended since the writer was opened.
  std::uint64_t appended_bytes() const noexcept;

 private:
  struct Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Removes whole segments, oldest first, a directory sync after each, whose records are all at or
/// below `keep_after`; never the last segment.
Status prune(fs::FileSystem& files, const std::string& directory, std::int64_t keep_after);

/// Removes what `survey` found beside the log, in the same way. That no snapshot needs it is for
/// the caller to know: survey from the oldest version that is to stay reachable.
Status remove_strays(fs::FileSystem& files, const std::string& directory, const LogWalk& survey);

/// Builds in `to` (made here) the log of `from` cut after `version`: sealed segments linked, the
/// one that holds `version` copied up to it and synced; a header with that base where none does.
/// All synced, `to` included; the caller syncs its parent. Only the segments of the survey go over:
/// survey from the oldest version that is to stay reachable. `log_gap` for a version outside of it.
Status clone_until(fs::FileSystem& files, const std::string& from, const std::string& to,
                   const LogWalk& survey, const StoreId& store, std::int64_t version);

}  // namespace flatkv::changelog
