#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"

namespace flatkv::blake3 {

/// BLAKE3-256 of the whole input; any length.
Digest hash(ByteView input) noexcept;

/// Incremental hashing: `update` any number of times, then any number of `finalize`s.
class Hasher {
 public:
  Hasher() noexcept;
  Hasher& update(ByteView more) noexcept;
  Digest finalize() const noexcept;
  /// `out.size()` bytes of the extended output from byte `seek` on.
  void finalize_xof(std::uint64_t seek, std::span<std::uint8_t> out) const noexcept;

 private:
  // to be filled in by the implementation
};

}  // namespace flatkv::blake3
