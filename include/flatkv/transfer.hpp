#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/view.hpp"

// Moving a state between nodes that do not trust each other (spec §7, stream in docs/formats.md).
namespace flatkv {

/// Takes a stream's bytes in order.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(ByteView bytes) = 0;
};

/// Gives a stream's bytes in order.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to `into.size()` bytes; 0 only at the end.
  virtual Result<std::size_t> read(std::span<std::uint8_t> into) = 0;
};

/// Compress and decompress around another one, which is borrowed. `finish` ends the frame. Where
/// there is no memory for a stream, the first call says so (`out_of_memory`).
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

/// What a stream says of itself before its first row.
struct StreamSummary {
  std::int64_t version = 0;
  AccountRows account_rows = AccountRows::keep;
  Roots roots;
  std::array<DatabaseStats, 4> stats{};

  std::uint64_t rows() const noexcept;
};

struct TransferOptions {
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(std::uint64_t rows, std::uint64_t total)> progress;
};

/// What the receiver trusts: nothing, a root alone (which does not say in which database a row
/// lies, spec §3), a whole roots line, or roots lines by version: the one of the state's version
/// counts, and without it nothing is proven (`version_mismatch`).
struct TrustedRoots {
  std::optional<Digest> root;
  std::optional<Roots> roots;
  std::map<std::int64_t, Roots> lines;
};

/// Writes the state of a view: equal states give equal bytes. Memory does not depend on its size.
Status export_state(const ReadView& view, AccountRows account_rows, ByteSink& sink,
                    const TransferOptions& options = {});

/// As above into a file, compressed if its name ends in `.zst`: written beside it, synced, renamed.
/// An interrupted export leaves no file of that name.
Status export_to_file(const ReadView& view, AccountRows account_rows, const std::string& path,
                      const TransferOptions& options = {});

/// Verifies a whole stream without a store: digests, order, counts, lengths, all five checksums
/// recomputed from the rows alone, and `trusted` if given. `corruption` says where.
Result<StreamSummary> check_stream(ByteSource& source, const TrustedRoots& trusted = {},
                                   const TransferOptions& options = {});
Result<StreamSummary> check_file(const std::string& path, const TrustedRoots& trusted = {},
                                 const TransferOptions& options = {});

struct ImportOptions {
  bool force = false;  ///< replace the store that is there, without opening it
  AccountRows account_rows = AccountRows::keep;  ///< of rows added by hand; a stream brings its own
  LogCallback log;
};

/// One stored row by internal key.
struct ImportRow {
  Database database = Database::account;
  ByteView key;
  ByteView value;
};

/// Builds a store from rows in stream order (account, code, storage, legacy; keys ascending) beside
/// whatever is at `path`, which stands until `finish` swaps. One thread; holds the store's lock.
class Importer {
 public:
  /// `invalid_argument` where a store is and `force` is not set.
  static Result<Importer> begin(const std::string& path, const ImportOptions& options = {});
  Importer(Importer&&) noexcept;
  Importer& operator=(Importer&&) noexcept;
  ~Importer();  ///< aborts what was not finished

  /// `corruption` for a row out of order, in the wrong database, or of a forbidden form.
  Status add(std::span<const ImportRow> rows);

  /// Proves what was added against `trusted` and makes it the live store at `version`: snapshot,
  /// log with that base, CURRENT swapped. On an error nothing was changed and the import is over.
  Result<Roots> finish(std::int64_t version, const TrustedRoots& trusted = {});
  /// Removes what was built. After finish, abort or close it does nothing.
  void abort() noexcept;
  /// Without `finish` the same as abort; a second call does nothing.
  Status close();

 private:
  struct Impl;
  explicit Importer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Checks a stream on the way in and makes it the store at `path`.
Result<StreamSummary> import_stream(ByteSource& source, const std::string& path,
                                    const ImportOptions& options = {},
                                    const TrustedRoots& trusted = {},
                                    const TransferOptions& transfer = {});
Result<StreamSummary> import_file(const std::string& file, const std::string& path,
                                  const ImportOptions& options = {},
                                  const TrustedRoots& trusted = {},
                                  const TransferOptions& transfer = {});

}  // namespace flatkv
