// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/reuse.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::scan {

/// Rows of one database, and the bytes that they lie in.
class RowBuffer {
 public:
  void add(ByteView key, ByteView value);
  void clear() noexcept {
    clear_for_reuse(bytes_);
    clear_for_reuse(rows_);
  }
  std::size_t size() const noexcept { return rows_.size(); }
  bool empty() const noexcept { return rows_.empty(); }
  /// Of all keys and values.
  std::size_t bytes() const noexcept { return bytes_.size(); }
  ByteView key(std::size_t row) const noexcept { return part(rows_[row].at, rows_[row].key); }
  ByteView value(std::size_t row) const noexcept {
    return part(rows_[row].at + rows_[row].key, rows_[row].value);
  }
  /// Removes the first rows.
  void drop(std::size_t rows);

 private:
  struct Row {
    std::size_t at;
    std::uint32_t key;
    std::uint32_t value;
  };
  ByteView part(std::size_t at, std::size_t size) const noexcept {
    return ByteView(bytes_).subspan(at, size);
  }

  Bytes bytes_;
  std::vector<Row> rows_;
};

}  // namespace flatkv::scan
