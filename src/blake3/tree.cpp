// SPDX-License-Identifier: Apache-2.0
#include "blake3/tree.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.hpp"
#include "blake3/blake3.hpp"
#include "blake3/constants.hpp"
#include "blake3/kernel.hpp"

// Chaining values serve as message bytes of their parents in place.
static_assert(std::endian::native == std::endian::little);

namespace flatkv::blake3 {
namespace {

const std::uint8_t* bytes_of(const std::uint32_t (*cvs)[8]) {
  return reinterpret_cast<const std::uint8_t*>(cvs);
}

void hash_chunks(const Backend& backend, const std::uint8_t* const* chunks, std::size_t count,
                 std::uint64_t counter, std::uint32_t (*cvs)[8]) {
  backend.hash_many(chunks, count, kChunkBytes / kBlockBytes, counter, true, kNone, kChunkStart,
                    kChunkEnd, cvs);
}

void one_chunk_root(const Backend& backend, ByteView head, ByteView body, OwnedRoot& out) {
  if (head.empty()) return chunk_root(backend, body, 0, out);
  std::uint8_t chunk[kChunkBytes];
  std::memcpy(chunk, head.data(), head.size());
  if (!body.empty()) std::memcpy(chunk + head.size(), body.data(), body.size());
  chunk_root(backend, {chunk, head.size() + body.size()}, 0, out);
}

// For more than one chunk and at most kWideChunks, with a head shorter than one.
void wide_root(const Backend& backend, ByteView head, ByteView body, OwnedRoot& out) {
  std::uint8_t first[kChunkBytes];
  const std::uint8_t* chunks[kWideChunks];
  std::size_t count = 0;
  if (!head.empty()) {
    const std::size_t shared = kChunkBytes - head.size();
    std::memcpy(first, head.data(), head.size());
    std::memcpy(first + head.size(), body.data(), shared);
    body = body.subspan(shared);
    chunks[count++] = first;
  }
  for (; body.size() >= kChunkBytes; body = body.subspan(kChunkBytes)) {
    chunks[count++] = body.data();
  }
  std::uint32_t cvs[kWideChunks + 1][8];
  hash_chunks(backend, chunks, count, 0, cvs);
  if (!body.empty()) {
    chunk_root(backend, body, count, out);
    chaining_value(backend, out.root, count, cvs[count]);
    ++count;
  }
  count = join_levels(backend, cvs, count, 2);
  FLATKV_ASSERT(count == 2);
  parent_root(cvs[0], cvs[1], out);
}

}  // namespace

void chunk_root(const Backend& backend, ByteView chunk, std::uint64_t counter,
                OwnedRoot& out) noexcept {
  FLATKV_ASSERT(chunk.size() <= kChunkBytes);
  std::memcpy(out.root.cv, kIv, sizeof kIv);
  std::uint32_t flags = kChunkStart;
  while (chunk.size() > kBlockBytes) {
    backend.compress(out.root.cv, chunk.data(), kBlockBytes, counter, flags);
    flags = kNone;
    chunk = chunk.subspan(kBlockBytes);
  }
  std::memset(out.block, 0, sizeof out.block);
  if (!chunk.empty()) std::memcpy(out.block, chunk.data(), chunk.size());
  out.root.block = out.block;
  out.root.block_bytes = static_cast<std::uint32_t>(chunk.size());
  out.root.flags = flags | kChunkEnd;
}

void chaining_value(const Backend& backend, const Root& root, std::uint64_t counter,
                    std::uint32_t (&cv)[8]) noexcept {
  std::memcpy(cv, root.cv, sizeof cv);
  backend.compress(cv, root.block, root.block_bytes, counter, root.flags);
}

void parent_root(const std::uint32_t (&left)[8], const std::uint32_t (&right)[8],
                 OwnedRoot& out) noexcept {
  std::memcpy(out.root.cv, kIv, sizeof kIv);
  std::memcpy(out.block, left, sizeof left);
  std::memcpy(out.block + sizeof left, right, sizeof right);
  out.root.block = out.block;
  out.root.block_bytes = kBlockBytes;
  out.root.flags = kParent;
}

std::size_t join_levels(const Backend& backend, std::uint32_t (*cvs)[8], std::size_t count,
                        std::size_t at_most) noexcept {
  const std::uint8_t* pairs[kWideChunks];
  std::uint32_t joined[kWideChunks][8];
  while (count > at_most) {
    const std::size_t parents = count / 2;
    FLATKV_ASSERT(parents <= kWideChunks);
    for (std::size_t i = 0; i < parents; ++i) pairs[i] = bytes_of(cvs + 2 * i);
    backend.hash_many(pairs, parents, 1, 0, false, kParent, kNone, kNone, joined);
    if (count % 2 != 0) std::memcpy(cvs[parents], cvs[count - 1], sizeof *cvs);
    std::memcpy(cvs, joined, parents * sizeof *cvs);
    count = parents + count % 2;
  }
  return count;
}

void find_root(const Backend& backend, ByteView head, ByteView body, OwnedRoot& out) noexcept {
  const std::size_t size = head.size() + body.size();
  if (size <= kChunkBytes) return one_chunk_root(backend, head, body, out);
  if (head.size() < kChunkBytes && size <= kWideChunks * kChunkBytes) {
    return wide_root(backend, head, body, out);
  }
  Hasher().update(head).update(body).find_root(backend, out);
}

void hash_pairs(std::span<const std::uint8_t* const> inputs, std::span<Digest> digests) noexcept {
  FLATKV_ASSERT(inputs.size() <= kMostPairs && digests.size() == inputs.size());
  const Backend& with = backend();
  const std::uint8_t* chunks[kMostPairs];
  std::uint32_t cvs[2][kMostPairs][8];
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t i = 0; i < inputs.size(); ++i) chunks[i] = inputs[i] + half * kChunkBytes;
    with.hash_many(chunks, inputs.size(), kChunkBytes / kBlockBytes, half, false, kNone,
                   kChunkStart, kChunkEnd, cvs[half]);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    OwnedRoot root;
    parent_root(cvs[0][i], cvs[1][i], root);
    digests[i] = digest_of(with, root.root);
  }
}

Digest digest_of(const Backend& backend, const Root& root) noexcept {
  Digest digest;
  output_of(backend, root, 0, digest);
  return digest;
}

void output_of(const Backend& backend, const Root& root, std::uint64_t seek,
               std::span<std::uint8_t> out) noexcept {
  std::uint64_t counter = seek / kBlockBytes;
  std::size_t skip = seek % kBlockBytes;
  while (!out.empty()) {
    std::uint8_t block[kBlockBytes];
    backend.output(root, counter, block);
    const std::size_t count = std::min(out.size(), kBlockBytes - skip);
    std::memcpy(out.data(), block + skip, count);
    out = out.subspan(count);
    skip = 0;
    ++counter;
  }
}

}  // namespace flatkv::blake3
