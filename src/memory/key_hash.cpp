// SPDX-License-Identifier: Apache-2.0
#include "memory/key_hash.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): xxhash.h asks for it
#include <xxhash.h>

#include <array>
#include <cstddef>

#include "base/assert.hpp"
#include "base/random.hpp"

namespace flatkv::memory {
namespace {

/// As long as xxHash's own.
using Secret = std::array<std::uint8_t, XXH3_SECRET_DEFAULT_SIZE>;

Secret random_secret() {
  Secret secret{};
  const Status filled = fill_random(secret);
  FLATKV_ASSERT(filled);
  return secret;
}

const Secret kSecret = random_secret();

}  // namespace

std::uint64_t key_hash(ByteView key) noexcept {
  return XXH3_64bits_withSecret(key.data(), key.size(), kSecret.data(), kSecret.size());
}

}  // namespace flatkv::memory
