// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "blake3/backend.hpp"
#include "blake3/constants.hpp"

namespace flatkv::blake3 {
namespace {

using V = __m128i;
constexpr std::size_t kLanes = 4;
constexpr std::size_t kFewest = 3;

inline V load(const void* from) { return _mm_load_si128(static_cast<const V*>(from)); }
inline V load_unaligned(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i_u*>(from));
}
inline void store(void* to, V v) { _mm_store_si128(static_cast<V*>(to), v); }
inline V broadcast(std::uint32_t word) { return _mm_set1_epi32(static_cast<int>(word)); }
inline V add(V a, V b) { return _mm_add_epi32(a, b); }
inline V exclusive_or(V a, V b) { return _mm_xor_si128(a, b); }
inline V add_limbs(V a, V b) { return _mm_add_epi16(a, b); }
inline V subtract_limbs(V a, V b) { return _mm_sub_epi16(a, b); }

template <int kBits>
inline V rotate(V v) {
  if constexpr (kBits == 16) {
    return _mm_shuffle_epi8(v, _mm_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2));
  } else if constexpr (kBits == 8) {
    return _mm_shuffle_epi8(v, _mm_set_epi8(12, 15, 14, 13, 8, 11, 10, 9, 4, 7, 6, 5, 0, 3, 2, 1));
  } else {
    return _mm_or_si128(_mm_srli_epi32(v, kBits), _mm_slli_epi32(v, 32 - kBits));
  }
}

inline void transpose(V* rows) {
  const V ab_low = _mm_unpacklo_epi32(rows[0], rows[1]);
  const V ab_high = _mm_unpackhi_epi32(rows[0], rows[1]);
  const V cd_low = _mm_unpacklo_epi32(rows[2], rows[3]);
  const V cd_high = _mm_unpackhi_epi32(rows[2], rows[3]);
  rows[0] = _mm_unpacklo_epi64(ab_low, cd_low);
  rows[1] = _mm_unpackhi_epi64(ab_low, cd_low);
  rows[2] = _mm_unpacklo_epi64(ab_high, cd_high);
  rows[3] = _mm_unpackhi_epi64(ab_high, cd_high);
}

// Byte shuffles that rotate each word by 16 and by 8.
[[maybe_unused]] alignas(64) constexpr std::uint8_t kMasks[32] = {
    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8,  9, 14, 15, 12, 13,
    1, 2, 3, 0, 5, 6, 7, 4, 9,  10, 11, 8, 13, 14, 15, 12,
};

#define FLATKV_CLOBBERS                                                                    \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

// Order matters: the last file uses what the others define.
// clang-format off
#include "blake3/sse41_core.gen"
#include "blake3/rows.inc"
#include "blake3/lanes.inc"
// clang-format on

}  // namespace

const Backend kSse41 = {Kernel::sse41, kWide, compress, output, hash_many, add_terms, settle};

}  // namespace flatkv::blake3

#endif
