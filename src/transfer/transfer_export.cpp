// SPDX-License-Identifier: Apache-2.0
#include "base/failpoint.hpp"
#include "base/guard.hpp"
#include "fs/absolute.hpp"
#include "fs/files.hpp"
#include "layout/generation.hpp"
#include "transfer/file_io.hpp"
#include "transfer/stream_writer.hpp"
#include "transfer/view_rows.hpp"

namespace flatkv {
namespace {

constexpr std::uint64_t kRowsBetweenChecks = 4096;

StreamSummary summary_of(const ReadView& view) {
  StreamSummary summary;
  summary.version = view.version();
  summary.account_rows = view.account_rows();
  summary.roots = view.roots();
  for (const Database database : kDataDatabases) {
    summary.stats[database] = view.stats(database);
  }
  return summary;
}

class Exporter {
 public:
  Exporter(const ReadView& view, ByteSink& sink, const TransferOptions& options)
      : view_(view), options_(options), writer_(sink) {}

  Status run() {
    transfer::StreamHeader header;
    header.summary = summary_of(view_);
    total_ = header.summary.rows();
    for (const Database database : kDataDatabases) {
      header.hashes[database] = view_.hash(database);
    }
    FLATKV_TRY(check_stop());  // also where there are few rows
    FLATKV_TRY(writer_.begin(header));
    for (const Database database : kDataDatabases) FLATKV_TRY(write_rows(database));
    if (options_.progress) options_.progress("export", rows_, total_);
    return writer_.finish();
  }

 private:
  Status write_rows(Database database) {
    return transfer::rows_in_order(
        view_, database, options_.stop, [&](const scan::RowBuffer& rows) -> Status {
          for (std::size_t row = 0; row < rows.size(); ++row) {
            FLATKV_TRY(writer_.row(database, rows.key(row), rows.value(row)));
            if (++rows_ % kRowsBetweenChecks == 0) FLATKV_TRY(look_up());
          }
          return {};
        });
  }

  Status check_stop() const {
    if (!options_.stop.stop_requested()) return {};
    return fail(ErrorCode::cancelled, "the export was cancelled");
  }

  Status look_up() {
    FLATKV_TRY(check_stop());
    if (options_.progress) options_.progress("export", rows_, total_);
    return {};
  }

  const ReadView& view_;
  const TransferOptions& options_;
  transfer::StreamWriter writer_;
  std::uint64_t rows_ = 0;
  std::uint64_t total_ = 0;
};

Status write_file(fs::AppendFile& file, const ReadView& view, const std::string& path,
                  const TransferOptions& options) {
  transfer::FileSink raw(file);
  if (path.ends_with(".zst-tmp")) {
    ZstdSink compressed(raw);
    FLATKV_TRY(export_state(view, compressed, options));
    FLATKV_TRY(compressed.finish());
  } else {
    FLATKV_TRY(export_state(view, raw, options));
  }
  FLATKV_FAILPOINT("export.written");
  return file.sync();
}

}  // namespace

std::uint64_t StreamSummary::rows() const noexcept {
  std::uint64_t total = 0;
  for (const DatabaseStats& own : stats) total += own.rows;
  return total;
}

Status export_state(const ReadView& view, ByteSink& sink, const TransferOptions& options) {
  return guarded([&]() -> Status { return Exporter(view, sink, options).run(); });
}

namespace {

/// Only a file may be replaced: as root, a rename would put one in the place of a device.
Status may_be_replaced(fs::FileSystem& files, const std::string& path) {
  const auto info = files.stat(path);
  if (!info) {
    if (info.error().code == ErrorCode::not_found) return {};
    return std::unexpected(info.error());
  }
  if (info->type == fs::FileType::file || info->type == fs::FileType::symlink) return {};
  return fail(ErrorCode::invalid_argument, "something other than a file is here").path(path);
}

}  // namespace

Status export_to_file(const ReadView& view, const std::string& given,
                      const TransferOptions& options) {
  return guarded([&]() -> Status {
    fs::FileSystem& files = fs::posix();
    FLATKV_ASSIGN(const std::string path, fs::absolute(given));
    const std::string unfinished = path + "-tmp";
    for (const std::string& place : {path, unfinished}) FLATKV_TRY(may_be_replaced(files, place));
    FLATKV_TRY(fs::remove_tree(files, unfinished));
    FLATKV_ASSIGN(const auto file, files.create(unfinished));
    FLATKV_ASSIGN(const fs::FileInfo own, files.stat(unfinished));
    Status written = write_file(*file, view, unfinished, options);
    // Another export to this file takes what it finds for the remains of one that died. What it has
    // written so far must not get the name.
    const auto there = fs::stat_if_there(files, unfinished);
    const bool still_own = !there || (*there && (*there)->is_same(own));
    if (written && !still_own) {
      return fail(ErrorCode::locked,
                  "its unfinished file is gone, as where another export to this file begins")
          .path(path);
    }
    if (written) written = files.rename(unfinished, path);
    if (!written) {
      if (still_own) static_cast<void>(fs::remove_tree(files, unfinished));
      return written;
    }
    return files.sync_directory(fs::parent(path));
  });
}

}  // namespace flatkv
