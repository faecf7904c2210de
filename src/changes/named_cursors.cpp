// SPDX-License-Identifier: Apache-2.0
#include "changes/named_cursors.hpp"

#include <algorithm>
#include <limits>

#include "base/bytes.hpp"
#include "changelog/segment_file.hpp"
#include "fs/files.hpp"
#include "layout/manifest.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::changes {
namespace {

constexpr std::size_t kMostNameBytes = 64;
constexpr std::size_t kMaxFileBytes = 256U << 10;
constexpr std::uint64_t kMaxVersion = std::numeric_limits<std::int64_t>::max();

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '_' || c == '-';
}

/// The base of the first segment to keep, so that those before it that are above `keep_above` have
/// at most `most_bytes`.
Result<std::int64_t> within(fs::FileSystem& files, const std::string& directory,
                            std::int64_t keep_above, std::int64_t wanted,
                            std::uint64_t most_bytes) {
  FLATKV_ASSIGN(const auto listing, changelog::list_segments(files, directory));
  const auto& segments = listing.segments;
  // From the newest segment that only names need, down to the oldest one that they need.
  std::uint64_t bytes = 0;
  for (std::size_t i = segments.size(); i-- > 0;) {
    if (i + 1 == segments.size() || segments[i + 1].first_version - 1 > wanted) continue;
    if (segments[i + 1].first_version - 1 <= keep_above) break;
    FLATKV_ASSIGN(const auto info, files.stat(fs::join(directory, segments[i].name)));
    bytes += info.size;
    if (bytes > most_bytes) return segments[i + 1].first_version - 1;
  }
  return keep_above;
}

}  // namespace

Bytes encode(const CursorNames& names) {
  layout::Sealing object;
  object.number("format", layout::kFormat).text("store", to_hex(names.store)).object("cursors");
  for (const auto& [name, version] : names.needed_above) {
    object.number(name, static_cast<std::uint64_t>(version));
  }
  object.end();
  return std::move(object).seal();
}

Result<CursorNames> decode_cursor_names(ByteView bytes) {
  FLATKV_ASSIGN(const layout::Unsealed object, layout::unseal(bytes, kMaxFileBytes));
  const layout::Members members(object);
  FLATKV_TRY(layout::check_format(members));
  CursorNames names;
  FLATKV_TRY(members.hex("store", names.store));
  FLATKV_ASSIGN(const nlohmann::json* cursors, members.object("cursors"));
  if (cursors->size() > kMostNames) return fail(ErrorCode::corruption, "too many names");
  const layout::Members by_name(*cursors);
  for (const auto& item : cursors->items()) {
    if (!check_name(item.key())) {
      return fail(ErrorCode::corruption, "a member of \"cursors\" is no name");
    }
    FLATKV_ASSIGN(const std::uint64_t version, by_name.number(item.key(), 0, kMaxVersion));
    names.needed_above.emplace(item.key(), static_cast<std::int64_t>(version));
  }
  return names;
}

Status check_name(std::string_view name) {
  if (!name.empty() && name.size() <= kMostNameBytes &&
      std::ranges::all_of(name, is_name_character)) {
    return {};
  }
  return fail(ErrorCode::invalid_argument, "the name of a cursor has 1 to " +
                                               std::to_string(kMostNameBytes) +
                                               " characters a-z, A-Z, 0-9, '.', '_' and '-'");
}

NamedCursors::NamedCursors(fs::FileSystem& files, std::string store, const changelog::StoreId& id,
                           std::function<Status()> check_there, Logger logger)
    : files_(files),
      store_(std::move(store)),
      check_there_(std::move(check_there)),
      logger_(std::move(logger)) {
  names_.store = id;
  const std::string path = fs::join(store_, layout::kCursorsFile);
  const auto there = files_.stat(path);
  if (!there && there.error().code == ErrorCode::not_found) return;
  auto read = layout::read_decoded(files_, path, kMaxFileBytes, decode_cursor_names);
  if (read) {
    if (read->store == id) names_ = *std::move(read);
    return;
  }
  if (read.error().code == ErrorCode::format_too_new) {
    logger_.warn_of("the names of cursors cannot be read, and the log is kept", read.error());
    too_new_ = std::move(read).error();
    return;
  }
  logger_.warn_of("the log is not kept for named cursors until they subscribe again", read.error());
}

Status NamedCursors::check_locked() const {
  if (closed_) return fail(ErrorCode::store_failed, "the store is closed").path(store_);
  if (too_new_) return std::unexpected(*too_new_);
  return {};
}

Status NamedCursors::save_locked() {
  if (saved_) return {};
  FLATKV_TRY(check_there_());
  FLATKV_TRY(fs::replace_file(files_, fs::join(store_, layout::kCursorsFile), encode(names_)));
  saved_ = true;
  owed_ = false;
  return {};
}

/// Of a name that is there.
Status NamedCursors::set_locked(std::int64_t& version, std::int64_t needed) {
  needed = std::min(needed, at_most_.value_or(needed));
  // One that goes down stays owed until it is saved, whoever asks for it again.
  if (needed < version) owed_ = true;
  if (needed != version) saved_ = false;
  version = needed;
  return owed_ ? save_locked() : Status{};
}

Status NamedCursors::keep(const std::string& name, const void* owner, const Needed& needed) {
  const std::lock_guard lock(mutex_);
  FLATKV_TRY(check_locked());
  if (!owners_.try_emplace(name, owner).second) {
    return fail(ErrorCode::invalid_argument, "there is a subscription named " + name + " already")
        .path(store_);
  }
  Status done = keep_locked(name, needed);
  if (!done) owners_.erase(name);
  return done;
}

void NamedCursors::release(const std::string& name, const void* owner) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(name);
  if (found != owners_.end() && found->second == owner) owners_.erase(found);
}

Status NamedCursors::keep_locked(const std::string& name, const Needed& needed) {
  const auto found = names_.needed_above.find(name);
  if (found != names_.needed_above.end()) return set_locked(found->second, needed());
  if (names_.needed_above.size() == kMostNames) {
    return fail(ErrorCode::no_space,
                "there are " + std::to_string(kMostNames) + " named cursors already")
        .path(store_);
  }
  const std::int64_t version = needed();
  names_.needed_above.emplace(name, std::min(version, at_most_.value_or(version)));
  saved_ = false;
  Status done = save_locked();
  if (!done) names_.needed_above.erase(name);
  return done;
}

Status NamedCursors::acknowledge(const std::string& name, const void* owner, const Needed& needed) {
  const std::lock_guard lock(mutex_);
  FLATKV_TRY(check_locked());
  const auto owned = owners_.find(name);
  if (owned == owners_.end() || owned->second != owner) {
    return fail(ErrorCode::not_found, "the cursor named " + name + " was dropped").path(store_);
  }
  return set_locked(names_.needed_above.at(name), needed());
}

Status NamedCursors::drop(const std::string& name) {
  const std::lock_guard lock(mutex_);
  FLATKV_TRY(check_locked());
  const auto found = names_.needed_above.find(name);
  if (found == names_.needed_above.end()) {
    return fail(ErrorCode::not_found, "there is no cursor named " + name).path(store_);
  }
  auto dropped = names_.needed_above.extract(found);
  saved_ = false;
  Status done = save_locked();
  if (!done) {
    names_.needed_above.insert(std::move(dropped));
  } else if (const auto owned = owners_.find(name); owned != owners_.end()) {
    owners_.erase(owned);
  }
  return done;
}

Result<std::vector<NamedCursor>> NamedCursors::list() const {
  const std::lock_guard lock(mutex_);
  FLATKV_TRY(check_locked());
  std::vector<NamedCursor> all;
  for (const auto& [name, version] : names_.needed_above) all.push_back({name, version});
  return all;
}

Status NamedCursors::begin_undo(std::int64_t version) {
  const std::lock_guard lock(mutex_);
  for (auto& [name, needed] : names_.needed_above) {
    if (needed <= version) continue;
    needed = version;
    saved_ = false;
    owed_ = true;
  }
  FLATKV_TRY(save_locked());
  at_most_ = version;
  return {};
}

void NamedCursors::undone() noexcept {
  const std::lock_guard lock(mutex_);
  at_most_.reset();
}

void NamedCursors::begins_behind(std::int64_t version) {
  std::vector<std::string> lost;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, needed] : names_.needed_above) {
      if (needed >= version) continue;
      lost.push_back(name);
      needed = version;
      saved_ = false;
    }
  }
  warn_of_loss(lost, version);
}

Status NamedCursors::close() {
  const std::lock_guard lock(mutex_);
  if (closed_) return {};
  closed_ = true;
  return save_locked();
}

Result<std::int64_t> NamedCursors::needed_locked(const std::string& changelog, std::int64_t wanted,
                                                 std::uint64_t most_bytes) const {
  std::int64_t above = too_new_ ? 0 : wanted;
  for (const auto& [name, version] : names_.needed_above) above = std::min(above, version);
  return within(files_, changelog, above, wanted, most_bytes);
}

Result<std::int64_t> NamedCursors::needed_of(const std::string& changelog, std::int64_t wanted,
                                             std::uint64_t most_bytes) const {
  const std::lock_guard lock(mutex_);
  return needed_locked(changelog, wanted, most_bytes);
}

Result<std::int64_t> NamedCursors::prune_to(const std::string& changelog, std::int64_t wanted,
                                            std::uint64_t most_bytes) {
  std::vector<std::string> lost;
  std::int64_t to = wanted;
  {
    const std::lock_guard lock(mutex_);
    FLATKV_ASSIGN(to, needed_locked(changelog, wanted, most_bytes));
    for (auto& [name, version] : names_.needed_above) {
      if (version >= to) continue;
      lost.push_back(name);
      version = to;
      saved_ = false;
    }
    FLATKV_TRY(save_locked());
  }
  warn_of_loss(lost, to);
  return to;
}

void NamedCursors::warn_of_loss(const std::vector<std::string>& names, std::int64_t version) const {
  for (const std::string& name : names) {
    logger_.warning("the cursor " + name +
                    " needs more of the log than is kept for it: blocks up " + "to version " +
                    std::to_string(version) + " are gone");
  }
}

}  // namespace flatkv::changes
