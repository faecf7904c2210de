// SPDX-License-Identifier: Apache-2.0
#include "objects/file_objects.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "fs/files.hpp"

namespace flatkv::objects {
namespace {

/// The end of the name of what a put that was interrupted leaves.
constexpr std::string_view kUnfinished = "-tmp";

/// Of one put alone: several exports may put the same object at once, on several machines.
Result<std::string> unfinished_path(const std::string& path) {
  std::array<std::uint8_t, 8> name{};
  FLATKV_TRY(fill_random(name));
  return path + "-" + to_hex(name) + std::string(kUnfinished);
}

}  // namespace

std::string FileObjects::path_of(const std::string& name) const {
  return fs::join(directory_, name);
}

Status FileObjects::keep_directory(const std::string& path) {
  FLATKV_ASSIGN(const bool there, fs::exists(files_, path, fs::FileType::directory));
  {
    const std::lock_guard guard(mutex_);
    if (there && kept_.contains(path)) return {};
  }
  // Also where it is there: whoever made it may have died before its entry was synced.
  if (!there || path.size() > directory_.size()) FLATKV_TRY(keep_directory(fs::parent(path)));
  FLATKV_TRY(fs::ensure_directory(files_, path));
  const std::lock_guard guard(mutex_);
  kept_.insert(path);
  return {};
}

Status FileObjects::put(const std::string& name, ByteView content) {
  const std::string path = path_of(name);
  FLATKV_ASSIGN(const std::string unfinished, unfinished_path(path));
  FLATKV_TRY(keep_directory(fs::parent(path)));
  FLATKV_TRY(fs::write_file(files_, unfinished, content));
  if (Status renamed = files_.rename(unfinished, path); !renamed) {
    static_cast<void>(files_.unlink(unfinished));
    return renamed;
  }
  return files_.sync_directory(fs::parent(path));
}

Result<std::uint64_t> FileObjects::size(const std::string& name) {
  FLATKV_ASSIGN(const fs::FileInfo info, files_.stat(path_of(name)));
  if (info.type == fs::FileType::file) return info.size;
  return fail(ErrorCode::corruption, "something other than a file is here").path(path_of(name));
}

Result<Bytes> FileObjects::get(const std::string& name, std::uint64_t bytes) {
  auto content = fs::read_file(files_, path_of(name), bytes);
  if (!content) return content;
  received_ += content->size();
  if (content->size() == bytes) return content;
  return fail(ErrorCode::corruption, "the file has " + std::to_string(content->size()) +
                                         " bytes, not " + std::to_string(bytes))
      .path(path_of(name));
}

Result<std::vector<ObjectInfo>> FileObjects::list(const std::string& prefix) {
  std::vector<ObjectInfo> all;
  FLATKV_TRY(list_below("", prefix, all));
  std::ranges::sort(all, {}, &ObjectInfo::name);
  return all;
}

/// `directory` is a part of names: empty, or with a slash at its end.
Status FileObjects::list_below(const std::string& directory, const std::string& prefix,
                               std::vector<ObjectInfo>& all) {
  const std::string path = directory.empty() ? directory_ : path_of(directory);
  const auto entries = files_.list(path);
  if (!entries) {
    if (entries.error().code == ErrorCode::not_found) return {};
    return std::unexpected(entries.error());
  }
  for (const fs::DirEntry& entry : *entries) {
    const std::string name = directory + entry.name;
    if (entry.type == fs::FileType::directory) {
      const std::string inside = name + "/";
      if (inside.starts_with(prefix) || prefix.starts_with(inside)) {
        FLATKV_TRY(list_below(inside, prefix, all));
      }
    } else if (entry.type == fs::FileType::file && name.starts_with(prefix) &&
               !name.ends_with(kUnfinished)) {
      const auto bytes = size(name);
      if (bytes) all.push_back({name, *bytes});
      if (!bytes && bytes.error().code != ErrorCode::not_found) {
        return std::unexpected(bytes.error());
      }
    }
  }
  return {};
}

/// In a directory that has nothing else any more.
Status FileObjects::remove_unfinished(const std::string& directory) {
  const auto entries = files_.list(directory);
  if (!entries && entries.error().code == ErrorCode::not_found) return {};
  if (!entries) return std::unexpected(entries.error());
  const auto is_unfinished = [](const fs::DirEntry& entry) {
    return entry.type == fs::FileType::file && entry.name.ends_with(kUnfinished);
  };
  if (!std::ranges::all_of(*entries, is_unfinished)) return {};
  for (const fs::DirEntry& entry : *entries) {
    FLATKV_TRY(fs::remove_tree(files_, fs::join(directory, entry.name)));
  }
  return {};
}

Status FileObjects::remove(const std::string& name) {
  const std::string path = path_of(name);
  FLATKV_TRY(fs::remove_tree(files_, path));
  const std::string above = fs::parent(path);
  if (above != directory_) FLATKV_TRY(remove_unfinished(above));
  if (above != directory_ && files_.remove_directory(above)) {  // it was the last one there
    return files_.sync_directory(directory_);
  }
  const Status synced = files_.sync_directory(above);
  if (!synced && synced.error().code != ErrorCode::not_found) return synced;
  return {};
}

/// The directories above are durable: `put` sees to that before it gives an object its name.
Status FileObjects::settle(const std::string& name) {
  Status synced = files_.sync_directory(fs::parent(path_of(name)));
  if (!synced && synced.error().code == ErrorCode::not_found) return {};
  return synced;
}

}  // namespace flatkv::objects
