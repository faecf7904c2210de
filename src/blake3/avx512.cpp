// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "blake3/backend.hpp"
#include "blake3/constants.hpp"

namespace flatkv::blake3 {
namespace {

using V = __m512i;
constexpr std::size_t kLanes = 16;
constexpr std::size_t kFewest = 5;

inline V load(const void* from) { return _mm512_load_si512(from); }
inline V load_unaligned(const void* from) { return _mm512_loadu_si512(from); }
inline void store(void* to, V v) { _mm512_store_si512(to, v); }
inline V broadcast(std::uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
inline V add(V a, V b) { return _mm512_add_epi32(a, b); }
inline V exclusive_or(V a, V b) { return _mm512_xor_si512(a, b); }
inline V add_limbs(V a, V b) { return _mm512_add_epi16(a, b); }
inline V subtract_limbs(V a, V b) { return _mm512_sub_epi16(a, b); }

template <int kBits>
inline V rotate(V v) {
  return _mm512_ror_epi32(v, kBits);
}

// Words within quarters, pairs of words within quarters, then the quarters themselves.
inline void transpose(V* rows) {
  V words[16];
  for (int i = 0; i < 16; i += 2) {
    words[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    words[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  V pairs[16];
  for (int i = 0; i < 16; i += 4) {
    pairs[i] = _mm512_unpacklo_epi64(words[i], words[i + 2]);
    pairs[i + 1] = _mm512_unpackhi_epi64(words[i], words[i + 2]);
    pairs[i + 2] = _mm512_unpacklo_epi64(words[i + 1], words[i + 3]);
    pairs[i + 3] = _mm512_unpackhi_epi64(words[i + 1], words[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    const V even_low = _mm512_shuffle_i32x4(pairs[i], pairs[i + 4], 0x88);
    const V odd_low = _mm512_shuffle_i32x4(pairs[i], pairs[i + 4], 0xdd);
    const V even_high = _mm512_shuffle_i32x4(pairs[i + 8], pairs[i + 12], 0x88);
    const V odd_high = _mm512_shuffle_i32x4(pairs[i + 8], pairs[i + 12], 0xdd);
    rows[i] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    rows[i + 4] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
    rows[i + 12] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
  }
}

// Unused: there is a rotate instruction.
constexpr std::uint8_t kMasks[1] = {0};

#define FLATKV_CLOBBERS                                                                         \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",      \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", \
      "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", \
      "xmm31"

// Order matters: the last file uses what the others define.
// clang-format off
#include "blake3/avx512_core.gen"
#include "blake3/rows.inc"
#include "blake3/lanes.inc"
// clang-format on

}  // namespace

const Backend kAvx512 = {Kernel::avx512, kWide, compress, output, hash_many, add_terms, settle};

}  // namespace flatkv::blake3

#endif
