// SPDX-License-Identifier: Apache-2.0
#include "workloads/timed_files.hpp"

#include <utility>

#include "base/stopwatch.hpp"

namespace flatkv::bench {
namespace {

class TimedFile final : public fs::AppendFile {
 public:
  TimedFile(std::unique_ptr<fs::AppendFile> file, TimedFiles& all)
      : file_(std::move(file)), all_(all) {}

  Status append(std::span<const ByteView> parts) override { return file_->append(parts); }
  Status sync() override {
    const Stopwatch watch;
    Status done = file_->sync();
    all_.add(watch.nanoseconds());
    return done;
  }
  Status truncate(std::uint64_t size) override { return file_->truncate(size); }
  std::uint64_t size() const override { return file_->size(); }

 private:
  std::unique_ptr<fs::AppendFile> file_;
  TimedFiles& all_;
};

}  // namespace

std::vector<std::uint64_t> TimedFiles::take_syncs() {
  const std::lock_guard lock(mutex_);
  return std::exchange(syncs_, {});
}

void TimedFiles::add(std::uint64_t nanoseconds) {
  const std::lock_guard lock(mutex_);
  syncs_.push_back(nanoseconds);
}

Result<std::unique_ptr<fs::AppendFile>> TimedFiles::timed(
    Result<std::unique_ptr<fs::AppendFile>> file) {
  if (!file) return file;
  return std::make_unique<TimedFile>(*std::move(file), *this);
}

Result<std::unique_ptr<fs::AppendFile>> TimedFiles::create(const std::string& path) {
  return timed(files_.create(path));
}

Result<std::unique_ptr<fs::AppendFile>> TimedFiles::open_append(const std::string& path) {
  return timed(files_.open_append(path));
}

Status TimedFiles::sync_directory(const std::string& path) {
  const Stopwatch watch;
  Status done = files_.sync_directory(path);
  add(watch.nanoseconds());
  return done;
}

}  // namespace flatkv::bench
