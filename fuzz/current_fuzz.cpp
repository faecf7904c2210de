// SPDX-License-Identifier: Apache-2.0
// CURRENT: the bytes as they are, and as the body of a file with a valid digest.
#include <cstdlib>
#include <string>

#include "base/bytes.hpp"
#include "layout/generation.hpp"
#include "layout/sealed_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flatkv;
  const ByteView bytes{data, size};
  for (const Bytes& file : {to_bytes(bytes), layout::seal_text(std::string(as_chars(bytes)))}) {
    const auto name = layout::decode_current(file);
    if (!name) continue;
    // Whatever is accepted is one component of a path.
    if (name->find('/') != std::string::npos || name->empty() || name->front() == '.') std::abort();
    const auto again = layout::decode_current(layout::encode_current(*name));
    if (!again || *again != *name) std::abort();
  }
  return 0;
}
