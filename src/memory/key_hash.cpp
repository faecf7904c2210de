// SPDX-License-Identifier: Apache-2.0
#include "memory/key_hash.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): xxhash.h asks for it
#include <sys/random.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "base/assert.hpp"

namespace flatkv::memory {
namespace {

/// As long as xxHash's own.
using Secret = std::array<std::uint8_t, XXH3_SECRET_DEFAULT_SIZE>;

Secret random_secret() {
  Secret secret{};
  for (std::size_t have = 0; have < secret.size();) {
    const ssize_t got = ::getrandom(secret.data() + have, secret.size() - have, 0);
    FLATKV_ASSERT(got > 0 || errno == EINTR);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  return secret;
}

const Secret kSecret = random_secret();

}  // namespace

std::uint64_t key_hash(ByteView key) noexcept {
  return XXH3_64bits_withSecret(key.data(), key.size(), kSecret.data(), kSecret.size());
}

}  // namespace flatkv::memory
