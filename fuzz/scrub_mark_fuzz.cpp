// SPDX-License-Identifier: Apache-2.0
// SCRUB: the bytes as they are, and as the body of a file with a valid digest; `@H` in the input
// stands for the hex of a hash.
#include <cstdlib>
#include <string>

#include "base/bytes.hpp"
#include "layout/scrub_mark.hpp"
#include "layout/sealed_json.hpp"

namespace {

using namespace flatkv;

void check(const Bytes& file) {
  const auto mark = layout::decode_scrub_mark(file);
  if (!mark) return;
  if (mark->before.size() > (64U << 10) || mark->progress.version < 0) std::abort();
  if (mark->progress.database == Database::metadata || mark->progress.round == 0) std::abort();
  const auto again = layout::decode_scrub_mark(layout::encode(*mark));
  if (!again || layout::encode(*again) != layout::encode(*mark)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  check(to_bytes(bytes));
  std::string text{as_chars(bytes)};
  if (const std::size_t at = text.find("@H"); at != std::string::npos) {
    text.replace(at, 2, std::string(2 * LtHash::kBytes, 'a'));
  }
  check(layout::seal_text(text));
  return 0;
}
