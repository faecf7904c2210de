// SPDX-License-Identifier: Apache-2.0
#include "workloads/device.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "base/stopwatch.hpp"

namespace flatkv::bench {
namespace {

constexpr std::uint64_t kPage = 4096;

/// All whole pages of some files, by number.
class Pages {
 public:
  Pages() = default;
  ~Pages() {
    for (const File& file : files_) ::close(file.descriptor);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  /// Leaves out a file that cannot be read directly, and an empty one.
  void add(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (descriptor < 0) return;
    const ::off_t bytes = ::lseek(descriptor, 0, SEEK_END);
    const std::uint64_t pages = bytes < 0 ? 0 : static_cast<std::uint64_t>(bytes) / kPage;
    if (pages == 0) {
      ::close(descriptor);
      return;
    }
    files_.push_back({descriptor, count_});
    count_ += pages;
  }
  std::uint64_t count() const noexcept { return count_; }

  bool read(std::uint64_t page, void* into) const {
    const auto next = std::ranges::upper_bound(files_, page, {}, &File::first);
    const File& file = *(next - 1);
    const auto offset = static_cast<::off_t>((page - file.first) * kPage);
    return ::pread(file.descriptor, into, kPage, offset) == static_cast<ssize_t>(kPage);
  }

 private:
  struct File {
    int descriptor;
    std::uint64_t first;
  };
  std::vector<File> files_;
  std::uint64_t count_ = 0;
};

/// Reads a second by that many threads; 0 if any failed.
double rate(const Pages& pages, unsigned threads, double seconds) {
  std::atomic<std::uint64_t> reads = 0;
  std::atomic<bool> failed = false;
  const Stopwatch watch;
  {
    std::vector<std::jthread> all;
    for (unsigned i = 0; i < threads; ++i) {
      all.emplace_back([&] {
        const std::unique_ptr<void, decltype(&std::free)> into(std::aligned_alloc(kPage, kPage),
                                                               &std::free);
        std::mt19937_64 random(std::random_device{}());  // other pages than the last time
        std::uint64_t done = 0;
        for (; into && !failed && watch.seconds() < seconds; ++done) {
          if (!pages.read(random() % pages.count(), into.get())) failed = true;
        }
        reads += done;
      });
    }
  }
  if (failed) return 0;
  return static_cast<double>(reads) / watch.seconds();
}

}  // namespace

Result<DeviceReads> measure_device(const std::string& directory, double seconds) {
  Pages pages;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(directory, error), end;
       !error && entry != end; entry.increment(error)) {
    if (entry->is_regular_file(error)) pages.add(entry->path().string());
  }
  if (pages.count() == 0) {
    return fail(ErrorCode::unsupported, "no file here can be read past the page cache")
        .path(directory);
  }
  const DeviceReads reads{.one = rate(pages, 1, seconds),
                          .many = rate(pages, kManyInFlight, seconds)};
  if (reads.one == 0 || reads.many == 0) {
    return fail(ErrorCode::io, "a direct read failed").path(directory);
  }
  return reads;
}

}  // namespace flatkv::bench
