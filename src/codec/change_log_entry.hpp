// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "flatkv/change_set.hpp"

namespace flatkv::codec {

/// A decoded block (docs/specification.md#payload). Keys, values and names point into the decoded
/// bytes.
struct ChangelogEntry {
  std::int64_t version = 0;
  struct Set {
    std::string_view name;
    std::vector<KVPair> pairs;
  };
  std::vector<Set> changesets;
};

/// What becomes of fields that the format does not name.
enum class UnknownFields : std::uint8_t { skip, refuse };

/// Decodes a protobuf ChangelogEntry; checks every length before use. `corruption` with the offset
/// if it is malformed, has more than kMaxChangeSets change sets, or a pair that is too short for a
/// key. What it takes is at most some ten times the bytes. Does not check the limits of keys and
/// values.
Result<ChangelogEntry> decode_changelog_entry(ByteView bytes,
                                              UnknownFields unknown = UnknownFields::skip);

/// Appends field 1 (version); followed by what `append_change_sets` appends it makes a payload.
void append_version(Bytes& to, std::int64_t version);

/// Where a pair's key and value lie in the bytes that they were appended to.
struct PairPlace {
  std::size_t key_offset;
  std::size_t value_offset;
};

/// Appends `sets` as field 2 of a ChangelogEntry: all pairs in order, not netted. `places`, if
/// given, gets one entry for each pair of each set, in order.
void append_change_sets(Bytes& to, std::span<const NamedChangeSet> sets,
                        std::vector<PairPlace>* places = nullptr);

/// The exact number of bytes that `append_change_sets` will append.
std::uint64_t encoded_bytes(std::span<const NamedChangeSet> sets);

}  // namespace flatkv::codec
