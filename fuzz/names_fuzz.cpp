// SPDX-License-Identifier: Apache-2.0
// Texts from a directory or the command line: a name in a store is ours only if it is spelled
// exactly as we spell it, hex in either case is the same bytes, and every external key has one
// place or none.
#include <string>

#include "base/bytes.hpp"
#include "changelog/log_walk.hpp"
#include "codec/keys.hpp"
#include "input.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"

namespace {

using namespace flatkv;
using fuzz::check;

void names(const std::string& text) {
  if (const auto number = layout::parse_generation_name(text)) {
    check(layout::generation_name(*number) == text);
    check(!layout::parse_unfinished_name(text));
  }
  if (const auto unfinished = layout::parse_unfinished_name(text)) {
    check(layout::unfinished_name(layout::generation_name(unfinished->number),
                                  unfinished->purpose) == text);
  }
  if (const auto version = layout::parse_snapshot_name(text)) {
    check(*version >= 0 && !layout::is_unfinished_snapshot_name(text));
    check(layout::snapshot_path("", *version).ends_with(text));
  }
  if (const auto first = changelog::parse_segment_name(text)) {
    check(changelog::segment_name(*first) == text);
  }
  if (layout::is_clone_name(text)) check(text.find('/') == std::string::npos);
  if (layout::is_snapshot_file_path(text)) {
    check(std::ranges::count(text, '/') == 1 && text.find("/..") == std::string::npos);
  }
}

void hex(const std::string& text) {
  const auto bytes = from_hex(text);
  if (!bytes) return;
  const auto again = from_hex(to_hex(*bytes));
  check(again && *again == *bytes);
}

void key(ByteView bytes) {
  const auto route = codec::route(bytes);
  check(route.has_value() == (!bytes.empty() && bytes.size() <= codec::kMaxKeyBytes));
  if (!route) return;
  // The internal key is a part of the external one; what is cut off carries no information.
  const std::size_t cut = route->database == Database::legacy ? 0 : 1;
  check(equal(route->key, bytes.subspan(cut)));
  check((route->database == Database::storage) == (bytes.size() == 53 && bytes[0] == 0x03));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  const std::string text{as_chars(bytes)};
  names(text);
  hex(text);
  key(bytes);
  return 0;
}
