#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "flatkv/change_set.hpp"

namespace flatkv::codec {

/// A decoded block (spec §5). Keys, values and names point into the decoded bytes.
struct ChangelogEntry {
  std::int64_t version = 0;
  struct Set {
    std::string_view name;
    std::vector<KVPair> pairs;
  };
  std::vector<Set> changesets;
};

enum class UnknownFields : std::uint8_t { skip, refuse };

/// Decodes a protobuf ChangelogEntry; every length is checked before use. `corruption` with the
/// offset otherwise. Limits of keys and values are not checked here.
Result<ChangelogEntry> decode_changelog_entry(ByteView bytes,
                                              UnknownFields unknown = UnknownFields::skip);

/// Field 1 (version), to be followed by what `append_change_sets` makes: together a payload.
void append_version(Bytes& to, std::int64_t version);

/// Where a pair's key and value lie in the bytes they were appended to.
struct PairPlace {
  std::size_t key_offset;
  std::size_t value_offset;
};

/// Appends `sets` as field 2 of a ChangelogEntry, in order, all pairs as they are (not netted).
/// `places`, if given, gets one entry for each pair of each set in order.
void append_change_sets(Bytes& to, std::span<const NamedChangeSet> sets,
                        std::vector<PairPlace>* places = nullptr);

/// Exact bytes that `append_change_sets` will add.
std::uint64_t encoded_bytes(std::span<const NamedChangeSet> sets);

}  // namespace flatkv::codec
