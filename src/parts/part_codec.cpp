// SPDX-License-Identifier: Apache-2.0
#include "parts/part_codec.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "layout/snapshot_manifest.hpp"
#include "transfer/memory_io.hpp"
#include "transfer/stream_pass.hpp"
#include "transfer/stream_writer.hpp"

namespace flatkv::parts {
namespace {

constexpr std::size_t kRowsAtOnce = 4096;

Part sum_up(Database database, const scan::RowBuffer& rows) {
  RowSum sum(database);
  std::vector<ImportRow> some;
  for (std::size_t row = 0; row < rows.size(); row += some.size()) {
    some.clear();
    const std::size_t end = std::min(rows.size(), row + kRowsAtOnce);
    for (std::size_t i = row; i < end; ++i) {
      some.push_back({database, rows.key(i), rows.value(i)});
    }
    sum.add(some);
  }
  return sum.finish();
}

transfer::StreamHeader header_of(const PartContext& context, const Part& part) {
  transfer::StreamHeader header;
  header.summary.version = context.version;
  header.summary.account_rows = context.account_rows;
  header.summary.stats[part.database] = part.stats;
  header.hashes[part.database] = part.hash;
  header.summary.roots = layout::roots_of(header.hashes);
  return header;
}

Failure differs(const PartContext& context, const Part& part, std::string what) {
  return fail(ErrorCode::corruption, "the part's " + std::move(what) + " is not the manifest's")
      .database(part.database)
      .version(context.version);
}

}  // namespace

void RowSum::add(std::span<const ImportRow> rows) {
  hasher_.begin(rows);
  if (part_.stats.rows == 0) part_.first = to_bytes(rows.front().key);
  part_.last = to_bytes(rows.back().key);
  part_.stats.rows += rows.size();
  for (const ImportRow& row : rows) {
    part_.stats.key_bytes += row.key.size();
    part_.stats.value_bytes += row.value.size();
  }
  hasher_.hashes();  // waits: it reads the caller's bytes
}

Part RowSum::finish() {
  part_.hash = hasher_.hashes()[part_.database];
  return std::move(part_);
}

Result<EncodedPart> encode_part(const PartContext& context, Database database,
                                const scan::RowBuffer& rows) {
  EncodedPart encoded{sum_up(database, rows), {}};
  transfer::MemorySink sink;
  ZstdSink zstd(sink);
  transfer::StreamWriter writer(zstd);
  FLATKV_TRY(writer.begin(header_of(context, encoded.part)));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    FLATKV_TRY(writer.row(database, rows.key(row), rows.value(row)));
  }
  FLATKV_TRY(writer.finish());
  FLATKV_TRY(zstd.finish());
  encoded.object = std::move(sink.bytes);
  encoded.part.bytes = encoded.object.size();
  encoded.part.digest = blake3::hash(encoded.object);
  return encoded;
}

Status check_part(const PartContext& context, const Part& part, ByteView object,
                  const std::stop_token& stop,
                  const std::function<Status(std::span<const ImportRow>)>& use) {
  if (object.size() != part.bytes) return differs(context, part, "length");
  if (blake3::hash(object) != part.digest) return differs(context, part, "digest");
  const transfer::StreamHeader expected = header_of(context, part);
  const auto started = [&](const transfer::StreamHeader& header) -> Status {
    if (transfer::encode(header) == transfer::encode(expected)) return {};
    return differs(context, part, "header");
  };
  Bytes first;
  Bytes last;
  const auto see = [&](std::span<const ImportRow> rows) -> Status {
    if (first.empty()) first = to_bytes(rows.front().key);
    last = to_bytes(rows.back().key);
    if (use) FLATKV_TRY(use(rows));
    return {};
  };
  transfer::MemorySource source(object);
  ZstdSource zstd(source);
  TransferOptions options;
  options.stop = stop;
  FLATKV_TRY(transfer::pass_stream(zstd, {}, options, started, see));
  if (first != part.first) return differs(context, part, "first key");
  if (last != part.last) return differs(context, part, "last key");
  return {};
}

}  // namespace flatkv::parts
