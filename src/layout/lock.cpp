// SPDX-License-Identifier: Apache-2.0
#include "layout/lock.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <thread>

#include "fs/files.hpp"

namespace flatkv::layout {
namespace {

constexpr std::string_view kLockFile = "LOCK";
constexpr std::size_t kMaxLockBytes = 4U << 10;
constexpr std::size_t kMaxShown = 200;
constexpr auto kRetry = std::chrono::milliseconds(10);

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  std::array<char, 32> text{};
  if (::gmtime_r(&now, &parts) == nullptr) return "?";
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "?";
  return name.data();
}

/// Best effort: the flock is the lock, and LOCK only a note. Creates a new file, so that a planted
/// link is not followed.
void write_holder(fs::FileSystem& files, const std::string& store) {
  const std::string path = fs::join(store, kLockFile);
  static_cast<void>(files.unlink(path));
  const auto file = files.create(path);
  if (!file) return;
  const std::string text =
      "pid " + std::to_string(::getpid()) + "\nhost " + host_name() + "\nsince " + now_utc() + "\n";
  const ByteView part = as_bytes(text);
  static_cast<void>((*file)->append({&part, 1}));
}

/// "pid 1, host a, since …" from LOCK, with any other content made harmless.
std::string holder(fs::FileSystem& files, const std::string& store) {
  const auto bytes = fs::read_file(files, fs::join(store, kLockFile), kMaxLockBytes);
  if (!bytes || bytes->empty()) return "a process that LOCK does not name";
  std::string text;
  for (const char c : as_chars(*bytes)) {
    if (text.size() == kMaxShown) break;
    if (c == '\n') {
      text += ", ";
    } else {
      text += c >= ' ' && c <= '~' ? c : '?';
    }
  }
  while (text.ends_with(' ') || text.ends_with(',')) text.pop_back();
  return text;
}

/// One try. `locked` if the directory was moved in between, so that the path leads to another one
/// than was locked.
Result<std::unique_ptr<fs::DirLock>> try_lock(fs::FileSystem& files, const std::string& store) {
  FLATKV_ASSIGN(std::unique_ptr<fs::DirLock> lock, files.lock_directory(store));
  FLATKV_ASSIGN(const bool still, lock->still_at(store));
  if (!still) return fail(ErrorCode::locked, "the store was moved while it was locked").path(store);
  return lock;
}

/// The rest of the line that begins with `name` and a space; printable characters only.
std::string line_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with(' ')) continue;
    line.remove_prefix(name.size() + 1);
    std::string value(line.substr(0, kMaxShown));
    std::ranges::replace_if(value, [](char c) { return c < ' ' || c > '~'; }, '?');
    return value;
  }
  return {};
}

}  // namespace

std::optional<LockHolder> read_lock_holder(fs::FileSystem& files, const std::string& store) {
  const auto bytes = fs::read_file(files, fs::join(store, kLockFile), kMaxLockBytes);
  if (!bytes) return std::nullopt;
  const std::string_view text = as_chars(*bytes);
  LockHolder holder{.host = line_of(text, "host"), .since = line_of(text, "since")};
  const std::string pid = line_of(text, "pid");
  const auto [end, error] = std::from_chars(pid.data(), pid.data() + pid.size(), holder.pid);
  if (error != std::errc() || end != pid.data() + pid.size() || holder.pid < 1) {
    return std::nullopt;
  }
  return holder;
}

Result<StoreLock> StoreLock::take(fs::FileSystem& files, const std::string& store,
                                  unsigned wait_ms) {
  FLATKV_ASSIGN(const bool there, fs::exists(files, store, fs::FileType::directory));
  if (!there) return fail(ErrorCode::not_found, "there is no store here").path(store);
  FLATKV_ASSIGN(const bool network, files.is_network(store));
  if (network) {
    return fail(ErrorCode::unsupported, "the store is on a network file system").path(store);
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  for (;;) {
    auto lock = try_lock(files, store);
    if (lock) {
      write_holder(files, store);
      return StoreLock(*std::move(lock));
    }
    if (lock.error().code != ErrorCode::locked) return std::unexpected(std::move(lock).error());
    if (std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(kRetry);
  }
  return fail(ErrorCode::locked, "the store is in use by " + holder(files, store)).path(store);
}

Status StoreLock::check(const std::string& store) const {
  FLATKV_ASSIGN(const bool still, lock_->still_at(store));
  if (still) return {};
  return fail(ErrorCode::store_failed, "the store was moved away or replaced while it was open")
      .path(store);
}

}  // namespace flatkv::layout
