// SPDX-License-Identifier: Apache-2.0
// The manifest of a snapshot in object storage: the bytes as they are; as the body of a file with a
// valid digest; and, so that a fuzzer gets behind the sums, with the roots line that its parts
// give.
#include <string>

#include "base/bytes.hpp"
#include "input.hpp"
#include "layout/sealed_json.hpp"
#include "layout/snapshot_manifest.hpp"
#include "parts/stored_manifest.hpp"

namespace {

using namespace flatkv;

void check(const Bytes& file) {
  const auto manifest = parts::decode_stored_manifest(file);
  if (!manifest) {
    fuzz::check(manifest.error().code == ErrorCode::corruption ||
                manifest.error().code == ErrorCode::format_too_new);
    return;
  }
  const auto again = parts::decode_stored_manifest(parts::encode(*manifest));
  fuzz::check(again.has_value() && parts::encode(*again) == parts::encode(*manifest));
}

/// `@H` in the input stands for a hash of zeros, `@R` for the roots line of no rows.
std::string filled(std::string text) {
  const Roots none = layout::roots_of({});
  const std::string line = "{\"root\":\"" + to_hex(none.root) + "\",\"account\":\"" +
                           to_hex(none.account) + "\",\"code\":\"" + to_hex(none.code) +
                           "\",\"storage\":\"" + to_hex(none.storage) + "\",\"legacy\":\"" +
                           to_hex(none.legacy) + "\"}";
  const auto replace = [&](std::string_view name, const std::string& by) {
    for (int i = 0; i < 4; ++i) {
      const std::size_t at = text.find(name);
      if (at != std::string::npos) text.replace(at, name.size(), by);
    }
  };
  replace("@H", std::string(2 * LtHash::kBytes, '0'));
  replace("@R", line);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  check(to_bytes(bytes));
  check(layout::seal_text(filled(std::string(as_chars(bytes)))));
  return 0;
}
