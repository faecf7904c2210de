// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"

// Reads and changes rows of a closed database through RocksDB alone, as an intruder or another
// program would. All block checksums are valid afterwards.
namespace flatkv::test {

/// A stored key: tag 0x00 and a name, or tag 0x01 and an internal key.
Bytes meta_key(std::string_view name);
Bytes row_key(ByteView internal_key);

struct Edit {
  Bytes key;                   ///< stored, with its tag
  std::optional<Bytes> value;  ///< nullopt: the key is deleted
};
/// Ingests the edits as one table into the database in `directory`.
void tamper(const std::string& directory, std::vector<Edit> edits);
/// A stored value.
std::optional<Bytes> peek(const std::string& directory, const Bytes& key);
/// The version of LocalMeta (or of `_meta/version` in the metadata database); nullopt without it.
std::optional<std::int64_t> flushed_version(const std::string& directory, bool metadata = false);
/// Number of stored keys.
std::size_t count_keys(const std::string& directory);

}  // namespace flatkv::test
