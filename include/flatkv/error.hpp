// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "flatkv/database.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// The kind of failure. Callers and scripts branch on this, never on the message.
enum class ErrorCode : std::uint8_t {
  invalid_argument,   ///< the caller's input is wrong; nothing has changed
  not_found,          ///< there is no such store, file, version or snapshot
  locked,             ///< another handle, in any process, has the store open
  corruption,         ///< bytes on disk are not what was written
  log_gap,            ///< versions that replay needs are missing from the changelog
  log_behind,         ///< the changelog ends below what is known to be durable
  version_mismatch,   ///< a version other than the expected one
  format_too_new,     ///< written by a newer FlatKV
  foreign_store,      ///< belongs to another store
  import_incomplete,  ///< an import was interrupted, and there is no other data here
  store_failed,   ///< an earlier failure poisoned this handle, or it is closed; reopen the store
  io,             ///< the operating system failed
  no_space,       ///< the disk or a configured limit is full
  permission,     ///< the operating system refused access
  cancelled,      ///< the caller asked to stop, or the store is being closed
  unsupported,    ///< not possible on this machine or in this mode
  out_of_memory,  ///< an allocation failed
  stale,          ///< stands on a block that is not the last committed one any more
};

/// "invalid_argument", "not_found", ...
std::string_view to_string(ErrorCode code) noexcept;

/// A typed failure. `path` is empty and the optional members are unset where they do not apply.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::io;
  std::string message;
  std::string path;
  std::optional<Database> database;
  std::optional<std::int64_t> version;
  /// Byte offset in the file `path`.
  std::optional<std::uint64_t> offset;

  /// One line for people: code, message, path, database, version, offset.
  std::string to_string() const;
};

template <class T>
using Result = std::expected<T, Error>;

/// Success or a failure.
using Status = Result<void>;

}  // namespace flatkv
