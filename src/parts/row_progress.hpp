// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "flatkv/progress.hpp"

namespace flatkv::parts {

/// Reports the rows that several threads have done, one report at a time.
class RowProgress {
 public:
  RowProgress(const ProgressCallback& callback, std::string_view step, std::uint64_t total)
      : callback_(callback), step_(step), total_(total) {}

  void add(std::uint64_t rows) {
    const std::lock_guard lock(mutex_);
    done_ += rows;
    if (callback_) callback_(step_, done_, total_);
  }

 private:
  const ProgressCallback& callback_;
  const std::string_view step_;
  const std::uint64_t total_;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
};

}  // namespace flatkv::parts
