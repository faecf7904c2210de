// SPDX-License-Identifier: Apache-2.0
// Change sets and roots as JSON lines, as the command reads them. Whatever it accepts must be JSON
// for another parser, too.
#include <cctype>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "json_lines.hpp"
#include "test_support.hpp"

namespace {

/// nlohmann refuses numbers beyond the range of a double, which fields that we ignore may hold.
bool may_hold_a_huge_number(std::string_view line) {
  std::size_t run = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    run = std::isdigit(static_cast<unsigned char>(line[i])) != 0 ? run + 1 : 0;
    const char next = i + 1 < line.size() ? line[i + 1] : ' ';
    if (run > 300 || (run > 0 && (next == 'e' || next == 'E'))) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flatkv;
  const std::string text(as_chars({data, size}));
  cli::TextSource source(text, 13);
  cli::JsonChangeReader reader(source);
  while (true) {
    const auto line = reader.next();
    if (!line || !*line) break;
    std::size_t rows = 0;
    for (const NamedChangeSet& set : (*line)->sets) {
      for (const KVPair& pair : set.pairs) {
        rows += 1 + (pair.key.size() + pair.value.size() > text.size() ? text.size() : 0);
      }
    }
    if ((*line)->version < 1 || rows != (*line)->rows()) std::abort();
  }
  // One line in memory of exactly its size, so that a sanitizer sees every read beyond it.
  std::string padded = text;
  padded.resize(text.size() + cli::LineReader::kPadding);
  padded.shrink_to_fit();
  cli::JsonParser parser;
  const std::string_view line(padded.data(), text.size());
  const bool taken = parser.change_line(line).has_value() || parser.roots_line(line).has_value();
  if (taken && !may_hold_a_huge_number(line) && !nlohmann::json::accept(line)) std::abort();
  return 0;
}
