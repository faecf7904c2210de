// SPDX-License-Identifier: Apache-2.0
#include "support/plain_blake3.hpp"

#include <algorithm>
#include <bit>

namespace flatkv::test {
namespace {

using Words8 = std::array<std::uint32_t, 8>;
using Words16 = std::array<std::uint32_t, 16>;

constexpr Words8 kInitial = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                             0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
constexpr std::array<std::size_t, 16> kPermutation = {2, 6,  3,  10, 7, 0,  4,  13,
                                                      1, 11, 12, 5,  9, 14, 15, 8};
enum Flag : std::uint32_t { chunk_start = 1, chunk_end = 2, parent = 4, root = 8 };

/// The input of the last compression of a chunk or parent, to be finished as a chaining value or as
/// output.
struct Node {
  Words8 chaining = kInitial;
  Words16 block{};
  std::uint64_t counter = 0;
  std::uint32_t bytes = 64;
  std::uint32_t flags = 0;
};

Words16 compress(const Node& node, std::uint64_t counter, std::uint32_t flags) {
  Words16 v{};
  std::copy(node.chaining.begin(), node.chaining.end(), v.begin());
  std::copy_n(kInitial.begin(), 4, v.begin() + 8);
  v[12] = static_cast<std::uint32_t>(counter);
  v[13] = static_cast<std::uint32_t>(counter >> 32);
  v[14] = node.bytes;
  v[15] = flags;
  Words16 m = node.block;
  const auto mix = [&v](std::size_t a, std::size_t b, std::size_t c, std::size_t d, std::uint32_t x,
                        std::uint32_t y) {
    v[a] += v[b] + x;
    v[d] = std::rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = std::rotr(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 7);
  };
  for (int round = 0; round < 7; ++round) {
    for (std::size_t i = 0; i < 4; ++i) mix(i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1]);
    for (std::size_t i = 0; i < 4; ++i) {
      mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i]);
    }
    Words16 next{};
    for (std::size_t i = 0; i < 16; ++i) next[i] = m[kPermutation[i]];
    m = next;
  }
  for (std::size_t i = 0; i < 8; ++i) {
    v[i] ^= v[i + 8];
    v[i + 8] ^= node.chaining[i];
  }
  return v;
}

Words8 chaining_value(const Node& node) {
  const Words16 all = compress(node, node.counter, node.flags);
  Words8 first{};
  std::copy_n(all.begin(), 8, first.begin());
  return first;
}

Words16 load_block(ByteView bytes) {
  Words16 block{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    block[i / 4] |= static_cast<std::uint32_t>(bytes[i]) << (8 * (i % 4));
  }
  return block;
}

Node chunk_node(ByteView chunk, std::uint64_t counter) {
  Node node;
  node.counter = counter;
  node.flags = chunk_start;
  while (chunk.size() > 64) {
    node.block = load_block(chunk.first(64));
    node.chaining = chaining_value(node);
    node.flags = 0;
    chunk = chunk.subspan(64);
  }
  node.block = load_block(chunk);
  node.bytes = static_cast<std::uint32_t>(chunk.size());
  node.flags |= chunk_end;
  return node;
}

Node tree_node(ByteView input, std::uint64_t first_chunk) {
  if (input.size() <= 1024) return chunk_node(input, first_chunk);
  // The left side is the largest power of two of chunks that leaves something to the right.
  const std::size_t left_chunks = std::bit_floor((input.size() - 1) / 1024);
  const Words8 left = chaining_value(tree_node(input.first(left_chunks * 1024), first_chunk));
  const Words8 right =
      chaining_value(tree_node(input.subspan(left_chunks * 1024), first_chunk + left_chunks));
  Node node;
  std::copy(left.begin(), left.end(), node.block.begin());
  std::copy(right.begin(), right.end(), node.block.begin() + 8);
  node.flags = parent;
  return node;
}

}  // namespace

void plain_blake3_xof(ByteView input, std::span<std::uint8_t> out) {
  const Node top = tree_node(input, 0);
  for (std::size_t done = 0; done < out.size(); done += 64) {
    const Words16 words = compress(top, done / 64, top.flags | root);
    for (std::size_t i = 0; i < std::min<std::size_t>(64, out.size() - done); ++i) {
      out[done + i] = static_cast<std::uint8_t>(words[i / 4] >> (8 * (i % 4)));
    }
  }
}

Digest plain_blake3(ByteView input) {
  Digest digest{};
  plain_blake3_xof(input, digest);
  return digest;
}

}  // namespace flatkv::test
