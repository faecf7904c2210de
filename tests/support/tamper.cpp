// SPDX-License-Identifier: Apache-2.0
#include "support/tamper.hpp"

#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/utilities/options_util.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "base/bytes.hpp"
#include "base/endian.hpp"

namespace flatkv::test {
namespace {

rocksdb::Slice slice(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void check(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

Bytes tagged(std::uint8_t tag, ByteView name) {
  Bytes key(1 + name.size(), tag);
  std::copy(name.begin(), name.end(), key.begin() + 1);
  return key;
}

/// The options that the database was last opened with: with others the store might not be able to
/// open it, which is not the damage wanted.
rocksdb::Options options_of(const std::string& directory) {
  rocksdb::DBOptions database;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  check(rocksdb::LoadLatestOptions(rocksdb::ConfigOptions(), directory, &database, &families));
  rocksdb::Options options(database, families.at(0).options);
  options.create_if_missing = false;
  options.disable_auto_compactions = true;
  return options;
}

std::unique_ptr<rocksdb::DB> open(const std::string& directory, bool write) {
  const rocksdb::Options options = options_of(directory);
  rocksdb::DB* db = nullptr;
  check(write ? rocksdb::DB::Open(options, directory, &db)
              : rocksdb::DB::OpenForReadOnly(options, directory, &db));
  return std::unique_ptr<rocksdb::DB>(db);
}

}  // namespace

Bytes meta_key(std::string_view name) { return tagged(0, as_bytes(name)); }

Bytes row_key(ByteView internal_key) { return tagged(1, internal_key); }

void tamper(const std::string& directory, std::vector<Edit> edits) {
  std::sort(edits.begin(), edits.end(),
            [](const Edit& a, const Edit& b) { return compare_bytes(a.key, b.key) < 0; });
  const std::string table = directory + "-tamper.sst";
  {
    rocksdb::SstFileWriter writer{rocksdb::EnvOptions(), options_of(directory)};
    check(writer.Open(table));
    for (const Edit& edit : edits) {
      check(edit.value ? writer.Put(slice(edit.key), slice(*edit.value))
                       : writer.Delete(slice(edit.key)));
    }
    check(writer.Finish());
  }
  const auto db = open(directory, true);
  rocksdb::IngestExternalFileOptions ingest;
  ingest.write_global_seqno = false;
  check(db->IngestExternalFile({table}, ingest));
  check(db->Close());
  std::filesystem::remove(table);
}

std::optional<Bytes> peek(const std::string& directory, const Bytes& key) {
  const auto db = open(directory, false);
  std::string value;
  const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), slice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  check(status);
  return to_bytes(as_bytes(value));
}

std::optional<std::int64_t> flushed_version(const std::string& directory, bool metadata) {
  const auto value = peek(directory, meta_key(metadata ? "_meta/version" : "local"));
  if (!value || value->size() < 8) return std::nullopt;
  return static_cast<std::int64_t>(load_be<std::uint64_t>(value->data()));
}

std::size_t count_keys(const std::string& directory) {
  const auto db = open(directory, false);
  const std::unique_ptr<rocksdb::Iterator> all(db->NewIterator(rocksdb::ReadOptions()));
  std::size_t count = 0;
  for (all->SeekToFirst(); all->Valid(); all->Next()) ++count;
  check(all->status());
  return count;
}

}  // namespace flatkv::test
