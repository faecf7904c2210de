// SPDX-License-Identifier: Apache-2.0
#include "transfer/stream_pass.hpp"

#include "base/guard.hpp"
#include "layout/manifest.hpp"
#include "layout/snapshot_manifest.hpp"
#include "transfer/file_io.hpp"
#include "transfer/row_hasher.hpp"

namespace flatkv {
namespace transfer {
namespace {

Status compare_hashes(const StreamHeader& header, const PerDataDatabase<LtHash>& found) {
  for (const Database database : kDataDatabases) {
    if (found[database] == header.hashes[database]) continue;
    return fail(ErrorCode::corruption,
                "the rows have the checksum " + to_hex(found[database].checksum()) +
                    ", the header says " + to_hex(header.hashes[database].checksum()))
        .database(database)
        .version(header.summary.version);
  }
  return {};
}

}  // namespace

Result<StreamHeader> pass_stream(ByteSource& source, const TrustedRoots& trusted,
                                 const TransferOptions& options,
                                 const std::function<Status(const StreamHeader&)>& started,
                                 const std::function<Status(std::span<const ImportRow>)>& use) {
  FLATKV_ASSIGN(StreamReader reader, StreamReader::open(source));
  const StreamHeader& header = reader.header();
  if (layout::roots_of(header.hashes) != header.summary.roots) {
    return fail(ErrorCode::corruption, "the header's hashes and its roots line differ");
  }
  // Before any work, so that a stream of another state is refused at once.
  FLATKV_TRY(compare_trusted(header.summary.version, header.summary.roots, trusted));
  if (started) FLATKV_TRY(started(header));

  std::uint64_t rows = 0;
  FLATKV_ASSIGN(Chunk chunk, reader.next());
  RowHasher hasher;  // declared after the chunk, so that it ends before the rows do
  while (!chunk.rows.empty()) {
    if (options.stop.stop_requested()) {
      return fail(ErrorCode::cancelled, "cancelled");
    }
    hasher.begin(chunk.rows);
    if (use) FLATKV_TRY(use(chunk.rows));
    rows += chunk.rows.size();
    if (options.progress) options.progress("rows", rows, header.summary.rows());
    auto next = reader.next();
    hasher.hashes();
    if (!next) return std::unexpected(std::move(next).error());
    chunk = *std::move(next);
  }
  FLATKV_TRY(compare_hashes(header, hasher.hashes()));
  return header;
}

}  // namespace transfer

Result<StreamSummary> check_stream(ByteSource& source, const TrustedRoots& trusted,
                                   const TransferOptions& options) {
  return guarded([&]() -> Result<StreamSummary> {
    FLATKV_ASSIGN(const auto header, transfer::pass_stream(source, trusted, options, {}, {}));
    return header.summary;
  });
}

Result<StreamSummary> check_file(const std::string& path, const TrustedRoots& trusted,
                                 const TransferOptions& options) {
  return guarded([&]() -> Result<StreamSummary> {
    FLATKV_ASSIGN(const auto source, transfer::open_source(fs::posix(), path));
    return transfer::in_file(check_stream(*source, trusted, options), path);
  });
}

}  // namespace flatkv
