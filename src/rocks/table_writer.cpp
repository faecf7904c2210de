// SPDX-License-Identifier: Apache-2.0
#include "rocks/table_writer.hpp"

#include <rocksdb/env.h>
#include <rocksdb/sst_file_writer.h>

#include "base/assert.hpp"
#include "base/failpoint.hpp"
#include "rocks/rocks.hpp"

namespace flatkv::rocks {

std::string meta_hash_key(Database database) {
  std::string name(kMetaHashKey);
  name += '/';
  name += to_string(database);
  return name;
}

namespace {

rocksdb::Options table_options(const DbOptions& db_options, TableBlocks blocks) {
  rocksdb::Options options = rocks_options(db_options);
  if (blocks == TableBlocks::plain) options.compression = rocksdb::kNoCompression;
  return options;
}

}  // namespace

struct TableWriter::Impl {
  Impl(const DbOptions& db_options, std::string table_path, TableBlocks blocks)
      : path(std::move(table_path)),
        which(db_options.which),
        options(table_options(db_options, blocks)),
        // Keep the table in the page cache: the next blocks read it, and soon a compaction.
        writer(rocksdb::EnvOptions(options), options, nullptr, /*invalidate_page_cache=*/false) {}
  ~Impl() {
    if (!finished) options.env->DeleteFile(path).PermitUncheckedError();
  }

  Status check(const rocksdb::Status& status, std::string_view doing) {
    if (status.ok()) return {};
    return std::unexpected(rocks_error(status, doing, path, which));
  }
  const rocksdb::Slice& stored(char tag, ByteView name) {
    text.assign(1, tag);
    text += as_chars(name);
    return key = text;
  }

  const std::string path;
  const Database which;
  const rocksdb::Options options;
  rocksdb::SstFileWriter writer;
  std::string text;
  rocksdb::Slice key;
  std::uint64_t entries = 0;
  bool finished = false;
};

TableWriter::TableWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TableWriter::TableWriter(TableWriter&&) noexcept = default;
TableWriter& TableWriter::operator=(TableWriter&&) noexcept = default;
TableWriter::~TableWriter() = default;

Result<TableWriter> TableWriter::create(const DbOptions& options, const std::string& path,
                                        TableBlocks blocks) {
  const rocksdb::Status there = environment(options)->FileExists(path);
  if (there.ok()) {
    return fail(ErrorCode::invalid_argument, "cannot create a table where a file exists")
        .path(path)
        .database(options.which);
  }
  auto impl = std::make_unique<Impl>(options, path, blocks);
  const rocksdb::Status opened = impl->writer.Open(path);
  if (!opened.ok()) {
    Error error = rocks_error(opened, "cannot create the table", path, options.which);
    if (opened.IsPathNotFound()) error.code = ErrorCode::not_found;
    return std::unexpected(std::move(error));
  }
  return TableWriter(std::move(impl));
}

Status TableWriter::put_meta(std::string_view name, ByteView value) {
  ++impl_->entries;
  return impl_->check(impl_->writer.Put(impl_->stored(kMetaTag, as_bytes(name)), slice(value)),
                      "cannot write a metadata value");
}

Status TableWriter::put(ByteView key, ByteView value) {
  ++impl_->entries;
  return impl_->check(impl_->writer.Put(impl_->stored(kRowTag, key), slice(value)),
                      "cannot write a row");
}

Status TableWriter::remove(ByteView key) {
  ++impl_->entries;
  return impl_->check(impl_->writer.Delete(impl_->stored(kRowTag, key)),
                      "cannot write a deleted row");
}

Result<std::uint64_t> TableWriter::finish() {
  FLATKV_ASSERT(!impl_->finished);
  if (impl_->entries == 0) {
    return fail(ErrorCode::invalid_argument, "a table must not be empty")
        .path(impl_->path)
        .database(impl_->which);
  }
  FLATKV_FAILPOINT("engine.table.before_finish");
  rocksdb::ExternalSstFileInfo info;
  FLATKV_TRY(impl_->check(impl_->writer.Finish(&info), "cannot finish the table"));
  impl_->finished = true;
  FLATKV_FAILPOINT("engine.table.finished");
  return info.file_size;
}

std::uint64_t TableWriter::bytes() const { return impl_->writer.FileSize(); }

}  // namespace flatkv::rocks
