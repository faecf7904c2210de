// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "changelog/log_walk.hpp"

namespace flatkv::changelog {

struct Record {
  RecordHeader header;
  Bytes payload;  ///< empty when only headers were asked for
  std::string segment;
  std::uint64_t offset = 0;
};

/// Reads records in order, checking the chain, headers and (when read) payload digests. Opens all
/// segments it needs before it reads the first record. Not thread-safe.
class Reader {
 public:
  /// Positions before version `from` (base.version < from ≤ tip.version + 1) of a walked log. Never
  /// returns anything beyond `survey.tip`. Errors: `log_gap` (`from` is not kept), `corruption`,
  /// `io`, and `not_found` for a segment that was pruned since the walk.
  static Result<Reader> open(fs::FileSystem& files, const std::string& directory,
                             const LogWalk& survey, const StoreId& store, std::int64_t from,
                             bool with_payloads);
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  /// The next record; nullopt after the tip. `corruption` names segment, offset and version.
  Result<std::optional<Record>> next();

 private:
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  friend Result<std::optional<struct RecordPlace>> find_record(fs::FileSystem&, const std::string&,
                                                               const LogWalk&, const StoreId&,
                                                               std::int64_t);
};

/// A record's header and where the record ends.
struct RecordPlace {
  RecordHeader header;
  std::string segment;
  std::uint64_t end_offset = 0;
};

/// The record of one version, by headers alone; nullopt if the walk does not hold it.
Result<std::optional<RecordPlace>> find_record(fs::FileSystem& files, const std::string& directory,
                                               const LogWalk& survey, const StoreId& store,
                                               std::int64_t version);

/// The record header of one version; nullopt if the log does not keep it.
Result<std::optional<RecordHeader>> find_header(fs::FileSystem& files, const std::string& directory,
                                                const LogWalk& survey, const StoreId& store,
                                                std::int64_t version);

}  // namespace flatkv::changelog
