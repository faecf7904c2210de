// SPDX-License-Identifier: Apache-2.0
#include "parts/part_tables.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/failpoint.hpp"
#include "base/stopwatch.hpp"
#include "fs/files.hpp"
#include "rocks/table_reader.hpp"
#include "rocks/table_writer.hpp"

namespace flatkv::parts {
namespace {

constexpr std::string_view kUnfinished = "-tmp";
constexpr std::size_t kRowsAtOnce = 4096;

constexpr std::string_view kPrefix = "part-";
constexpr std::string_view kTable = ".sst";

std::string table_name(const Part& part) {
  return std::string(kPrefix) + to_hex(part.digest) + std::string(kTable);
}

/// Files of other names are not ours, whoever put them there.
bool is_ours(std::string_view name) {
  if (name.ends_with(kUnfinished)) name.remove_suffix(kUnfinished.size());
  return name.starts_with(kPrefix) && name.ends_with(kTable);
}

Status remove_all_but(fs::FileSystem& files, const std::string& directory,
                      const std::set<std::string>& wanted) {
  FLATKV_ASSIGN(const auto entries, files.list(directory));
  for (const fs::DirEntry& entry : entries) {
    if (!is_ours(entry.name) || wanted.contains(entry.name)) continue;
    FLATKV_TRY(fs::remove_tree(files, fs::join(directory, entry.name)));
  }
  return {};
}

/// Rows that are copied out of a table, since it shows one at a time.
class Batch {
 public:
  explicit Batch(Database database) : database_(database), sum_(database) {}

  void add(ByteView key, ByteView value) {
    rows_.add(key, value);
    if (rows_.size() == kRowsAtOnce) flush();
  }
  Part finish() {
    if (!rows_.empty()) flush();
    return sum_.finish();
  }

 private:
  void flush() {
    std::vector<ImportRow> views;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      views.push_back({database_, rows_.key(row), rows_.value(row)});
    }
    sum_.add(views);
    rows_.clear();
  }

  Database database_;
  scan::RowBuffer rows_;
  RowSum sum_;
};

bool same_rows(const Part& found, const Part& part) {
  return found.first == part.first && found.last == part.last && found.stats == part.stats &&
         found.hash == part.hash;
}

}  // namespace

Result<PartTables> PartTables::begin(fs::FileSystem& files, std::string directory,
                                     const StoredManifest& manifest) {
  FLATKV_TRY(fs::ensure_directory(files, directory));
  std::set<std::string> wanted;
  for (const Part& part : manifest.parts) wanted.insert(table_name(part));
  FLATKV_TRY(remove_all_but(files, directory, wanted));
  FLATKV_FAILPOINT("parts.import.begun");
  return PartTables(files, std::move(directory));
}

std::string PartTables::path_of(const Part& part) const {
  return fs::join(directory_, table_name(part));
}

Result<bool> PartTables::has(const rocks::DbOptions& options, const Part& part,
                             const std::stop_token& stop) const {
  const std::string path = path_of(part);
  FLATKV_ASSIGN(const bool there, fs::exists(*files_, path, fs::FileType::file));
  if (!there) return false;
  Batch batch(part.database);
  const Status read = rocks::read_table(options, path, [&](ByteView key, ByteView value) -> Status {
    if (stop.stop_requested()) return fail(ErrorCode::cancelled, "cancelled");
    batch.add(key, value);
    return {};
  });
  if (read && same_rows(batch.finish(), part)) return true;
  if (!read && read.error().code != ErrorCode::corruption) return std::unexpected(read.error());
  FLATKV_TRY(fs::remove_tree(*files_, path));
  return false;
}

Status PartTables::write(const rocks::DbOptions& options, const PartContext& context,
                         const Part& part, ByteView object, const std::stop_token& stop,
                         std::uint64_t& nanoseconds) const {
  const std::string path = path_of(part);
  const std::string unfinished = path + std::string(kUnfinished);
  FLATKV_TRY(fs::remove_tree(*files_, unfinished));  // of an earlier try
  FLATKV_ASSIGN(auto table, rocks::TableWriter::create(options, unfinished));
  const auto put = [&](std::span<const ImportRow> rows) -> Status {
    const TimedScope timed(nanoseconds);
    for (const ImportRow& row : rows) FLATKV_TRY(table.put(row.key, row.value));
    return {};
  };
  FLATKV_TRY(check_part(context, part, object, stop, put));
  const TimedScope timed(nanoseconds);
  FLATKV_TRY(table.finish());
  FLATKV_FAILPOINT("parts.import.table_written");
  FLATKV_TRY(files_->rename(unfinished, path));
  FLATKV_FAILPOINT("parts.import.table_named");
  return {};
}

Status PartTables::remove() const {
  FLATKV_FAILPOINT("parts.import.published");
  FLATKV_TRY(remove_all_but(*files_, directory_, {}));
  FLATKV_FAILPOINT("parts.import.emptied");
  FLATKV_TRY(files_->remove_directory(directory_));
  return files_->sync_directory(fs::parent(directory_));
}

}  // namespace flatkv::parts
