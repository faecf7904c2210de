#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "flatkv/bytes.hpp"

namespace flatkv::engine {

/// Bump allocation; everything is freed at once. One thread writes; what was handed out may be read
/// by any thread that was told of it with a release store.
class Arena {
 public:
  explicit Arena(std::size_t chunk_bytes = 1U << 20) : chunk_bytes_(chunk_bytes) {}
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;

  std::uint8_t* allocate(std::size_t bytes, std::size_t alignment = 1) {
    std::size_t at = (used_ + alignment - 1) & ~(alignment - 1);
    if (chunks_.empty() || at + bytes > size_) {
      grow(bytes);
      at = 0;
    }
    used_ = at + bytes;
    return chunks_.back().get() + at;
  }
  ByteView copy(ByteView bytes);

  /// Bytes taken from the system.
  std::size_t memory() const noexcept { return memory_; }
  /// Forgets everything; keeps the first chunk for reuse.
  void clear();

 private:
  void grow(std::size_t bytes);

  std::size_t chunk_bytes_;
  std::size_t used_ = 0;
  std::size_t size_ = 0;
  std::size_t memory_ = 0;
  std::vector<std::unique_ptr<std::uint8_t[]>> chunks_;
};

}  // namespace flatkv::engine
