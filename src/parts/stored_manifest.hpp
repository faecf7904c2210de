// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "flatkv/cluster/snapshots.hpp"
#include "flatkv/lthash.hpp"

// manifest.json of a snapshot in object storage, and the names around it (docs/formats.md). Pure
// functions over bytes that nobody vouches for.
namespace flatkv::parts {

inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::size_t kMaxManifestBytes = 128U << 20;
inline constexpr std::size_t kMaxParts = 24576;
inline constexpr std::uint64_t kMaxPartBytes = 1ULL << 27;

struct Part {
  Database database = Database::account;
  Bytes first;  ///< internal key of its first row
  Bytes last;
  DatabaseStats stats;
  std::uint64_t bytes = 0;  ///< of the object
  Digest digest{};          ///< of the object's bytes
  LtHash hash;
};

struct StoredManifest {
  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
  std::vector<Part> parts;

  PerDataDatabase<LtHash> hashes() const;
  PerDataDatabase<DatabaseStats> stats() const;
  Roots roots() const;
  StoredSnapshot summary(std::string location) const;
};

Bytes encode(const StoredManifest& manifest);
/// Errors: `corruption`, `format_too_new`.
Result<StoredManifest> decode_stored_manifest(ByteView bytes);

/// "part-<digest>.zst"
std::string part_name(const Digest& digest);

}  // namespace flatkv::parts
