#include "engine/arena.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace flatkv::engine {
namespace {

constexpr std::size_t kFirstChunk = std::size_t{16} << 10;

}  // namespace

Arena::Arena(Arena&& other) noexcept
    : chunk_bytes_(other.chunk_bytes_),
      current_(std::exchange(other.current_, nullptr)),
      used_(std::exchange(other.used_, 0)),
      size_(std::exchange(other.size_, 0)),
      memory_(std::exchange(other.memory_, 0)),
      chunks_(std::exchange(other.chunks_, {})) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this == &other) return *this;
  chunk_bytes_ = other.chunk_bytes_;
  current_ = std::exchange(other.current_, nullptr);
  used_ = std::exchange(other.used_, 0);
  size_ = std::exchange(other.size_, 0);
  memory_ = std::exchange(other.memory_, 0);
  chunks_ = std::exchange(other.chunks_, {});
  return *this;
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
  chunks_.push_back({allocate_pages(size), size});
  current_ = chunks_.back().bytes.get();
  size_ = size;
  used_ = 0;
  memory_ += size;
}

std::uint8_t* Arena::allocate_apart(std::size_t bytes) {
  // A chunk of its own, so that the rest of the current one is not thrown away; malloc's alignment
  // suffices for all that is put in here.
  chunks_.push_back({allocate_pages(bytes), bytes});
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

}  // namespace flatkv::engine
