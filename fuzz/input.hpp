// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "flatkv/bytes.hpp"

// Shared by the fuzz targets that read their bytes as a script.
namespace flatkv::fuzz {

/// Aborts on a finding: an assert that is active in every build.
inline void check(bool condition) {
  if (!condition) std::abort();
}

/// Reads the bytes from the front; zeros at the end.
class Input {
 public:
  explicit Input(ByteView bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : take(1)[0]; }
  std::uint32_t number() { return byte() + 256U * byte(); }
  ByteView take(std::size_t size) {
    const ByteView part = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(part.size());
    return part;
  }
  ByteView rest() { return take(bytes_.size()); }

 private:
  ByteView bytes_;
};

}  // namespace flatkv::fuzz
