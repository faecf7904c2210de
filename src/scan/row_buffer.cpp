// SPDX-License-Identifier: Apache-2.0
#include "scan/row_buffer.hpp"

#include "base/bytes.hpp"

namespace flatkv::scan {

void RowBuffer::add(ByteView key, ByteView value) {
  rows_.push_back({bytes_.size(), static_cast<std::uint32_t>(key.size()),
                   static_cast<std::uint32_t>(value.size())});
  append(bytes_, key);
  append(bytes_, value);
}

void RowBuffer::drop(std::size_t rows) {
  const std::size_t cut = rows == rows_.size() ? bytes_.size() : rows_[rows].at;
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(cut));
  rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(rows));
  for (Row& row : rows_) row.at -= cut;
}

}  // namespace flatkv::scan
