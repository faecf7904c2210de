// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/export.hpp"
#include "flatkv/roots.hpp"

namespace FLATKV_API flatkv {

/// The header of one changelog record.
struct LogRecord {
  std::int64_t version = 0;
  Roots roots;
  std::uint64_t payload_bytes = 0;
  Digest payload_digest{};
  /// Of the version: covers this header and those of all blocks before it.
  Digest chain{};
};

/// A block of the log, with its change sets in the order of the `apply` calls.
class LogBlock {
 public:
  LogBlock() = default;
  LogRecord record;
  /// Empty unless the block was read with changes. Valid as long as this object or a copy of it.
  std::span<const NamedChangeSet> change_sets() const noexcept;

 private:
  friend struct Internals;
  struct Impl;
  explicit LogBlock(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace flatkv
