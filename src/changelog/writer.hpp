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

/// Appends records. Call `append` from one thread only; all other functions are thread-safe. After
/// any error but `invalid_argument` (nothing was written) the writer is dead: every later call
/// returns `store_failed`.
class Writer {
 public:
  /// Continues after `tip`, whose segment is exactly `end_offset` bytes long (see `reseal`). Takes
  /// the whole log as durable, which a reseal or a believed CLEAN proves.
  static Result<std::unique_ptr<Writer>> open(fs::FileSystem& files, const std::string& directory,
                                              const Tip& tip, const WriterOptions& options);
  ~Writer();

  /// Appends the record of `version`, which must be tip + 1, in one write of header and payload
  /// parts. If the segment is full, syncs it and starts a new one first. Returns the record's chain
  /// digest. `payload_digest` is the digest of the parts in order.
  Result<Digest> append(std::int64_t version, std::span<const ByteView> payload,
                        const Digest& payload_digest, const Roots& roots);

  /// Whether the path of the last segment still leads to the file that is appended to, as long as
  /// this left it. What is appended to another one would be gone with this process. Nothing is
  /// written after an error, and the writer goes on. Call it where `append` may be called.
  Status check_there() const;

  /// On OK, everything appended before the call is on stable storage. Calls fdatasync once and
  /// never retries. Does nothing if all is durable already.
  Status sync();

  /// Goes back to `tip`, an earlier end, whose segment has been cut to it. That end counts as
  /// durable. Call it where `append` may be called.
  Status rewind(const Tip& tip);

  /// Highest version known durable.
  std::int64_t synced() const noexcept;
  /// End of the log: last appended version, its chain digest, segment and length.
  Tip tip() const;
  /// Bytes appended since the writer was opened.
  std::uint64_t appended_bytes() const noexcept;

 private:
  struct Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::changelog
