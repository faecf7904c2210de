// SPDX-License-Identifier: Apache-2.0
// CURSORS: the bytes as they are, and as the body of a file with a valid digest.
#include "changes/named_cursors.hpp"
#include "input.hpp"
#include "layout/sealed_json.hpp"

namespace {

void check(flatkv::ByteView file) {
  using namespace flatkv;
  const auto names = changes::decode_cursor_names(file);
  if (!names) return;
  fuzz::check(names->needed_above.size() <= changes::kMostNames);
  for (const auto& [name, version] : names->needed_above) {
    fuzz::check(changes::check_name(name).has_value() && version >= 0);
  }
  const Bytes again = changes::encode(*names);
  fuzz::check(changes::encode(*changes::decode_cursor_names(again)) == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const flatkv::ByteView bytes{data, size};
  check(bytes);
  check(flatkv::layout::seal_text(std::string(flatkv::as_chars(bytes))));
  return 0;
}
