// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
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

/// The named cursors of an open store. Invariant: the version of a name in the file is never above
/// the one that it needs, so that after a crash more of the log may be kept, never less. A version
/// that goes up is therefore written late: before the log is pruned, and at close. One that goes
/// down is written at once: the call fails if that fails. An undo writes what it lowers before it
/// is visible: after a crash in between, the names are too low, which does no harm. Thread-safe.
class NamedCursors {
 public:
  /// Reads CURSORS. What is damaged, or of another store, counts as none; damage is reported. A
  /// file of a newer format stays as it is: it is reported, the whole log counts as needed, and
  /// functions that return a name or change one fail with `format_too_new`.
  /// `check_there` says whether the file may be written: whether `store` still leads to the store
  /// that this process has locked.
  NamedCursors(fs::FileSystem& files, std::string store, const changelog::StoreId& id,
               std::function<Status()> check_there, Logger logger);

  /// Tells the version above which a name needs the log. Asked under the lock, so that no undo
  /// passes between the answer and its use.
  using Needed = std::function<std::int64_t()>;

  /// From now on the log above `needed` is kept for this name, and `owner` has it until `release`.
  /// Durable on return if the name is new or needs more than before. `invalid_argument` if another
  /// has the name, `no_space` for more than kMostNames.
  Status keep(const std::string& name, const void* owner, const Needed& needed);
  void release(const std::string& name, const void* owner) noexcept;
  /// The same for a name that is there; `not_found` if it was dropped since `owner` has it.
  Status acknowledge(const std::string& name, const void* owner, const Needed& needed);
  /// `not_found` if there is no such name.
  Status drop(const std::string& name);
  Result<std::vector<NamedCursor>> list() const;

  /// The store goes back to `version`: nothing above is acknowledged any more, durably on return.
  /// Until `undone`, which comes when whoever follows the store knows, no name goes above.
  Status begin_undo(std::int64_t version);
  void undone() noexcept;
  /// The log begins behind `version`. Names that need more have lost it, which is reported.
  void begins_behind(std::int64_t version);
  /// Saves. From now on everything that can fail does: `store_failed`.
  Status close();

  /// Of a log that begins anew and of which `wanted` is the last version that it may begin behind
  /// but for names: the version to begin behind, as `prune_to` finds it. Changes nothing.
  Result<std::int64_t> needed_of(const std::string& changelog, std::int64_t wanted,
                                 std::uint64_t most_bytes) const;

  /// Of a log that may be pruned up to `wanted`: up to where no name needs it. Keeps at most
  /// `most_bytes` for names, in whole segments; names that would need more lose the oldest part,
  /// which is reported. Saves.
  Result<std::int64_t> prune_to(const std::string& changelog, std::int64_t wanted,
                                std::uint64_t most_bytes);

 private:
  Status check_locked() const;
  Status keep_locked(const std::string& name, const Needed& needed);
  Status set_locked(std::int64_t& version, std::int64_t needed);
  Status save_locked();
  Result<std::int64_t> needed_locked(const std::string& changelog, std::int64_t wanted,
                                     std::uint64_t most_bytes) const;
  void warn_of_loss(const std::vector<std::string>& names, std::int64_t version) const;

  fs::FileSystem& files_;
  const std::string store_;
  const std::function<Status()> check_there_;
  const Logger logger_;
  mutable std::mutex mutex_;
  CursorNames names_;
  std::map<std::string, const void*, std::less<>> owners_;  ///< of names, while they subscribe
  std::optional<Error> too_new_;                            ///< of the file
  std::optional<std::int64_t> at_most_;                     ///< during an undo
  bool saved_ = true;
  bool owed_ = false;  ///< a version went down, and that could not be saved
  bool closed_ = false;
};

}  // namespace flatkv::changes
