// SPDX-License-Identifier: Apache-2.0
#include "blake3/blake3.hpp"

#include <algorithm>
#include <cstring>

#include "blake3/kernel.hpp"
#include "blake3/tree.hpp"

namespace flatkv::blake3 {
namespace {

// The chaining value of a complete subtree: `count` whole chunks, a power of two.
void subtree(const Backend& backend, const std::uint8_t* from, std::size_t count,
             std::uint64_t counter, std::uint32_t (&cv)[8]) {
  const std::uint8_t* chunks[kWideChunks];
  std::uint32_t cvs[kWideChunks][8];
  for (std::size_t i = 0; i < count; ++i) chunks[i] = from + i * kChunkBytes;
  backend.hash_many(chunks, count, kChunkBytes / kBlockBytes, counter, true, kNone, kChunkStart,
                    kChunkEnd, cvs);
  join_levels(backend, cvs, count, 1);
  std::memcpy(cv, cvs[0], sizeof cv);
}

}  // namespace

Digest hash(ByteView input) noexcept {
  const Backend& with = backend();
  OwnedRoot root;
  find_root(with, {}, input, root);
  return digest_of(with, root.root);
}

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): clearing 2.7 KB costs more than a hash
Hasher::Hasher() noexcept {}

// More input must follow: the node that is joined last is never the root.
void Hasher::add_subtree(const Backend& backend, const std::uint32_t (&cv)[8],
                         std::uint64_t chunks) noexcept {
  std::memcpy(subtrees_[depth_++], cv, sizeof cv);
  chunks_ += chunks;
  for (std::uint64_t pairs = chunks_ / chunks; pairs % 2 == 0; pairs /= 2) {
    OwnedRoot parent;
    parent_root(subtrees_[depth_ - 2], subtrees_[depth_ - 1], parent);
    --depth_;
    chaining_value(backend, parent.root, 0, subtrees_[depth_ - 1]);
  }
}

Hasher& Hasher::update(ByteView more) noexcept {
  const Backend& with = backend();
  std::uint32_t cv[8];
  while (!more.empty()) {
    if (buffered_ == kChunkBytes) {
      OwnedRoot chunk;
      chunk_root(with, {buffer_, kChunkBytes}, chunks_, chunk);
      chaining_value(with, chunk.root, chunks_, cv);
      add_subtree(with, cv, 1);
      buffered_ = 0;
    }
    if (buffered_ == 0 && more.size() > kChunkBytes) {
      std::size_t count = kWideChunks;
      while (chunks_ % count != 0 || count * kChunkBytes >= more.size()) count /= 2;
      subtree(with, more.data(), count, chunks_, cv);
      add_subtree(with, cv, count);
      more = more.subspan(count * kChunkBytes);
      continue;
    }
    const std::size_t count = std::min(more.size(), kChunkBytes - buffered_);
    std::memcpy(buffer_ + buffered_, more.data(), count);
    buffered_ += static_cast<std::uint32_t>(count);
    more = more.subspan(count);
  }
  return *this;
}

void Hasher::find_root(const Backend& backend, OwnedRoot& out) const noexcept {
  chunk_root(backend, {buffer_, buffered_}, chunks_, out);
  std::uint64_t counter = chunks_;
  for (std::uint32_t i = depth_; i-- > 0;) {
    std::uint32_t right[8];
    chaining_value(backend, out.root, counter, right);
    parent_root(subtrees_[i], right, out);
    counter = 0;
  }
}

Digest Hasher::finalize() const noexcept {
  const Backend& with = backend();
  OwnedRoot root;
  find_root(with, root);
  return digest_of(with, root.root);
}

void Hasher::finalize_xof(std::uint64_t seek, std::span<std::uint8_t> out) const noexcept {
  const Backend& with = backend();
  OwnedRoot root;
  find_root(with, root);
  output_of(with, root.root, seek, out);
}

}  // namespace flatkv::blake3
