// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace flatkv::rocks {

/// How new tables are built. Tables of any shape are read, beside each other.
struct TableShape {
  enum class Compression : std::uint8_t { none, lz4, zstd };

  std::size_t block_bytes = 4096;  ///< other sizes make no measurable difference in memory
  Compression compression = Compression::lz4;
  double filter_bits = 10;  ///< for each key
  /// Index and filter in parts, which the block cache holds as it holds blocks. Otherwise they are
  /// in memory, whole, while the table is open. Nothing: in parts where they would take more than
  /// half of memory.
  std::optional<bool> partitioned;
};

/// The shape of all tables that this process writes; the default but in measurements and tests.
TableShape table_shape() noexcept;
/// Set it while no database is open.
void set_table_shape(const TableShape& shape) noexcept;

}  // namespace flatkv::rocks
