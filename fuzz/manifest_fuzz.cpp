// SPDX-License-Identifier: Apache-2.0
// MANIFEST.json: the bytes as they are, and as the body of a file with a valid digest, which no
// fuzzer finds.
#include <cstdlib>
#include <string>

#include "base/bytes.hpp"
#include "layout/manifest.hpp"
#include "layout/sealed_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flatkv;
  const ByteView bytes{data, size};
  for (const Bytes& file : {to_bytes(bytes), layout::seal_text(std::string(as_chars(bytes)))}) {
    const auto manifest = layout::decode_manifest(file);
    if (!manifest) continue;
    const auto again = layout::decode_manifest(layout::encode(*manifest));
    if (!again || !(*again == *manifest)) std::abort();
  }
  return 0;
}
