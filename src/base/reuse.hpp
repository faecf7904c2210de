// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace flatkv {

/// What a container that is used again for every block may keep of its memory: enough for blocks of
/// a hundred thousand rows, so that only exceptional ones are paid for twice.
inline constexpr std::size_t kMostReused = std::size_t{16} << 20;

/// Empties a vector that will be filled again, and gives its memory back if an exceptional use has
/// made it larger than `most_bytes`.
template <class Vector>
void clear_for_reuse(Vector& vector, std::size_t most_bytes = kMostReused) noexcept {
  if (vector.capacity() * sizeof(typename Vector::value_type) > most_bytes) {
    Vector().swap(vector);
  } else {
    vector.clear();
  }
}

}  // namespace flatkv
