// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "base/fork.hpp"
#include "base/guard.hpp"
#include "fs/space.hpp"
#include "layout/manifest.hpp"
#include "layout/snapshot_manifest.hpp"
#include "state/host.hpp"
#include "transfer/file_io.hpp"
#include "transfer/row_hasher.hpp"
#include "transfer/row_import.hpp"
#include "transfer/row_rules.hpp"
#include "transfer/stream_pass.hpp"

namespace flatkv {

struct Importer::Impl {
  explicit Impl(std::unique_ptr<transfer::RowImport> begun)
      : import(std::move(begun)), rules(import->account_rows()) {}
  std::unique_ptr<transfer::RowImport> import;  ///< null when the import is over
  transfer::RowRules rules;
  transfer::RowHasher hasher;
};

Result<Importer> Importer::begin(const std::string& path, const ImportOptions& options) {
  return guarded([&]() -> Result<Importer> {
    FLATKV_ASSIGN(auto import, transfer::RowImport::begin({}, path, options));
    return Importer(std::make_unique<Impl>(std::move(import)));
  });
}

Importer::Importer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Importer::Importer(Importer&&) noexcept = default;
Importer& Importer::operator=(Importer&& other) noexcept {
  if (this != &other) {
    state::leave_to_parent(impl_);
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Importer::~Importer() { state::leave_to_parent(impl_); }

namespace {

/// In a forked child an import belongs to the parent, which may go on with it.
Status check_own() {
  if (!is_forked()) return {};
  return fail(ErrorCode::unsupported, "the import was begun before this process was forked");
}

}  // namespace

Status Importer::add(std::span<const ImportRow> rows) {
  FLATKV_TRY(check_own());
  Status added = guarded(
      [&]() -> Status {
        if (!impl_ || !impl_->import) {
          return fail(ErrorCode::invalid_argument, "the import is over");
        }
        for (const ImportRow& row : rows) FLATKV_TRY(impl_->rules.check(row));
        impl_->hasher.begin(rows);
        Status written = impl_->import->write(rows);
        impl_->hasher.hashes();  // waits: the hasher reads the caller's bytes
        return written;
      },
      [&] {
        if (impl_) impl_->hasher.drain();
      });
  // Some of the rows may have been written: the import cannot go on.
  if (!added) abort();
  return added;
}

Result<Roots> Importer::finish(std::int64_t version, const TrustedRoots& trusted) {
  return guarded([&]() -> Result<Roots> {
    FLATKV_TRY(check_own());
    if (!impl_ || !impl_->import) return fail(ErrorCode::invalid_argument, "the import is over");
    const auto import = std::move(impl_->import);
    if (version < 0 || version == std::numeric_limits<std::int64_t>::max()) {
      return fail(ErrorCode::invalid_argument, "a version is at least 0 and below int64 max")
          .version(version);
    }
    const PerDataDatabase<LtHash>& hashes = impl_->hasher.hashes();
    const Roots roots = layout::roots_of(hashes);
    FLATKV_TRY(transfer::compare_trusted(version, roots, trusted));
    FLATKV_TRY(import->finish(version, hashes, impl_->rules.counted()));
    return roots;
  });
}

void Importer::abort() noexcept {
  if (impl_ && !is_forked()) impl_->import.reset();
}

Status Importer::close() {
  abort();
  return {};
}

Result<StreamSummary> import_stream(ByteSource& source, const std::string& path,
                                    const ImportOptions& options, const TrustedRoots& trusted,
                                    const TransferOptions& transfer) {
  return guarded([&]() -> Result<StreamSummary> {
    std::unique_ptr<transfer::RowImport> import;
    std::uint64_t bytes = 0;  // of the rows, before the tables' compression
    const auto started = [&](const transfer::StreamHeader& header) -> Status {
      ImportOptions own = options;
      own.account_rows = header.summary.account_rows;
      for (const DatabaseStats& one : header.summary.stats)
        bytes += one.key_bytes + one.value_bytes;
      FLATKV_ASSIGN(import, transfer::RowImport::begin({}, path, own));
      return {};
    };
    const auto use = [&](std::span<const ImportRow> rows) {
      return fs::needing(bytes, import->write(rows));
    };
    FLATKV_ASSIGN(const auto header,
                  transfer::pass_stream(source, trusted, transfer, started, use));
    FLATKV_TRY(import->finish(header.summary.version, header.hashes, header.summary.stats));
    return header.summary;
  });
}

Result<StreamSummary> import_file(const std::string& file, const std::string& path,
                                  const ImportOptions& options, const TrustedRoots& trusted,
                                  const TransferOptions& transfer) {
  return guarded([&]() -> Result<StreamSummary> {
    FLATKV_ASSIGN(const auto source, transfer::open_source(fs::posix(), file));
    return transfer::in_file(import_stream(*source, path, options, trusted, transfer), file);
  });
}

}  // namespace flatkv
