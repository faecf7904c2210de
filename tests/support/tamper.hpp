#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"

// Rows of a closed database, read and changed with RocksDB alone: what an intruder, or another
// program, would do. Every block checksum is right afterwards.
namespace flatkv::test {

/// A stored key: tag 0x00 and a name, or tag 0x01 and an internal key.
Bytes meta_key(std::string_view name);
Bytes row_key(ByteView internal_key);

struct Edit {
  Bytes key;                   ///< stored, with its tag
  std::optional<Bytes> value;  ///< nothing: the key is deleted
};
/// Ingests the edits as one table into the database in `directory`.
void tamper(const std::string& directory, std::vector<Edit> edits);
/// A stored value.
std::optional<Bytes> peek(const std::string& directory, const Bytes& key);
/// Version of LocalMeta (or of `_meta/version` in the metadata database); nothing without it.
std::optional<std::int64_t> flushed_version(const std::string& directory, bool metadata = false);
/// Number of stored keys.
std::size_t count_keys(const std::string& directory);

}  // namespace flatkv::test
