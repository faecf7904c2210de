// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "codec/local_meta.hpp"
#include "flatkv/error.hpp"
#include "flatkv/lthash.hpp"

// What a scrub and the commits share (invariant S1 in docs/recovery.md#scrub).
namespace flatkv::block {

/// The rows that are behind a scrub: those of `database` below `before`, or all of them.
struct ScrubFront {
  Database database = Database::account;
  std::optional<Bytes> before;

  bool covers(ByteView key) const;
};

/// Hash and counts of a set of rows, or a change to them. Counts wrap around, so a change can be
/// negative. The version in `stats` is not used.
struct ScrubChange {
  LtHash hash;
  DatabaseStats stats;

  ScrubChange& operator+=(const ScrubChange& other);
};

/// The front and the sum of the rows behind it, always as of the last published version. `mutex_`
/// holds the front still while a block is published; it is locked for microseconds.
class ScrubPart {
 public:
  std::shared_ptr<const ScrubFront> front() const {
    const std::lock_guard lock(mutex_);
    return front_;
  }

  /// Publishes a block and adds its change to the sum in one step. Calls `change(front)` only for a
  /// block that the sum does not have yet: during replay the sum may be ahead.
  template <class Change, class Publish>
  void commit(std::int64_t version, Change&& change, Publish&& publish) {
    const std::lock_guard lock(mutex_);
    if (version > version_) {
      if (front_) sum_ += std::forward<Change>(change)(front_);
      version_ = version;
    }
    std::forward<Publish>(publish)();
  }

  struct Reached {
    std::uint64_t rows = 0;
    std::int64_t version = 0;
  };
  Reached reached() const {
    const std::lock_guard lock(mutex_);
    return {sum_.stats.rows, version_};
  }

  struct Held {
    std::unique_lock<std::mutex> lock;
    std::shared_ptr<const ScrubFront>& front;  ///< null: nothing is behind yet
    ScrubChange& sum;
    std::int64_t& version;
  };
  /// For the scrub: no block is published while the result lives.
  Held hold() { return {std::unique_lock(mutex_), front_, sum_, version_}; }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ScrubFront> front_;
  ScrubChange sum_;
  std::int64_t version_ = 0;
};

}  // namespace flatkv::block
