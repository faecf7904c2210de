#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace flatkv::engine {

/// Gives memory of `allocate_pages` back.
struct PageDeleter {
  std::size_t mapped = 0;  ///< bytes of a mapping; 0: from the heap
  void operator()(std::uint8_t* pages) const noexcept;
};
using Pages = std::unique_ptr<std::uint8_t[], PageDeleter>;

/// Memory filled with zeros, aligned to 64 bytes. From 2 MiB on it is a mapping of its own, aligned
/// to and asked for in huge pages (tables of a hundred megabytes are hit at random, and with small
/// pages half of each hit is a TLB miss), zeroed by the system as it is touched, and given back at
/// once. Throws std::bad_alloc, as `new` does.
Pages allocate_pages(std::size_t bytes);

/// Makes the system provide the huge pages that begin in this piece of a mapping now, and not when
/// they are touched. Contents stay. Only a hint: does nothing where it cannot be done.
void populate(std::uint8_t* from, std::size_t bytes) noexcept;

/// Mappings that one write buffer gave back, for the next. A page that the system has to provide
/// costs a block a fraction of a millisecond, and seven in a virtual machine whose host has to find
/// it first; those of the last buffer are at hand. Any thread.
class PagePool {
 public:
  /// Keeps at most so many bytes.
  explicit PagePool(std::size_t most_bytes);

  /// As allocate_pages, but what they hold is zeros only if `zeros`.
  Pages take(std::size_t bytes, bool zeros);
  /// `zeros`: fills them with zeros again for the next who wants such, on the caller's time.
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

}  // namespace flatkv::engine
