// SPDX-License-Identifier: Apache-2.0
#include "block/scrub_part.hpp"

#include "base/bytes.hpp"

namespace flatkv::block {

bool ScrubFront::covers(ByteView key) const { return !before || compare_bytes(key, *before) < 0; }

ScrubChange& ScrubChange::operator+=(const ScrubChange& other) {
  hash += other.hash;
  stats.rows += other.stats.rows;
  stats.key_bytes += other.stats.key_bytes;
  stats.value_bytes += other.stats.value_bytes;
  return *this;
}

}  // namespace flatkv::block
