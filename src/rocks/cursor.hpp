// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::rocks {

/// Rows in [lower, upper) of internal keys; a missing bound is open.
struct Bounds {
  std::optional<Bytes> lower;
  std::optional<Bytes> upper;

  bool contains(ByteView key) const noexcept;
  /// Whether no key can lie within the bounds.
  bool empty() const noexcept;
};

/// Ordered walk over rows; keys are shown without their tag. One thread. A new cursor is not
/// positioned.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void seek_to_first() = 0;
  virtual void seek_to_last() = 0;
  virtual void seek(ByteView key) = 0;               ///< first row at or after key
  virtual void seek_for_previous(ByteView key) = 0;  ///< last row at or before key
  /// Only while `valid`.
  virtual void next() = 0;
  virtual void previous() = 0;
  /// False at either end and after an error: always ask `status`, or an error looks like the end.
  virtual bool valid() const = 0;
  virtual Status status() const = 0;
  /// Valid until the cursor moves.
  virtual ByteView key() const = 0;
  virtual ByteView value() const = 0;
};

/// Makes a cursor over the rows within the bounds. Called from several threads at once; all cursors
/// must show the same state, as those of a pinned database or merged over fixed layers do.
using CursorFactory = std::function<std::unique_ptr<Cursor>(const Bounds&)>;

}  // namespace flatkv::rocks
