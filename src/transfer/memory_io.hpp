// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <limits>

#include "base/bytes.hpp"
#include "flatkv/tools/transfer.hpp"

// Streams in memory.
namespace flatkv::transfer {

class MemorySink : public ByteSink {
 public:
  Status write(ByteView more) override {
    append(bytes, more);
    return {};
  }
  Bytes bytes;
};

/// Borrows the bytes.
class MemorySource : public ByteSource {
 public:
  /// `most`: how many bytes a read returns at most, ≥ 1.
  explicit MemorySource(ByteView bytes,
                        std::size_t most = std::numeric_limits<std::size_t>::max()) noexcept
      : rest_(bytes), most_(most) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    const std::size_t count = std::min({into.size(), rest_.size(), most_});
    std::ranges::copy(rest_.first(count), into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  ByteView rest_;
  std::size_t most_;
};

}  // namespace flatkv::transfer
