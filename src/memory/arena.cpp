// SPDX-License-Identifier: Apache-2.0
#include "memory/arena.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace flatkv::memory {
namespace {

constexpr std::size_t kFirstChunk = std::size_t{16} << 10;

}  // namespace

Arena::~Arena() {
  if (pool_ == nullptr) return;
  for (Chunk& chunk : chunks_) {
    // A chunk of a huge value is of no use to others: its size does not come again.
    if (chunk.size <= chunk_bytes_) pool_->give(std::move(chunk.bytes), false);
  }
}

void Arena::swap(Arena& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(chunk_bytes_, other.chunk_bytes_);
  std::swap(current_, other.current_);
  std::swap(used_, other.used_);
  std::swap(size_, other.size_);
  std::swap(memory_, other.memory_);
  chunks_.swap(other.chunks_);
}

Pages Arena::take(std::size_t bytes) {
  return pool_ == nullptr ? allocate_pages(bytes) : pool_->take(bytes, false);
}

ByteView Arena::copy(ByteView bytes) {
  std::uint8_t* to = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return {to, bytes.size()};
}

void Arena::grow(std::size_t bytes) {
  const std::size_t doubled =
      std::clamp(size_ * 2, std::min(kFirstChunk, chunk_bytes_), chunk_bytes_);
  const std::size_t size = std::max(doubled, bytes);
  chunks_.push_back({take(size), size});
  current_ = chunks_.back().bytes.get();
  size_ = size;
  used_ = 0;
  memory_ += size;
}

std::uint8_t* Arena::allocate_apart(std::size_t bytes) {
  // A chunk of its own, so that the rest of the current one is not thrown away; malloc's alignment
  // suffices for all that is put in here.
  chunks_.push_back({bytes > chunk_bytes_ ? allocate_pages(bytes) : take(bytes), bytes});
  memory_ += bytes;
  return chunks_.back().bytes.get();
}

void Arena::clear() {
  if (chunks_.empty()) return;
  auto kept = std::ranges::max_element(chunks_, {}, &Chunk::size);
  // One huge value must not pin its chunk for ever.
  if (kept->size > chunk_bytes_)
    kept =
        std::ranges::find(chunks_, current_, [](const Chunk& chunk) { return chunk.bytes.get(); });
  Chunk chunk;
  if (kept != chunks_.end()) chunk = std::move(*kept);
  chunks_.clear();
  used_ = 0;
  current_ = chunk.bytes.get();
  size_ = memory_ = chunk.size;
  if (current_ != nullptr) chunks_.push_back(std::move(chunk));
}

}  // namespace flatkv::memory
