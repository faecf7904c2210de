// SPDX-License-Identifier: Apache-2.0
// Digests of states: the bytes as they are, and as a body with a valid digest. What is accepted is
// exactly what would be written, and can be compared with anything.
#include <cstdlib>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "flatkv/tools/digest.hpp"

namespace {

using namespace flatkv;

void check(const Bytes& file) {
  const auto digest = StateDigest::decode(file);
  if (!digest) {
    if (!digest.error().offset || *digest.error().offset > file.size()) std::abort();
    return;
  }
  if (digest->encode() != file) std::abort();
  StateDigest other = *digest;
  const auto same = differing_ranges(*digest, other);
  if (!same || !same->empty()) std::abort();
  // With the same databases in another order, and with nothing at all.
  for (std::size_t i = 0; i < other.parts.size(); ++i) {
    other.parts[i].tree = digest->parts[other.parts.size() - 1 - i].tree;
  }
  if (!differing_ranges(*digest, other)) std::abort();
  const auto back = differing_ranges(other, *digest);
  if (!back) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes = to_bytes({data, size});
  check(bytes);
  append(bytes, blake3::hash(bytes));
  check(bytes);
  return 0;
}
