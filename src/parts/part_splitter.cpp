// SPDX-License-Identifier: Apache-2.0
#include "parts/part_splitter.hpp"

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "compare/digest_prefix.hpp"

namespace flatkv::parts {

Status PartSplitter::add(ByteView key, ByteView value) {
  const bool first = rows_.empty();  // of the database: cut leaves the last row here
  common_.push_back(
      first ? -1 : std::int64_t{compare::first_difference(rows_.key(rows_.size() - 1), key)});
  rows_.add(key, value);
  bytes_ += cost(key, value);
  while (bytes_ > limit_ && rows_.size() > 1) FLATKV_TRY(cut(false));
  return {};
}

Status PartSplitter::end() {
  while (!rows_.empty()) FLATKV_TRY(cut(true));
  common_.clear();
  return {};
}

/// The nodes that begin with the first row are those of its bits, and end before the first row that
/// shares fewer. Of those that do not hold a row given away before, the first part is the largest
/// one within the limit; one that goes on behind the rows that are here is larger.
Status PartSplitter::cut(bool ended) {
  const std::int64_t before = common_.front();
  const std::size_t seen = ended ? rows_.size() : rows_.size() - 1;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::uint64_t bytes = 0;
  std::size_t part = 1;
  std::uint64_t part_bytes = cost(rows_.key(0), rows_.value(0));
  for (std::size_t row = 0; row < seen && least > before; ++row) {
    bytes += cost(rows_.key(row), rows_.value(row));
    if (bytes > limit_) break;
    const std::int64_t common = row + 1 < rows_.size() ? common_[row + 1] : -1;
    if (common >= least) continue;
    least = common;
    part = row + 1;
    part_bytes = bytes;
  }
  scan::RowBuffer cut_off;
  for (std::size_t row = 0; row < part; ++row) cut_off.add(rows_.key(row), rows_.value(row));
  bytes_ -= part_bytes;
  rows_.drop(part);
  common_.erase(common_.begin(), common_.begin() + static_cast<std::ptrdiff_t>(part));
  return take_(std::move(cut_off));
}

}  // namespace flatkv::parts
