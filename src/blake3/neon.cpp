// SPDX-License-Identifier: Apache-2.0
#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "blake3/backend.hpp"
#include "blake3/constants.hpp"

namespace flatkv::blake3 {
namespace {

using V = uint32x4_t;
constexpr std::size_t kLanes = 4;
constexpr std::size_t kFewest = 3;
constexpr auto compress = compress_portable;

inline V load(const void* from) { return vld1q_u32(static_cast<const std::uint32_t*>(from)); }
// By bytes: inputs need not be aligned to words.
inline V load_unaligned(const void* from) {
  return vreinterpretq_u32_u8(vld1q_u8(static_cast<const std::uint8_t*>(from)));
}
inline void store(void* to, V v) { vst1q_u32(static_cast<std::uint32_t*>(to), v); }
inline V broadcast(std::uint32_t word) { return vdupq_n_u32(word); }
inline V add(V a, V b) { return vaddq_u32(a, b); }
inline V exclusive_or(V a, V b) { return veorq_u32(a, b); }
inline V add_limbs(V a, V b) {
  return vreinterpretq_u32_u16(vaddq_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b)));
}
inline V subtract_limbs(V a, V b) {
  return vreinterpretq_u32_u16(vsubq_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b)));
}

template <int kBits>
inline V rotate(V v) {
  if constexpr (kBits == 16) {
    return vreinterpretq_u32_u16(vrev32q_u16(vreinterpretq_u16_u32(v)));
  } else {
    return vsriq_n_u32(vshlq_n_u32(v, 32 - kBits), v, kBits);
  }
}

inline void transpose(V* rows) {
  const uint32x4x2_t ab = vtrnq_u32(rows[0], rows[1]);
  const uint32x4x2_t cd = vtrnq_u32(rows[2], rows[3]);
  rows[0] = vcombine_u32(vget_low_u32(ab.val[0]), vget_low_u32(cd.val[0]));
  rows[1] = vcombine_u32(vget_low_u32(ab.val[1]), vget_low_u32(cd.val[1]));
  rows[2] = vcombine_u32(vget_high_u32(ab.val[0]), vget_high_u32(cd.val[0]));
  rows[3] = vcombine_u32(vget_high_u32(ab.val[1]), vget_high_u32(cd.val[1]));
}

#include "blake3/lanes.inc"

}  // namespace

const Backend kNeon = {Kernel::neon, kWide,     compress, output_portable,
                       hash_many,    add_terms, settle};

}  // namespace flatkv::blake3

#endif
