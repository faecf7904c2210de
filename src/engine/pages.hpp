#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

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

}  // namespace flatkv::engine
