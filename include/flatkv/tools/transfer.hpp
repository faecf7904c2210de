// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/view.hpp"

// Export and import: moving a state between nodes that do not trust each other. The stream's format
// is in docs/formats.md.
namespace FLATKV_API flatkv {

/// Receives a stream's bytes in order. Called on the thread that runs the export.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  /// Takes all of `bytes`, which are valid only for the call; an error ends the export.
  virtual Status write(ByteView bytes) = 0;
};

/// Provides a stream's bytes in order. Called on the thread that reads the stream.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Reads up to `into.size()` bytes; 0 only at the end.
  virtual Result<std::size_t> read(std::span<std::uint8_t> into) = 0;
};

/// Compresses into another sink, or decompresses from another source, which is borrowed and must
/// outlive it. Without `finish` the compressed stream is incomplete. Where there is no memory for a
/// stream, the first call says so (`out_of_memory`).
class ZstdSink : public ByteSink {
 public:
  explicit ZstdSink(ByteSink& inner, int level = 3) noexcept;
  ~ZstdSink() override;
  Status write(ByteView bytes) override;
  Status finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(ByteSource& inner) noexcept;
  ~ZstdSource() override;
  Result<std::size_t> read(std::span<std::uint8_t> into) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What the header of a stream says, before the first row.
struct StreamSummary {
  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
  Roots roots;
  PerDataDatabase<DatabaseStats> stats;

  std::uint64_t rows() const noexcept;
};

struct TransferOptions {
  std::stop_token stop;         ///< request to end with `cancelled`
  ProgressCallback progress{};  ///< counts rows; called on the calling thread
};

/// What the receiver trusts: nothing; a root alone, which does not say in which database a row
/// lies; a whole roots line; or roots lines by version, of which the one of the state's version
/// counts. Lines without that version prove nothing: `version_mismatch`.
struct TrustedRoots {
  std::optional<Digest> root;
  std::optional<Roots> roots;
  std::map<std::int64_t, Roots> lines;
};

/// Writes the state of a view; equal states give equal bytes. A thread for each core reads ahead,
/// the calling one writes. Memory: a few megabytes a core, whatever the size of the state. Errors:
/// those of reading and of the sink, `corruption` if a scan counts other rows than the store
/// records, `cancelled`.
Status export_state(const ReadView& view, ByteSink& sink, const TransferOptions& options = {});

/// As export_state, into a file, compressed if its name ends in `.zst`. Writes `path`-tmp, syncs it
/// and renames it, so an interrupted export leaves no file at `path`. Replaces an existing file;
/// `invalid_argument` for anything else. `locked`: another export to the same file began meanwhile,
/// and has the name.
Status export_to_file(const ReadView& view, const std::string& path,
                      const TransferOptions& options = {});

/// Verifies a whole stream without a store: digests, order, counts, lengths, all five checksums
/// computed from the rows alone, and `trusted` if given. Errors: `corruption` with the place,
/// `format_too_new`, `version_mismatch`, `cancelled`, those of the source.
Result<StreamSummary> check_stream(ByteSource& source, const TrustedRoots& trusted = {},
                                   const TransferOptions& options = {});
/// The same of a file, decompressed if its first bytes are those of zstd, whatever its name. A name
/// that ends in `.zst` promises compression: other content is `corruption`.
Result<StreamSummary> check_file(const std::string& path, const TrustedRoots& trusted = {},
                                 const TransferOptions& options = {});

struct ImportOptions {
  bool force = false;                            ///< replace an existing store, without opening it
  AccountRows account_rows = AccountRows::keep;  ///< for Importer; a stream brings its own
  LogCallback log;
};

/// One stored row, by internal key. Borrowed for the call.
struct ImportRow {
  Database database = Database::account;
  ByteView key;
  ByteView value;
};

/// Builds a store at `path` from rows in stream order (account, code, storage, legacy; keys
/// ascending). What was there stands until `finish` swaps. One thread; holds the store's lock. In a
/// child that is forked meanwhile `add` and `finish` are `unsupported`, and nothing else happens.
class Importer {
 public:
  /// `invalid_argument` if there is a store and `force` is not set, `locked`, `io`, ...
  static Result<Importer> begin(const std::string& path, const ImportOptions& options = {});
  Importer(Importer&&) noexcept;
  Importer& operator=(Importer&&) noexcept;
  ~Importer();  ///< aborts an unfinished import

  /// `corruption` for a row that is out of order, in the wrong database or malformed. Any error
  /// ends the import: later calls return `invalid_argument`.
  Status add(std::span<const ImportRow> rows);

  /// Checks the rows against `trusted` and makes them the live store at `version` (0 to int64 max
  /// − 1), with a snapshot and a log based there. Ends the import. An error leaves what was there,
  /// except that one of the last step, the swap, may leave either.
  Result<Roots> finish(std::int64_t version, const TrustedRoots& trusted = {});
  /// Removes what was built. Does nothing once the import is over.
  void abort() noexcept;
  /// The same as abort; never fails.
  Status close();

 private:
  struct Impl;
  explicit Importer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Checks a stream as it is read and makes its state the store at `path`. Errors: those of
/// check_stream, Importer::begin and Importer::finish.
Result<StreamSummary> import_stream(ByteSource& source, const std::string& path,
                                    const ImportOptions& options = {},
                                    const TrustedRoots& trusted = {},
                                    const TransferOptions& transfer = {});
/// The same of a file, compressed or not as in check_file.
Result<StreamSummary> import_file(const std::string& file, const std::string& path,
                                  const ImportOptions& options = {},
                                  const TrustedRoots& trusted = {},
                                  const TransferOptions& transfer = {});

}  // namespace flatkv
