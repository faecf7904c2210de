// SPDX-License-Identifier: Apache-2.0
#include "memory/key_hash.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/assert.hpp"
#include "base/endian.hpp"

namespace flatkv::memory {
namespace {

using Seeds = std::array<std::uint64_t, 4>;

/// Random per process: users of the chain choose the keys, and must not be able to make them
/// collide.
Seeds random_seeds() {
  Seeds seeds{};
  auto* to = reinterpret_cast<std::uint8_t*>(seeds.data());
  for (std::size_t have = 0; have < sizeof seeds;) {
    const ssize_t got = ::getrandom(to + have, sizeof seeds - have, 0);
    FLATKV_ASSERT(got > 0 || errno == EINTR);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  return seeds;
}

const Seeds kSeeds = random_seeds();

__extension__ using Wide = unsigned __int128;

/// Folds both halves of the product: every bit of either factor affects every bit of the result.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t word(const std::uint8_t* from) noexcept { return load_le<std::uint64_t>(from); }

}  // namespace

std::uint64_t key_hash(ByteView key) noexcept {
  const std::uint8_t* bytes = key.data();
  const std::size_t size = key.size();
  std::uint64_t state = kSeeds[0] ^ size;
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (size >= 16) {
    for (std::size_t at = 0; at + 16 < size; at += 16) {
      state = fold(word(bytes + at) ^ kSeeds[1], word(bytes + at + 8) ^ state);
    }
    // The last 16 bytes may overlap the previous ones; the size in the state keeps lengths apart.
    low = word(bytes + size - 16);
    high = word(bytes + size - 8);
  } else if (size >= 8) {
    low = word(bytes);
    high = word(bytes + size - 8);
  } else if (size >= 4) {
    low = load_le<std::uint32_t>(bytes);
    high = load_le<std::uint32_t>(bytes + size - 4);
  } else if (size > 0) {
    low = (std::uint64_t{bytes[0]} << 16) | (std::uint64_t{bytes[size / 2]} << 8) | bytes[size - 1];
  }
  return fold(fold(low ^ kSeeds[2], high ^ state), kSeeds[3] ^ size);
}

}  // namespace flatkv::memory
