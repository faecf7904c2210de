// SPDX-License-Identifier: Apache-2.0
// SNAPSHOT: the bytes as they are; as the body of a file with a valid digest; and that with the
// copy of the manifest, which the body lacks.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/bytes.hpp"
#include "layout/manifest.hpp"
#include "layout/sealed_json.hpp"
#include "layout/snapshot_manifest.hpp"

namespace {

using namespace flatkv;

void check(const Bytes& file) {
  const auto snapshot = layout::decode_snapshot_manifest(file);
  if (!snapshot) return;
  for (const auto& one : snapshot->files) {
    if (std::ranges::count(one.path, '/') != 1 || one.path.find("..") == 0) std::abort();
  }
  const auto again = layout::decode_snapshot_manifest(layout::encode(*snapshot));
  if (!again || layout::encode(*again) != layout::encode(*snapshot)) std::abort();
}

/// `@M` in the input stands for a right copy of MANIFEST.json, as a JSON string.
std::string with_manifest(std::string text) {
  const std::string copy{as_chars(layout::encode(layout::Manifest{}))};
  const std::size_t at = text.find("@M");
  if (at != std::string::npos) text.replace(at, 2, nlohmann::json(copy).dump());
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  check(to_bytes(bytes));
  check(layout::seal_text(with_manifest(std::string(as_chars(bytes)))));
  return 0;
}
