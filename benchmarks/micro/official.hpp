// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// BLAKE3's official C library, for comparison. scripts/bench-kernel fetches it; the build never
// does, and only this program links it.

namespace flatkv::official {

/// The most that the library may use.
enum class Level { portable, sse41, avx2, avx512 };

/// False if the CPU lacks it.
bool limit_to(Level level);

/// 2048 bytes of extended output of the input, by the library's public interface.
void element(const std::uint8_t* input, std::size_t size, std::uint8_t* out);

/// The digest of the input.
void hash(const std::uint8_t* input, std::size_t size, std::uint8_t* out);

const char* version();

}  // namespace flatkv::official
