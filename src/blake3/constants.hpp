// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Data only, with internal linkage: the instruction-set files include it (see backend.hpp).

namespace flatkv::blake3 {

/// The initial chaining value (that of SHA-256).
constexpr std::uint32_t kIv[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                  0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

/// Which message word each of the 16 additions of a round takes.
constexpr std::uint8_t kSchedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

/// The counters of the output blocks of an element, rotated right by 16.
alignas(64) constexpr std::uint32_t kTurnedCounters[32] = {
    0U << 16,  1U << 16,  2U << 16,  3U << 16,  4U << 16,  5U << 16,  6U << 16,  7U << 16,
    8U << 16,  9U << 16,  10U << 16, 11U << 16, 12U << 16, 13U << 16, 14U << 16, 15U << 16,
    16U << 16, 17U << 16, 18U << 16, 19U << 16, 20U << 16, 21U << 16, 22U << 16, 23U << 16,
    24U << 16, 25U << 16, 26U << 16, 27U << 16, 28U << 16, 29U << 16, 30U << 16, 31U << 16,
};

}  // namespace flatkv::blake3
