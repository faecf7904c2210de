// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "simdisk/life.hpp"
#include "simdisk/sites.hpp"

namespace flatkv::simdisk {

/// A disk just before an operation that changes it.
struct Moment {
  std::uint64_t n = 0;
  Operation operation = Operation::create;
  std::string path;
  Progress progress;
  std::unique_ptr<SimDisk> disk;

  std::string name() const {
    return "operation " + std::to_string(n) + ", " + std::string(to_string(operation)) + " " +
           path + " in " + progress.phase;
  }
};

/// A moment for each changing operation of `act`.
inline std::vector<Moment> moments_of(SimDisk& disk, const std::function<void()>& act) {
  std::vector<Moment> moments;
  disk.watch([&](Operation operation, const std::string& path) {
    moments.push_back({moments.size() + 1, operation, path, {}, disk.clone()});
  });
  act();
  disk.watch({});
  return moments;
}

}  // namespace flatkv::simdisk
