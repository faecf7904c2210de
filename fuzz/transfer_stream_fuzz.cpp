// SPDX-License-Identifier: Apache-2.0
// Exported states from an untrusted source. The first byte says how to use the rest: as a stream,
// raw or compressed; as frames with valid digests, which no fuzzer finds; or as rows under a header
// that fits them, so that only the rules decide.
#include <vector>

#include "base/bytes.hpp"
#include "codec/account.hpp"
#include "codec/keys.hpp"
#include "flatkv/tools/transfer.hpp"
#include "input.hpp"
#include "layout/manifest.hpp"
#include "layout/snapshot_manifest.hpp"
#include "lthash/batch.hpp"
#include "transfer/memory_io.hpp"
#include "transfer/stream_writer.hpp"

namespace {

using namespace flatkv;
using namespace flatkv::transfer;
using fuzz::check;
using fuzz::Input;

/// Whether the stream is accepted; the same in any pieces.
bool taken(ByteView stream) {
  MemorySource whole(stream, stream.size() + 1);
  MemorySource pieces(stream, 13);
  const auto one = check_stream(whole);
  const auto two = check_stream(pieces);
  check(one.has_value() == two.has_value());
  if (one) {
    check(one->rows() == two->rows() && one->roots == two->roots);
  } else {
    check(one.error().to_string() == two.error().to_string());
    check(one.error().code == ErrorCode::corruption ||
          one.error().code == ErrorCode::format_too_new);
  }
  return one.has_value();
}

void compressed(ByteView bytes) {
  MemorySource source(bytes, 11);
  ZstdSource zstd(source);
  static_cast<void>(check_stream(zstd));
}

/// Frames of the input, each with the digest that the reader computes.
void sealed_frames(Input input) {
  StreamHeader header;
  header.summary.account_rows =
      input.byte() % 2 == 0 ? AccountRows::keep : AccountRows::prune_empty;
  header.summary.version = input.byte();
  header.summary.roots = layout::roots_of(header.hashes);
  for (DatabaseStats& stats : header.summary.stats) {
    stats = {input.byte(), input.number(), input.number()};
  }
  Bytes stream;
  append(stream, encode(header));
  Digest previous{};
  std::ranges::copy(ByteView(stream).last(previous.size()), previous.begin());
  while (!input.empty()) {
    FrameBytes frame{};
    std::ranges::copy(input.take(frame.size()), frame.begin());
    if (input.byte() % 4 != 0) {  // mostly a right one
      const ByteView payload = input.take(input.byte());
      ChunkHeader chunk{static_cast<Database>(input.byte() % 5), input.byte() % 8U,
                        static_cast<std::uint32_t>(payload.size()), input.byte() % 4U};
      frame = encode(chunk);
      append(stream, frame);
      append(stream, payload);
      previous = frame_digest(previous, frame, payload);
    } else {
      append(stream, frame);
      previous = frame_digest(previous, frame, {});
    }
    append(stream, previous);
  }
  static_cast<void>(taken(stream));
}

struct Row {
  Database database;
  Bytes key;
  Bytes value;
};

/// Whether a state may hold the row (docs/specification.md#keys-and-values).
bool may_be(const Row& row, AccountRows account_rows) {
  switch (row.database) {
    case Database::account: {
      if (row.key.size() != 20 || (row.value.size() != 40 && row.value.size() != 72)) return false;
      const auto zeros = [&](std::size_t from) {
        return std::ranges::all_of(ByteView(row.value).subspan(from),
                                   [](std::uint8_t byte) { return byte == 0; });
      };
      if (row.value.size() == 72) return !zeros(40);
      return account_rows == AccountRows::keep || !zeros(0);
    }
    case Database::code:
      return row.key.size() == 20;
    case Database::storage:
      return row.key.size() == 52;
    case Database::legacy: {
      if (row.key.empty()) return false;
      const std::uint8_t prefix = row.key[0];
      const bool account = prefix == 0x0a || prefix == 0x08 || prefix == 0x21 || prefix == 0x07;
      return !(account && row.key.size() == 21) && !(prefix == 0x03 && row.key.size() == 53);
    }
    case Database::metadata:
      break;
  }
  return false;
}

Row next_row(Input& input, const std::vector<Row>& before) {
  const std::uint8_t how = input.byte();
  Row row{static_cast<Database>(how % 4), {}, {}};
  constexpr std::array<std::size_t, 4> kKeys = {20, 20, 52, 21};
  const std::size_t key = how % 16 == 15 ? input.byte() : kKeys[how % 4];
  row.key.assign(key, input.byte());  // a byte decides the order
  if (!row.key.empty()) row.key.back() = input.byte();
  constexpr std::array<std::size_t, 4> kValues = {40, 72, 0, 3};
  row.value.assign(how % 32 < 16 ? kValues[how / 32 % 4] : input.byte(), input.byte());
  if (how == 255 && !before.empty()) row = before.back();
  return row;
}

/// The stream is accepted exactly if its rows are those of a state, in order.
void forged_rows(Input input) {
  StreamHeader header;
  header.summary.account_rows =
      input.byte() % 2 == 0 ? AccountRows::keep : AccountRows::prune_empty;
  header.summary.version = input.byte();
  std::vector<Row> rows;
  bool good = true;
  while (!input.empty() && rows.size() < 40) {
    Row row = next_row(input, rows);
    good = good && may_be(row, header.summary.account_rows);
    if (!rows.empty()) {
      const Row& last = rows.back();
      good = good && (last.database < row.database ||
                      (last.database == row.database && compare_bytes(last.key, row.key) < 0));
    }
    DatabaseStats& stats = header.summary.stats[row.database];
    ++stats.rows;
    stats.key_bytes += row.key.size();
    stats.value_bytes += row.value.size();
    rows.push_back(std::move(row));
  }
  for (const Row& row : rows) {
    const std::array<lthash::RowChange, 1> change = {{{row.key, {}, row.value}}};
    lthash::accumulate(change, header.hashes[row.database]);
  }
  header.summary.roots = layout::roots_of(header.hashes);
  MemorySink sink;
  StreamWriter writer(sink);
  check(writer.begin(header).has_value());
  for (const Row& row : rows) check(writer.row(row.database, row.key, row.value).has_value());
  check(writer.finish().has_value());
  check(taken(sink.bytes) == good);
  if (!sink.bytes.empty() && good) {  // any other byte is noticed
    const std::size_t at = input.number() % sink.bytes.size();
    sink.bytes[at] ^= 1;
    check(!taken(sink.bytes));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(ByteView(data, size));
  switch (input.byte() % 4) {
    case 0:
      static_cast<void>(taken(input.rest()));
      break;
    case 1:
      compressed(input.rest());
      break;
    case 2:
      sealed_frames(input);
      break;
    default:
      forged_rows(input);
  }
  return 0;
}
