// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "flatkv/bytes.hpp"
#include "memory/page_pool.hpp"

namespace flatkv::memory {

/// Bump allocation; everything is freed at once. One thread writes; what was handed out may be read
/// by any thread that was told of it with a release store.
class Arena {
 public:
  /// Chunks start small and double up to `chunk_bytes`; larger requests get a chunk of their own.
  /// Large chunks come from `pool`, and go there in the end, but for those of single requests above
  /// `chunk_bytes`; it may be null and outlives the arena.
  explicit Arena(PagePool* pool = nullptr, std::size_t chunk_bytes = std::size_t{2} << 20)
      : pool_(pool), chunk_bytes_(chunk_bytes) {}
  Arena(Arena&& other) noexcept : Arena(nullptr, other.chunk_bytes_) { swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Arena();

  std::uint8_t* allocate(std::size_t bytes, std::size_t alignment = 1) {
    std::size_t at = (used_ + alignment - 1) & ~(alignment - 1);
    if (bytes > size_ || at > size_ - bytes) {
      if (bytes > chunk_bytes_ / 4) return allocate_apart(bytes);
      grow(bytes);
      at = 0;
    }
    used_ = at + bytes;
    return current_ + at;
  }
  ByteView copy(ByteView bytes);

  /// Bytes taken from the system.
  std::size_t memory() const noexcept { return memory_; }
  /// Forgets everything; keeps the largest chunk for reuse.
  void clear();

 private:
  struct Chunk {
    Pages bytes;
    std::size_t size = 0;
  };
  void swap(Arena& other) noexcept;
  Pages take(std::size_t bytes);
  void grow(std::size_t bytes);
  std::uint8_t* allocate_apart(std::size_t bytes);

  PagePool* pool_;
  std::size_t chunk_bytes_;
  std::uint8_t* current_ = nullptr;
  std::size_t used_ = 0;
  std::size_t size_ = 0;
  std::size_t memory_ = 0;
  std::vector<Chunk> chunks_;
};

}  // namespace flatkv::memory
