// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/tools/transfer.hpp"
#include "flatkv/view.hpp"

// Snapshots in object storage: a state in parts, which many connections send and fetch, and each of
// which is proved by itself. The format is in docs/formats.md.
//
// A location is "s3://BUCKET/PREFIX", "file:DIRECTORY", or, to read, "http://…" and "https://…".
// The keys of an S3 service come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL) or the file AWS_SHARED_CREDENTIALS_FILE.
// Whatever may pass is tried again for a while; nothing waits without an end. Any thread may call
// these functions. Their errors, besides those named: invalid_argument (no such location, or
// options out of range), permission, io, no_space, unsupported, out_of_memory, cancelled.
namespace FLATKV_API flatkv {

struct PartsOptions {
  /// Parts on their way at once, each with a thread and some 64 MiB of memory; 1 to 64, and
  /// 0 is two more than there are cores.
  unsigned parallel = 0;
  /// Seconds after which a transfer that does not move is begun again; 1 to 3600.
  unsigned stall_seconds = 30;
  std::stop_token stop;         ///< request to end with `cancelled`
  ProgressCallback progress{};  ///< counts rows; called on any thread, never on two at once
};

/// What a snapshot in object storage holds, as its manifest says.
struct StoredSnapshot {
  std::string location;  ///< of the snapshot itself
  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
  Roots roots;
  std::uint64_t rows = 0;
  std::uint64_t parts = 0;
  std::uint64_t bytes = 0;  ///< of all parts, as they are stored
};

/// What was done, and what the threads were busy with meanwhile: seconds, added up over all of
/// them.
struct PartsWork {
  std::uint64_t moved_parts = 0;  ///< sent or fetched; the others were there
  std::uint64_t moved_bytes = 0;  ///< of contents, with those that were moved in vain
  double transfer_seconds = 0;
  double check_seconds = 0;   ///< decompression, digests, rows, hashes
  double tables_seconds = 0;  ///< of an import: its tables written
  double finish_seconds = 0;  ///< of an import: from the last part to the store
};

struct SnapshotExport {
  StoredSnapshot snapshot;
  PartsWork work;
  std::vector<std::int64_t> removed;  ///< versions that `keep` removed
};

/// Puts the state of a view below `to`. Parts that are there already, of an export that was
/// interrupted, are not sent again. The snapshot is there when its manifest is, which is put last;
/// that of an equal state which is there already is left as it is. `keep` removes the oldest
/// snapshots below `to` until so many are left, and what an unfinished export left below those; 0
/// removes nothing, and the one just put always stays. An error of the removal is the export's,
/// whose snapshot is complete nonetheless. Errors: `foreign_store` if there is a snapshot of that
/// version with another state; `corruption` if a scan finds other rows than the store records.
Result<SnapshotExport> export_snapshot(const ReadView& view, const std::string& to,
                                       std::uint32_t keep = 0, const PartsOptions& options = {});

/// The complete snapshots below a location, by ascending versions; their manifests are not read.
/// `unsupported` over http(s).
Result<std::vector<std::int64_t>> list_stored_snapshots(const std::string& below);

/// Which snapshot is meant: `from` names one (its last component is "snapshot-" and twenty digits),
/// or a place where some lie: then `version` says which, and without it the newest is meant, which
/// needs a location that can be listed.
struct SnapshotChoice {
  std::string from;
  std::optional<std::int64_t> version;
};

/// Reads and checks the manifest: by itself, and against `trusted`. Errors: not_found, corruption,
/// format_too_new, version_mismatch.
Result<StoredSnapshot> find_stored_snapshot(const SnapshotChoice& choice,
                                            const TrustedRoots& trusted = {},
                                            const PartsOptions& options = {});

/// Fetches every part, or only the one with the number `part` (from 0), and proves that its rows
/// are what the manifest says; with `trusted`, that this is the state meant. Errors as those of
/// find_stored_snapshot; invalid_argument for a part that there is not.
Result<StoredSnapshot> check_stored_snapshot(const SnapshotChoice& choice,
                                             std::optional<std::uint64_t> part = {},
                                             const TrustedRoots& trusted = {},
                                             const PartsOptions& options = {});

struct SnapshotImport {
  StoredSnapshot snapshot;
  PartsWork work;
};

/// Makes the snapshot's state the store at `path`. Every row is checked; the result's lattice
/// hashes are those of its rows, and equal `trusted`. Until the last step what was there stands.
/// What was fetched and proved stays in `path`/import-parts after an interruption or an error, and
/// the next import takes it up, after proving it again. Errors: those of find_stored_snapshot and
/// of Importer::begin.
Result<SnapshotImport> import_stored_snapshot(const SnapshotChoice& choice, const std::string& path,
                                              const ImportOptions& import = {},
                                              const TrustedRoots& trusted = {},
                                              const PartsOptions& options = {});

}  // namespace flatkv
