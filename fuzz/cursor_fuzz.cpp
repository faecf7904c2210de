// SPDX-License-Identifier: Apache-2.0
// A consumer's cursor: the bytes as they are, and with a valid digest. What decodes has one
// encoding, and keeps the rules that a subscription counts on.
#include "base/bytes.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"
#include "flatkv/changes.hpp"
#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flatkv;
  const ByteView bytes{data, size};
  Bytes sealed = to_bytes(bytes);
  append(sealed, blake3::hash(bytes));
  for (const ByteView input : {bytes, ByteView(sealed)}) {
    const auto cursor = Cursor::decode(input);
    if (!cursor) continue;
    const auto back = cursor->encode();
    fuzz::check(back && equal(*back, input));
    fuzz::check(!cursor->blocks.empty() && cursor->blocks.size() <= Cursor::kMostBlocks);
    fuzz::check(cursor->blocks.front().version >= 0);
    for (std::size_t i = 1; i < cursor->blocks.size(); ++i) {
      fuzz::check(cursor->blocks[i].version == version_after(cursor->blocks[i - 1].version));
    }
  }
  return 0;
}
