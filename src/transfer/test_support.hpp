// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/endian.hpp"
#include "store/test_store.hpp"
#include "transfer/memory_io.hpp"
#include "transfer/stream_writer.hpp"

namespace flatkv::transfer {

using store::Block;
using store::expect_verified;
using store::must;
using store::open_new;
using store::TempDir;
using store::tree_digest;

/// In odd sizes, as a pipe might return them.
class PipeSource : public MemorySource {
 public:
  explicit PipeSource(ByteView bytes) : MemorySource(bytes, 777) {}
};

inline Bytes nonce(std::uint64_t value) {
  Bytes bytes(8);
  store_be(bytes.data(), value);
  return bytes;
}

/// Rows in all four databases.
inline void fill(CommitStore& store, unsigned blocks = 5) {
  for (unsigned i = 0; i < blocks; ++i) {
    Block block;
    for (unsigned j = 0; j < 50; ++j) block.slot(i + 1, j, i * j + 1);
    block.set(to_bytes(nonce_key(Block::address(i))), nonce(i + 1));
    block.set(to_bytes(code_key(Block::address(i))), Bytes(1000 * i + 1, 0x60));
    block.set({0x99, static_cast<std::uint8_t>(i)}, i == 2 ? Bytes{} : Bytes{1, 2, 3});
    must(block.commit(store));
  }
}

inline Bytes export_bytes(const CommitStore& store) {
  MemorySink sink;
  must(export_state(must(store.view()), sink));
  return std::move(sink.bytes);
}

inline Result<StreamSummary> check(ByteView bytes, const TrustedRoots& trusted = {}) {
  PipeSource source(bytes);
  return check_stream(source, trusted);
}

inline Result<StreamSummary> import(ByteView bytes, const std::string& path,
                                    ImportOptions options = {}, const TrustedRoots& trusted = {}) {
  PipeSource source(bytes);
  return import_stream(source, path, options, trusted);
}

inline ImportOptions force() {
  ImportOptions options;
  options.force = true;
  return options;
}

/// Makes streams whose digests are right: only rules and hashes can tell that they are forged.
class Forger {
 public:
  explicit Forger(const CommitStore& store, AccountRows account_rows = AccountRows::keep) {
    const ReadView view = must(store.view());
    header.summary.version = view.version();
    header.summary.account_rows = account_rows;
    header.summary.roots = view.roots();
    for (const Database database : kDataDatabases) {
      header.summary.stats[database] = view.stats(database);
      header.hashes[database] = view.hash(database);
      RowIterator it = must(view.iterate(database));
      for (; it.valid(); it.next())
        rows.push_back({database, to_bytes(it.key()), to_bytes(it.value())});
    }
  }
  struct Row {
    Database database;
    Bytes key;
    Bytes value;
  };
  Bytes bytes() const {
    MemorySink sink;
    StreamWriter writer(sink);
    must(writer.begin(header));
    for (const Row& row : rows) must(writer.row(row.database, row.key, row.value));
    must(writer.finish());
    return std::move(sink.bytes);
  }
  StreamHeader header;
  std::vector<Row> rows;
};

}  // namespace flatkv::transfer
