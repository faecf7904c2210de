// SPDX-License-Identifier: Apache-2.0
// The log of a Sei node, as files with any names and contents. What is read are versions 1, 2, 3,
// …, the same when read twice, and never a pair or set that is malformed for the store.
#include <string>

#include "changelog/memory_files.hpp"
#include "codec/change_log_entry.hpp"
#include "input.hpp"
#include "transfer/sei_log.hpp"

namespace {

using namespace flatkv;
using fuzz::check;
using fuzz::Input;

std::string name_of(std::uint64_t index, bool compressed) {
  const std::string digits = std::to_string(index);
  return "log/" + std::string(20 - digits.size(), '0') + digits + (compressed ? ".zst" : "");
}

/// Entries that are right except where the input says otherwise.
Bytes entries(Input& input, std::int64_t& version) {
  Bytes segment;
  for (unsigned count = input.byte() % 4U; count > 0; --count) {
    const Bytes key = to_bytes(input.take(input.byte() % 60U));
    const Bytes value = to_bytes(input.take(input.byte() % 40U));
    const KVPair pairs[] = {{key, value, input.byte() % 2 == 0}};
    const std::span<const KVPair> own(pairs, input.byte() % 5 == 0 ? 0 : 1);
    const NamedChangeSet sets[] = {{input.byte() % 5 == 0 ? "" : "evm", own}};
    Bytes entry;
    codec::append_version(entry, input.byte() % 16 == 0 ? input.byte() : version);
    ++version;
    codec::append_change_sets(entry, sets);
    check(entry.size() < 128 * 128);
    segment.push_back(static_cast<std::uint8_t>((entry.size() & 0x7f) | 0x80));
    segment.push_back(static_cast<std::uint8_t>(entry.size() >> 7));
    append(segment, entry);
  }
  return segment;
}

/// The content of the log, as text.
std::string read_all(fs::FileSystem& files) {
  auto log = transfer::ReferenceLog::open(files, "log");
  if (!log) return log.error().to_string();
  std::string all;
  for (std::int64_t version = 1;; ++version) {
    const auto entry = log->next();
    if (!entry) {
      check(!entry.error().path.empty());
      return all + entry.error().to_string();
    }
    if (!*entry) return all + log->torn().value_or("");
    check((*entry)->version == version);
    all += std::to_string(version);
    for (const NamedChangeSet& set : (*entry)->change_sets) {
      check(!set.name.empty() || !set.pairs.empty());
      all += set.name;
      for (const KVPair& pair : set.pairs) {
        check(!pair.key.empty());
        all += as_chars(pair.key);
        all += as_chars(pair.value);
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(ByteView(data, size));
  changelog::test::MemoryFiles files;
  files.put("log", {}, fs::FileType::directory);
  std::int64_t version = 1;
  while (!input.empty()) {
    const std::uint8_t how = input.byte();
    const std::int64_t first = how % 16 == 15 ? input.byte() : version;
    Bytes segment = how % 4 == 3 ? to_bytes(input.take(input.byte())) : entries(input, version);
    if (how % 8 == 6) segment.resize(std::min<std::size_t>(segment.size(), input.byte()));
    files.put(name_of(static_cast<std::uint64_t>(first), how >= 192), std::move(segment));
  }
  check(read_all(files) == read_all(files));
  return 0;
}
