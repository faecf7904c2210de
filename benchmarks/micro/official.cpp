// SPDX-License-Identifier: Apache-2.0
#include "official.hpp"

#include <blake3.h>

// The library's cached CPU detection, not static in a build with BLAKE3_TESTING.
extern "C" int g_cpu_features;
extern "C" int get_cpu_features(void);

namespace flatkv::official {
namespace {

int detected() {
  static const int features = [] {
    blake3_hasher hasher;
    std::uint8_t out[32];
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, out, 0);
    blake3_hasher_finalize(&hasher, out, sizeof out);  // makes the library detect the CPU
    return get_cpu_features();
  }();
  return features;
}

}  // namespace

// The bits as the library assigns them: SSE2, SSSE3, SSE4.1, AVX, AVX2, AVX-512F, AVX-512VL.
bool limit_to(Level level) {
  static constexpr int kMasks[] = {0, 0x07, 0x1f, 0x7f};
  const int mask = kMasks[static_cast<int>(level)];
  if ((detected() & mask) != mask) return false;
  g_cpu_features = mask;
  return true;
}

void element(const std::uint8_t* input, std::size_t size, std::uint8_t* out) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, input, size);
  blake3_hasher_finalize(&hasher, out, 2048);
}

void hash(const std::uint8_t* input, std::size_t size, std::uint8_t* out) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, input, size);
  blake3_hasher_finalize(&hasher, out, 32);
}

const char* version() { return blake3_version(); }

}  // namespace flatkv::official
