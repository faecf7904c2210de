// SPDX-License-Identifier: Apache-2.0
// Change sets in protobuf: what can be read stays the same when written again, and what we write
// can be read and written without a change.
#include <algorithm>
#include <cstdlib>

#include "base/bytes.hpp"
#include "codec/change_log_entry.hpp"

namespace {

using namespace flatkv;
using codec::ChangelogEntry;

Bytes encode(const ChangelogEntry& entry) {
  std::vector<NamedChangeSet> sets;
  for (const auto& set : entry.changesets) sets.push_back({set.name, set.pairs});
  Bytes bytes;
  codec::append_version(bytes, entry.version);
  const std::size_t head = bytes.size();
  codec::append_change_sets(bytes, sets);
  if (bytes.size() - head != codec::encoded_bytes(sets)) std::abort();
  return bytes;
}

bool same(const KVPair& a, const KVPair& b) {
  // The value of a delete is ignored and not written.
  return equal(a.key, b.key) && a.remove == b.remove && (a.remove || equal(a.value, b.value));
}

bool same(const ChangelogEntry& a, const ChangelogEntry& b) {
  if (a.version != b.version || a.changesets.size() != b.changesets.size()) return false;
  for (std::size_t s = 0; s < a.changesets.size(); ++s) {
    const auto& one = a.changesets[s];
    const auto& two = b.changesets[s];
    if (one.name != two.name || one.pairs.size() != two.pairs.size()) return false;
    for (std::size_t p = 0; p < one.pairs.size(); ++p) {
      if (!same(one.pairs[p], two.pairs[p])) return false;
    }
  }
  return true;
}

bool all_have_keys(const ChangelogEntry& entry) {
  return std::ranges::all_of(entry.changesets, [](const auto& set) {
    return std::ranges::none_of(set.pairs, [](const KVPair& pair) { return pair.key.empty(); });
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto entry = codec::decode_changelog_entry({data, size});
  if (!entry) {
    if (!entry.error().offset || *entry.error().offset > size) std::abort();
    return 0;
  }
  // A pair without a key is read where it is long enough, but nothing writes one.
  if (!all_have_keys(*entry)) return 0;
  const Bytes written = encode(*entry);
  const auto again = codec::decode_changelog_entry(written);
  if (!again || !same(*entry, *again)) std::abort();
  if (encode(*again) != written) std::abort();
  return 0;
}
