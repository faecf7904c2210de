// SPDX-License-Identifier: Apache-2.0
#include "workloads/timed_files.hpp"

#include <time.h>

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
    return all_.timed_sync([this] { return file_->sync(); });
  }
  Status truncate(std::uint64_t size) override { return file_->truncate(size); }
  std::uint64_t size() const override { return file_->size(); }

 private:
  std::unique_ptr<fs::AppendFile> file_;
  TimedFiles& all_;
};

}  // namespace

std::uint64_t processor_nanoseconds() {
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::vector<SyncTime> TimedFiles::take_syncs() {
  const std::lock_guard lock(mutex_);
  return std::exchange(syncs_, {});
}

Status TimedFiles::timed_sync(const std::function<Status()>& sync) {
  const std::uint64_t before = processor_nanoseconds();
  const Stopwatch watch;
  Status done = sync();
  const SyncTime took{watch.nanoseconds(), processor_nanoseconds() - before};
  const std::lock_guard lock(mutex_);
  syncs_.push_back(took);
  return done;
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
  return timed_sync([&] { return files_.sync_directory(path); });
}

}  // namespace flatkv::bench
