// SPDX-License-Identifier: Apache-2.0
#include "bench_directory.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/error.hpp"

namespace flatkv::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "FLATKV-BENCH";

std::unexpected<Trouble> failed(const std::string& path, const std::error_code& error) {
  return trouble(ExitCode::failed, fmt::format("{}: {}", path, error.message()));
}

Outcome<std::string> temporary() {
  std::error_code error;
  std::string path = (fs::temp_directory_path(error) / "flatkv-bench-XXXXXX").string();
  if (error) return failed("the directory for temporary files", error);
  if (::mkdtemp(path.data()) == nullptr) {
    return failed(path, std::error_code(errno, std::generic_category()));
  }
  return path;
}

/// Empties a directory that a benchmark left; refuses any other that is not empty.
Outcome<void> clear(const std::string& path) {
  std::error_code error;
  const bool marked = fs::is_regular_file(fs::path(path) / kMark, error);
  const bool empty = fs::is_empty(path, error);
  if (error) return failed(path, error);
  if (empty) return {};
  if (!marked) {
    return trouble(ExitCode::refused,
                   fmt::format("{} is neither empty nor was it made by `flatkv bench`", path),
                   "choose another --dir; nothing was changed");
  }
  for (const char* name : {"store", "raw", "rocksdb", "copy", "state.flatkv"}) {
    fs::remove_all(fs::path(path) / name, error);
    if (error) return failed(path, error);
  }
  return {};
}

Outcome<void> mark(const std::string& path) {
  std::ofstream file(fs::path(path) / kMark);
  file << "Stores in here are flatkv bench's own and are removed by it.\n";
  file.close();
  if (file) return {};
  return trouble(ExitCode::failed, fmt::format("{}: cannot be written to", path));
}

}  // namespace

Outcome<BenchDirectory> BenchDirectory::make(const std::string& path, bool keep) {
  std::string chosen = path;
  if (path.empty()) {
    FLATKV_ASSIGN(chosen, temporary());
  } else {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return failed(path, error);
    chosen = fs::canonical(path, error).string();
    if (error) return failed(path, error);
    FLATKV_TRY(clear(chosen));
  }
  FLATKV_TRY(mark(chosen));
  return BenchDirectory(chosen, keep);
}

BenchDirectory::BenchDirectory(BenchDirectory&& other) noexcept
    : path_(std::move(other.path_)), keep_(std::exchange(other.keep_, true)) {}

BenchDirectory::~BenchDirectory() {
  if (keep_) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace flatkv::cli
