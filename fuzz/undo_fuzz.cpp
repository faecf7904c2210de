// SPDX-License-Identifier: Apache-2.0
// UNDO: the bytes as they are, and as lines with a valid digest.
#include <cstdlib>
#include <string>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "changelog/undo_mark.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flatkv;
  const ByteView bytes{data, size};
  const std::string line = "blake3 " + to_hex(blake3::hash(bytes)) + "\n";
  Bytes sealed = to_bytes(bytes);
  append(sealed, as_bytes(line));
  for (const ByteView file : {bytes, ByteView(sealed)}) {
    const auto mark = changelog::decode_undo_mark(file);
    if (mark && !equal(changelog::encode(*mark), file)) std::abort();
  }
  return 0;
}
