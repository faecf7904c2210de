// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "blake3/backend.hpp"
#include "blake3/constants.hpp"

namespace flatkv::blake3 {
namespace {

using V = __m256i;
constexpr std::size_t kLanes = 8;
constexpr std::size_t kFewest = 4;

inline V load(const void* from) { return _mm256_load_si256(static_cast<const V*>(from)); }
inline V load_unaligned(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i_u*>(from));
}
inline void store(void* to, V v) { _mm256_store_si256(static_cast<V*>(to), v); }
inline V broadcast(std::uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }
inline V add(V a, V b) { return _mm256_add_epi32(a, b); }
inline V exclusive_or(V a, V b) { return _mm256_xor_si256(a, b); }
inline V add_limbs(V a, V b) { return _mm256_add_epi16(a, b); }
inline V subtract_limbs(V a, V b) { return _mm256_sub_epi16(a, b); }

template <int kBits>
inline V rotate(V v) {
  if constexpr (kBits == 16) {
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(_mm_set_epi8(
                                      13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2)));
  } else if constexpr (kBits == 8) {
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(_mm_set_epi8(
                                      12, 15, 14, 13, 8, 11, 10, 9, 4, 7, 6, 5, 0, 3, 2, 1)));
  } else {
    return _mm256_or_si256(_mm256_srli_epi32(v, kBits), _mm256_slli_epi32(v, 32 - kBits));
  }
}

inline void transpose(V* rows) {
  const V ab_low = _mm256_unpacklo_epi32(rows[0], rows[1]);
  const V ab_high = _mm256_unpackhi_epi32(rows[0], rows[1]);
  const V cd_low = _mm256_unpacklo_epi32(rows[2], rows[3]);
  const V cd_high = _mm256_unpackhi_epi32(rows[2], rows[3]);
  const V ef_low = _mm256_unpacklo_epi32(rows[4], rows[5]);
  const V ef_high = _mm256_unpackhi_epi32(rows[4], rows[5]);
  const V gh_low = _mm256_unpacklo_epi32(rows[6], rows[7]);
  const V gh_high = _mm256_unpackhi_epi32(rows[6], rows[7]);
  const V abcd0 = _mm256_unpacklo_epi64(ab_low, cd_low);
  const V abcd1 = _mm256_unpackhi_epi64(ab_low, cd_low);
  const V abcd2 = _mm256_unpacklo_epi64(ab_high, cd_high);
  const V abcd3 = _mm256_unpackhi_epi64(ab_high, cd_high);
  const V efgh0 = _mm256_unpacklo_epi64(ef_low, gh_low);
  const V efgh1 = _mm256_unpackhi_epi64(ef_low, gh_low);
  const V efgh2 = _mm256_unpacklo_epi64(ef_high, gh_high);
  const V efgh3 = _mm256_unpackhi_epi64(ef_high, gh_high);
  rows[0] = _mm256_permute2x128_si256(abcd0, efgh0, 0x20);
  rows[1] = _mm256_permute2x128_si256(abcd1, efgh1, 0x20);
  rows[2] = _mm256_permute2x128_si256(abcd2, efgh2, 0x20);
  rows[3] = _mm256_permute2x128_si256(abcd3, efgh3, 0x20);
  rows[4] = _mm256_permute2x128_si256(abcd0, efgh0, 0x31);
  rows[5] = _mm256_permute2x128_si256(abcd1, efgh1, 0x31);
  rows[6] = _mm256_permute2x128_si256(abcd2, efgh2, 0x31);
  rows[7] = _mm256_permute2x128_si256(abcd3, efgh3, 0x31);
}

// Byte shuffles that rotate each word by 16 and by 8.
alignas(64) constexpr std::uint8_t kMasks[64] = {
    2,  3,  0,  1,  6, 7, 4,  5,  10, 11, 8, 9, 14, 15, 12, 13, 2,  3,  0,  1,  6,  7,
    4,  5,  10, 11, 8, 9, 14, 15, 12, 13, 1, 2, 3,  0,  5,  6,  7,  4,  9,  10, 11, 8,
    13, 14, 15, 12, 1, 2, 3,  0,  5,  6,  7, 4, 9,  10, 11, 8,  13, 14, 15, 12,
};

#define FLATKV_CLOBBERS                                                                    \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

// Order matters: the last file uses what the others define.
// clang-format off
#include "blake3/avx2_core.gen"
#include "blake3/rows.inc"
#include "blake3/lanes.inc"
// clang-format on

}  // namespace

const Backend kAvx2 = {Kernel::avx2, kWide, compress, output, hash_many, add_terms, settle};

}  // namespace flatkv::blake3

#endif
