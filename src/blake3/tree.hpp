// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "blake3/backend.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::blake3 {

/// A root together with the block that it borrows, which is why it cannot be copied or moved.
struct OwnedRoot {
  OwnedRoot() = default;
  OwnedRoot(const OwnedRoot&) = delete;
  OwnedRoot& operator=(const OwnedRoot&) = delete;

  Root root;
  std::uint8_t block[kBlockBytes];
};

/// The root of the tree over `head` followed by `body`. Fastest if all chunks of the body fit side
/// by side (up to 64 KiB) and the head is shorter than a chunk: then only the bytes that share a
/// chunk with the head are copied.
void find_root(const Backend& backend, ByteView head, ByteView body, OwnedRoot& out) noexcept;

/// Digest and extended output of a root.
Digest digest_of(const Backend& backend, const Root& root) noexcept;
void output_of(const Backend& backend, const Root& root, std::uint64_t seek,
               std::span<std::uint8_t> out) noexcept;

/// Root of the chunk number `counter`, of at most kChunkBytes bytes.
void chunk_root(const Backend& backend, ByteView chunk, std::uint64_t counter,
                OwnedRoot& out) noexcept;

/// The chaining value of a node that is not the root.
void chaining_value(const Backend& backend, const Root& root, std::uint64_t counter,
                    std::uint32_t (&cv)[8]) noexcept;

/// Root of a parent node.
void parent_root(const std::uint32_t (&left)[8], const std::uint32_t (&right)[8],
                 OwnedRoot& out) noexcept;

/// Digests of up to kMostPairs inputs of two chunks (2048 bytes) each, side by side: five cost
/// little more than one.
constexpr std::size_t kMostPairs = 8;
void hash_pairs(std::span<const std::uint8_t* const> inputs, std::span<Digest> digests) noexcept;

/// The most chunks that are hashed side by side.
constexpr std::size_t kWideChunks = 64;

/// Joins the nodes of one level of a tree in pairs (an odd last one moves up unchanged) until
/// `at_most` are left; returns how many are.
std::size_t join_levels(const Backend& backend, std::uint32_t (*cvs)[8], std::size_t count,
                        std::size_t at_most) noexcept;

}  // namespace flatkv::blake3
