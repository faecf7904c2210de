// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "changelog/record.hpp"
#include "flatkv/changes.hpp"
#include "fs/file_system.hpp"

namespace flatkv::changes {

inline constexpr std::size_t kMostNames = 1024;

/// Of the file CURSORS of a store: names, and the version above which each needs the log.
struct CursorNames {
  changelog::StoreId store{};
  std::map<std::string, std::int64_t, std::less<>> needed_above;
};
Bytes encode(const CursorNames& names);
/// `corruption`, or `format_too_new`.
Result<CursorNames> decode_cursor_names(ByteView bytes);

/// `invalid_argument` for what is no name.
Status check_name(std::string_view name);

/// The named cursors of an open store. The file is written when a name comes or goes, and before
/// the log is pruned: what it says may be old, and then more of the log is kept than needed, never
/// less. Thread-safe.
class NamedCursors {
 public:
  /// Reads CURSORS. What is damaged, or of another store, counts as none; damage is reported.
  /// `check_there` says whether the file may be written: whether `store` still leads to the store
  /// that this process has locked.
  NamedCursors(fs::FileSystem& files, std::string store, const changelog::StoreId& id,
               std::function<Status()> check_there, Logger logger);

  /// From now on the log above `version` is kept for this name. Durable on return if the name is
  /// new. `no_space` for more than kMostNames.
  Status keep(const std::string& name, std::int64_t version);
  /// For a name that is there; does nothing for another.
  void acknowledge(const std::string& name, std::int64_t version);
  /// `not_found` if there is no such name.
  Status drop(const std::string& name);
  std::vector<NamedCursor> list() const;

  /// Of a log that may be pruned up to `wanted`: up to where no name needs it. Keeps at most
  /// `most_bytes` for names, in whole segments; names that would need more lose the oldest part,
  /// which is reported. Saves.
  Result<std::int64_t> prune_to(const std::string& changelog, std::int64_t wanted,
                                std::uint64_t most_bytes);

 private:
  Status save_locked();

  fs::FileSystem& files_;
  const std::string store_;
  const std::function<Status()> check_there_;
  const Logger logger_;
  mutable std::mutex mutex_;
  CursorNames names_;
  bool saved_ = true;
};

}  // namespace flatkv::changes
