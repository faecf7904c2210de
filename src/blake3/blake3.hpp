// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"

namespace flatkv::blake3 {

struct Backend;
struct OwnedRoot;

/// BLAKE3-256 of the whole input, of any length.
Digest hash(ByteView input) noexcept;

/// Incremental hashing: any number of `update`s, then any number of `finalize`s. A value type of
/// about 3 KB; different threads may use different objects.
class Hasher {
 public:
  Hasher() noexcept;
  Hasher& update(ByteView more) noexcept;
  Digest finalize() const noexcept;
  /// `out.size()` bytes of the extended output, from byte `seek` on.
  void finalize_xof(std::uint64_t seek, std::span<std::uint8_t> out) const noexcept;

  /// The root of the input so far, for callers that draw output themselves (tree.hpp).
  void find_root(const Backend& backend, OwnedRoot& out) const noexcept;

 private:
  void add_subtree(const Backend& backend, const std::uint32_t (&cv)[8],
                   std::uint64_t chunks) noexcept;

  // Chunks that are in the tree; excludes the one in the buffer.
  std::uint64_t chunks_ = 0;
  std::uint32_t buffered_ = 0;
  std::uint32_t depth_ = 0;
  // Chaining values of the complete subtrees so far, largest first: one for each bit set in
  // `chunks_`. A 64-bit length has at most 2^54 chunks.
  std::uint32_t subtrees_[54][8];
  alignas(16) std::uint8_t buffer_[1024];
};

}  // namespace flatkv::blake3
