// SPDX-License-Identifier: Apache-2.0
// Change sets as length-prefixed protobuf, as the command reads them: the same in any pieces.
#include <cstdlib>
#include <string>

#include "pb_stream.hpp"
#include "test_support.hpp"

namespace {

/// The content of the stream, as text.
std::string read_all(const std::string& text, std::size_t piece) {
  using namespace flatkv;
  cli::TextSource source(text, piece);
  cli::PbChangeReader reader(source);
  std::string all;
  while (true) {
    const auto line = reader.next();
    if (!line) return all + line.error().message;
    if (!*line) return all;
    if ((*line)->version < 1) std::abort();
    all += std::to_string((*line)->version) + ":";
    for (const NamedChangeSet& set : (*line)->sets) {
      all += std::string(set.name) + "{";
      for (const KVPair& pair : set.pairs) {
        all += to_hex(pair.key) + (pair.remove ? "-" : "=") + to_hex(pair.value) + ";";
      }
      all += "}";
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(flatkv::as_chars({data, size}));
  if (read_all(text, 1) != read_all(text, 4096)) std::abort();
  return 0;
}
