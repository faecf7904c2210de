// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace flatkv::bench {

/// What the device under a directory gives: random reads of 4 KiB a second, past the page cache.
struct DeviceReads {
  double one = 0;   ///< with one in flight
  double many = 0;  ///< with kManyInFlight
};
inline constexpr unsigned kManyInFlight = 32;

/// Reads the files at or below `directory`, for so many seconds each way. `unsupported` where the
/// file system cannot read past the page cache, or where there is nothing to read.
Result<DeviceReads> measure_device(const std::string& directory, double seconds);

}  // namespace flatkv::bench
