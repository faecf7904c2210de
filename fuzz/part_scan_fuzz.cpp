// SPDX-License-Identifier: Apache-2.0
// Scans of parts: the bytes as they are, and as a body with a valid digest. What is accepted is
// exactly what would be written, and merging it, with itself or altered, gives a digest that can be
// read or an error.
#include <cstdlib>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "flatkv/tools/spread.hpp"

namespace {

using namespace flatkv;

void check(const Bytes& file) {
  const auto scan = PartScan::decode(file);
  if (!scan) {
    if (!scan.error().offset || *scan.error().offset > file.size()) std::abort();
    return;
  }
  if (scan->encode() != file) std::abort();
  std::vector<PartScan> parts;
  if (scan->which.of > 64) return;
  // The other parts hold what this one does, whatever their cuts: merging must bear it.
  for (std::uint32_t index = 1; index <= scan->which.of; ++index) {
    PartScan part = *scan;
    part.which.index = index;
    for (auto& own : part.databases) {
      own.start.clear();
      own.end.clear();
    }
    parts.push_back(std::move(part));
  }
  if (const auto digest = merge_digest(parts)) {
    if (!StateDigest::decode(digest->encode().value())) std::abort();
  }
  static_cast<void>(merge_verify(parts));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes = to_bytes({data, size});
  check(bytes);
  append(bytes, blake3::hash(bytes));
  check(bytes);
  return 0;
}
