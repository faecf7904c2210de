// SPDX-License-Identifier: Apache-2.0
#include "parts/part_splitter.hpp"

#include <algorithm>
#include <limits>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "compare/digest_prefix.hpp"

namespace flatkv::parts {

void RowBuffer::add(ByteView key, ByteView value) {
  rows_.push_back({bytes_.size(), static_cast<std::uint32_t>(key.size()),
                   static_cast<std::uint32_t>(value.size())});
  append(bytes_, key);
  append(bytes_, value);
}

void RowBuffer::clear() noexcept {
  bytes_.clear();
  rows_.clear();
}

void RowBuffer::drop(std::size_t rows) {
  const std::size_t cut = rows == rows_.size() ? bytes_.size() : rows_[rows].at;
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(cut));
  rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(rows));
  for (Row& row : rows_) row.at -= cut;
}

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
  RowBuffer cut_off;
  for (std::size_t row = 0; row < part; ++row) cut_off.add(rows_.key(row), rows_.value(row));
  bytes_ -= part_bytes;
  rows_.drop(part);
  common_.erase(common_.begin(), common_.begin() + static_cast<std::ptrdiff_t>(part));
  return take_(std::move(cut_off));
}

}  // namespace flatkv::parts
