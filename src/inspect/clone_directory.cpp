// SPDX-License-Identifier: Apache-2.0
#include "inspect/clone_directory.hpp"

#include <unistd.h>

#include <array>

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "base/guard.hpp"
#include "base/random.hpp"
#include "fs/files.hpp"

namespace flatkv::inspect {
namespace {

Result<std::string> new_name() {
  std::array<std::uint8_t, 8> random{};
  FLATKV_TRY(fill_random(random));
  return "readonly-" + std::to_string(::getpid()) + "-" + to_hex(random);
}

/// Creates the directory under a -tmp name, which a writer removes once it gets the lock, so that a
/// reader that dies in between leaves nothing behind. nullptr if a writer was faster.
Result<std::unique_ptr<fs::DirLock>> make_locked(fs::FileSystem& files, const std::string& path) {
  const std::string unfinished = path + "-tmp";
  FLATKV_TRY(files.make_directory(unfinished));
  FLATKV_FAILPOINT("history.clone.made");
  auto lock = files.lock_directory(unfinished);
  const bool taken = !lock && (lock.error().code == ErrorCode::locked ||
                               lock.error().code == ErrorCode::not_found);
  if (taken) return std::unique_ptr<fs::DirLock>();
  if (!lock) return lock;
  FLATKV_FAILPOINT("history.clone.locked");
  if (Status renamed = files.rename(unfinished, path); !renamed) {
    if (renamed.error().code == ErrorCode::not_found) return std::unique_ptr<fs::DirLock>();
    return std::unexpected(std::move(renamed).error());
  }
  return lock;
}

}  // namespace

Result<CloneDirectory> CloneDirectory::make(fs::FileSystem& files, const std::string& parent) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    FLATKV_ASSIGN(const std::string name, new_name());
    std::string path = fs::join(parent, name);
    auto lock = make_locked(files, path);
    if (!lock) {
      static_cast<void>(fs::remove_tree(files, path + "-tmp"));
      Error error = std::move(lock).error();
      error.message = "cannot make a clone to read from: " + error.message +
                      "; another scratch directory can be given";
      return std::unexpected(std::move(error));
    }
    if (*lock) return CloneDirectory(files, std::move(path), *std::move(lock));
  }
  return fail(ErrorCode::io, "the directory of a clone keeps being removed").path(parent);
}

CloneDirectory::~CloneDirectory() {
  // What cannot be removed now is an orphan; the next writable open removes it.
  if (lock_) static_cast<void>(guarded([&] { return fs::remove_tree(*files_, path_); }));
}

}  // namespace flatkv::inspect
