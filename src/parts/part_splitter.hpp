// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/error.hpp"
#include "scan/row_buffer.hpp"

namespace flatkv::parts {

/// A part of this size is not divided, one above it is, unless it is one row (docs/formats.md).
inline constexpr std::uint64_t kPartBytes = 16ULL << 20;

/// Divides the rows of a database, as they come in key order, into parts that follow from the rows
/// alone. Memory: two parts and a row. One thread.
class PartSplitter {
 public:
  /// Called with the rows of each part, in order.
  using Take = std::function<Status(scan::RowBuffer part)>;
  explicit PartSplitter(Take take, std::uint64_t limit = kPartBytes)
      : take_(std::move(take)), limit_(limit) {}

  Status add(ByteView key, ByteView value);
  /// After the last row of a database; another one may begin.
  Status end();

 private:
  /// Gives away the first part. `ended`: no row follows those that are here.
  Status cut(bool ended);
  static std::uint64_t cost(ByteView key, ByteView value) noexcept {
    return 8 + key.size() + value.size();
  }

  Take take_;
  std::uint64_t limit_;
  scan::RowBuffer rows_;
  /// The bits that each row has in common with the one before it; of the first, with the last one
  /// given away. −1: there is none.
  std::vector<std::int64_t> common_;
  std::uint64_t bytes_ = 0;
};

}  // namespace flatkv::parts
