// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace flatkv::memory {

/// Frees the memory of `allocate_pages`.
struct PageDeleter {
  std::size_t mapped = 0;  ///< bytes of the mapping; 0: heap memory
  void operator()(std::uint8_t* pages) const noexcept;
};
using Pages = std::unique_ptr<std::uint8_t[], PageDeleter>;

/// Zeroed memory, aligned to 64 bytes. From 2 MiB on it is a mapping of its own, aligned to huge
/// pages and asking for them: tables of a hundred megabytes are accessed at random, and with small
/// pages half of the cost of an access is a TLB miss. The system zeroes a mapping as it is touched,
/// and gets it back at once when it is freed. Throws std::bad_alloc.
Pages allocate_pages(std::size_t bytes);

/// Makes the system provide the huge pages that begin in this piece of a mapping now instead of at
/// the first touch. Keeps the contents. A hint: does nothing where unsupported.
void populate(std::uint8_t* from, std::size_t bytes) noexcept;

/// Keeps the mappings of one write buffer for the next. A page fault on a new huge page costs a
/// block a fraction of a millisecond, and up to seven in a virtual machine whose host has to find
/// the memory first. Thread-safe.
class PagePool {
 public:
  /// Keeps at most `most_bytes`.
  explicit PagePool(std::size_t most_bytes);

  /// As allocate_pages, but the memory is zeroed only if `zeros` is set.
  Pages take(std::size_t bytes, bool zeros);
  /// Takes a mapping back. With `zeros` the caller's thread zeroes it for a later `take` with
  /// zeros.
  void give(Pages pages, bool zeros) noexcept;
  std::size_t kept() const noexcept;

 private:
  struct Entry {
    Pages pages;
    bool zeros = false;
  };
  const std::size_t most_bytes_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::size_t kept_ = 0;
};

}  // namespace flatkv::memory
