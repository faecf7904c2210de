// SPDX-License-Identifier: Apache-2.0
#include "rocks/db.hpp"

#include <rocksdb/convenience.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/assert.hpp"
#include "base/failpoint.hpp"
#include "fs/files.hpp"
#include "rocks/db_impl.hpp"

namespace flatkv::rocks {
namespace {

std::string_view to_string(rocksdb::BackgroundErrorReason reason) {
  switch (reason) {
    case rocksdb::BackgroundErrorReason::kCompaction:
      return "background error in a compaction";
    case rocksdb::BackgroundErrorReason::kManifestWrite:
    case rocksdb::BackgroundErrorReason::kManifestWriteNoWAL:
      return "background error in writing the MANIFEST";
    default:
      return "background error";
  }
}

/// The tables of a database beside this one, which is named after what it holds.
std::uint64_t count_tables(rocksdb::Env& env, const std::string& path) {
  std::vector<std::string> names;
  // What cannot be listed will be refused by who opens it.
  if (!env.GetChildren(path, &names).ok()) return 0;
  return static_cast<std::uint64_t>(
      std::ranges::count_if(names, [](const auto& name) { return name.ends_with(".sst"); }));
}

std::shared_ptr<OpenTables> open_tables_of(rocksdb::Env& env, const DbOptions& options) {
  const std::string copy = fs::parent(options.path);
  return OpenTables::of(copy, [&](Database which) {
    return count_tables(
        env, which == options.which ? options.path : fs::join(copy, flatkv::to_string(which)));
  });
}

/// The names in the directory; nullopt if there is no such directory.
Result<std::optional<std::vector<std::string>>> children(rocksdb::Env& env,
                                                         const DbOptions& options) {
  std::vector<std::string> names;
  const rocksdb::Status listed = env.GetChildren(options.path, &names);
  if (listed.IsNotFound() || listed.IsPathNotFound()) return std::nullopt;
  if (!listed.ok()) {
    return std::unexpected(rocks_error(listed, "cannot list the database", options));
  }
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  return names;
}

Status check_absent(rocksdb::Env& env, const DbOptions& options) {
  FLATKV_ASSIGN(const auto names, children(env, options));
  if (!names) {
    const rocksdb::Status made = env.CreateDir(options.path);
    if (made.ok()) return {};
    return std::unexpected(rocks_error(made, "cannot make the directory", options));
  }
  if (names->empty()) return {};
  return fail(ErrorCode::invalid_argument, "cannot create a database where something exists")
      .path(options.name())
      .database(options.which);
}

/// RocksDB tells a missing database from a damaged one by its message alone, and would replay a
/// write-ahead log that is not ours into memory and then into tables. Returns the paths of its
/// logs, which are empty.
Result<std::vector<std::string>> check_present(rocksdb::Env& env, const DbOptions& options) {
  FLATKV_ASSIGN(const auto names, children(env, options));
  const auto wrong = [&](ErrorCode code, std::string message) {
    return fail(code, std::move(message)).path(options.name()).database(options.which);
  };
  if (!names || names->empty()) return wrong(ErrorCode::not_found, "there is no database");
  bool current = false;
  std::vector<std::string> logs;
  for (const std::string& name : *names) {
    current |= name == "CURRENT";
    if (!name.ends_with(".log")) continue;
    logs.push_back(fs::join(options.path, name));
    std::uint64_t bytes = 0;
    const rocksdb::Status status = env.GetFileSize(logs.back(), &bytes);
    if (!status.ok()) {
      return std::unexpected(rocks_error(status, "cannot look at " + name, options));
    }
    if (bytes != 0) return wrong(ErrorCode::corruption, "RocksDB log " + name + " is not empty");
  }
  if (!current) return wrong(ErrorCode::corruption, "the file CURRENT is missing");
  return logs;
}

/// RocksDB also reports files that do not fit together as "invalid argument" or "not found".
Error open_error(const rocksdb::Status& status, const DbOptions& options) {
  Error error = rocks_error(status, "cannot open the database", options);
  if (error.code == ErrorCode::invalid_argument || error.code == ErrorCode::not_found) {
    error.code = ErrorCode::corruption;
  }
  return error;
}

/// The first and the last block of a table that is about to be ingested, held in the block cache.
/// RocksDB reads both rows while it ingests, and does not look whether it could: it takes a table
/// whose first row it cannot read for one without rows, and ends the process over the last
/// (docs/hazards.md#ingest-reads).
class HeldEnds {
 public:
  explicit HeldEnds(const rocksdb::Options& options) : reader_(options) {}

  rocksdb::Status read(const std::string& table) {
    rocksdb::Status opened = reader_.Open(table);
    if (!opened.ok()) return opened;
    first_.reset(reader_.NewIterator({}));
    last_.reset(reader_.NewIterator({}));
    first_->SeekToFirst();
    if (!first_->status().ok()) return first_->status();
    last_->SeekToLast();
    return last_->status();
  }

 private:
  rocksdb::SstFileReader reader_;
  std::unique_ptr<rocksdb::Iterator> first_;
  std::unique_ptr<rocksdb::Iterator> last_;
};

/// A table without bounds is one whose first row could not be read when it was ingested: nothing in
/// it is ever found. A bound of ours has a tag at least. HeldEnds keeps it from coming about; a
/// table that an earlier program took in is found here.
Status check_bounds(rocksdb::DB& rocks, const DbOptions& options) {
  std::vector<rocksdb::LiveFileMetaData> tables;
  rocks.GetLiveFilesMetaData(&tables);
  for (const rocksdb::LiveFileMetaData& table : tables) {
    if (!table.smallestkey.empty() && !table.largestkey.empty()) continue;
    return fail(ErrorCode::corruption,
                "the rows of table " + table.relative_filename +
                    " are not found: it could not be read when it was ingested")
        .path(options.name())
        .database(options.which);
  }
  return {};
}

}  // namespace

void Listener::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) {
  // Nothing may be thrown into RocksDB's thread. A short text needs no memory.
  try {
    latch(rocks_error(*status, to_string(reason), options_), true);
  } catch (...) {
    Error error;
    error.code = ErrorCode::out_of_memory;
    error.message = "out of memory";
    latch(error, true);
  }
}

void Listener::latch(const Error& error, bool report) {
  {
    const std::lock_guard lock(mutex_);
    if (error_) return;
    error_ = error;
  }
  if (report && options_.on_background_error) options_.on_background_error(error);
}

std::optional<Error> Listener::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

Status Db::Impl::writable() const {
  if (mode == Mode::read_only) {
    return failure(ErrorCode::unsupported, "the database is open for reading only");
  }
  if (stopped.load()) return failure(ErrorCode::store_failed, "background work was stopped");
  if (ingest_failed.load()) return failure(ErrorCode::store_failed, "an earlier ingest failed");
  return {};
}

std::uint64_t Db::Impl::level_files(int level) const {
  std::string text;
  std::uint64_t count = 0;
  const auto property = rocksdb::DB::Properties::kNumFilesAtLevelPrefix + std::to_string(level);
  if (rocks->GetProperty(property, &text)) {
    std::from_chars(text.data(), text.data() + text.size(), count);
  }
  return count;
}

void Db::Impl::make_room_for(std::size_t tables) {
  std::uint64_t count = tables;
  for (int level = 0; level < rocks->NumberLevels(); ++level) count += level_files(level);
  open_tables->set(options.which, count);
  const int most = open_tables->most(options.which);
  // A share that moves a little is not worth a file of options.
  if (most == most_open || (most_open != -1 && std::abs(most - most_open) <= most_open / 8)) return;
  // Where it cannot be written down, it counts all the same.
  rocks->SetDBOptions({{"max_open_files", std::to_string(most)}}).PermitUncheckedError();
  most_open = most;
}

Status Db::Impl::take_in(const std::vector<std::string>& tables,
                         const rocksdb::IngestExternalFileOptions& how) {
  // With the cache and the tables' format of this database.
  const rocksdb::Options own = rocks->GetOptions();
  // Of an import, which has thousands of tables, those that are held would take all descriptors,
  // and their indexes gigabytes: they are left to the cache.
  constexpr std::size_t kMostHeld = 16;
  std::vector<std::unique_ptr<HeldEnds>> ends;
  for (const std::string& table : tables) {
    if (tables.size() > kMostHeld) ends.clear();
    ends.push_back(std::make_unique<HeldEnds>(own));
    const rocksdb::Status read = ends.back()->read(table);
    if (!read.ok()) return std::unexpected(error(read, "cannot read " + table));
  }
  const rocksdb::Status status = rocks->IngestExternalFile(tables, how);
  if (!status.ok()) return std::unexpected(error(status, "cannot ingest " + tables.front()));
  return check_bounds(*rocks, options);
}

Db::Db(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::shared_ptr<Db>> Db::open(const DbOptions& options, Mode mode) {
  rocksdb::Options rocks = rocks_options(options);
  if (mode == Mode::create) {
    FLATKV_TRY(check_absent(*rocks.env, options));
  } else {
    FLATKV_ASSIGN(const auto logs, check_present(*rocks.env, options));
    // RocksDB leaves the log of each opening until a memtable is flushed, which never happens here,
    // and reads them all when it opens. One that cannot be removed is removed by a later opening.
    if (mode == Mode::read_write) {
      for (const std::string& log : logs) rocks.env->DeleteFile(log).PermitUncheckedError();
    }
  }
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->mode = mode;
  impl->listener = std::make_shared<Listener>(options);
  impl->open_tables = open_tables_of(*rocks.env, options);
  impl->most_open = impl->open_tables->most(options.which);
  rocks.max_open_files = impl->most_open;
  rocks.listeners.push_back(impl->listener);
  rocks.create_if_missing = mode == Mode::create;
  rocks.error_if_exists = mode == Mode::create;

  if (mode != Mode::read_only) impl->directory.emplace(options.path);
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status status = mode == Mode::read_only
                                     ? rocksdb::DB::OpenForReadOnly(rocks, options.path, &raw)
                                     : rocksdb::DB::Open(rocks, options.path, &raw);
  impl->rocks.reset(raw);
  if (!status.ok()) return std::unexpected(open_error(status, options));
  FLATKV_TRY(check_bounds(*impl->rocks, options));
  return std::shared_ptr<Db>(new Db(std::move(impl)));
}

Db::~Db() {
  // Pinned databases and cursors hold a reference to this object, so none is left: with one, Close
  // would refuse and leave the instance half alive. Memtables are empty, so nothing can be lost.
  rocksdb::CancelAllBackgroundWork(impl_->rocks.get(), true);
  impl_->rocks->Close().PermitUncheckedError();
}

Status Db::ingest(const std::vector<std::string>& tables) {
  FLATKV_ASSERT(!tables.empty());
  const std::lock_guard lock(impl_->changing);
  FLATKV_TRY(impl_->writable());
  FLATKV_FAILPOINT("engine.ingest.before");
  impl_->make_room_for(tables.size());

  rocksdb::IngestExternalFileOptions how;
  how.move_files = true;
  how.failed_move_fall_back_to_copy = false;
  how.snapshot_consistency = true;
  how.allow_global_seqno = true;
  how.allow_blocking_flush = false;  // memtables are empty: there is nothing to flush
  how.write_global_seqno = false;    // tables are never written to after they are synced
  std::uint64_t bytes = 0;
  for (const std::string& table : tables) {
    std::uint64_t size = 0;  // if it cannot be told, ingesting the file fails, too
    impl_->rocks->GetEnv()->GetFileSize(table, &size).PermitUncheckedError();
    bytes += size;
  }
  const Status ingested = impl_->take_in(tables, how);
  if (!ingested) {
    impl_->ingest_failed.store(true);
    impl_->listener->latch(ingested.error(), false);
    return ingested;
  }
  impl_->pins.ingested(bytes);
  FLATKV_FAILPOINT("engine.ingest.after");
  return {};
}

std::vector<Level> Db::levels() const {
  rocksdb::ColumnFamilyMetaData found;
  impl_->rocks->GetColumnFamilyMetaData(&found);
  std::vector<Level> levels;
  for (const auto& one : found.levels) {
    if (one.files.empty()) continue;
    levels.push_back({static_cast<std::uint32_t>(one.level), one.files.size(), one.size});
  }
  return levels;
}

Pressure Db::pressure() const {
  Pressure pressure;
  pressure.level0_files = impl_->level_files(0);
  impl_->rocks->GetIntProperty(rocksdb::DB::Properties::kEstimatePendingCompactionBytes,
                               &pressure.pending_compaction_bytes);
  impl_->rocks->GetIntProperty(rocksdb::DB::Properties::kNumRunningCompactions,
                               &pressure.running_compactions);
  return pressure;
}

std::uint64_t Db::table_bytes() const {
  std::uint64_t bytes = 0;
  impl_->rocks->GetIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &bytes);
  return bytes;
}

std::uint64_t Db::compaction_bytes_written() const { return impl_->listener->written(); }

std::uint64_t Db::superseded_bytes() const { return impl_->pins.since_oldest(); }

void Db::stop_background() {
  // Waits for a running ingest or checkpoint: those must not meet a shutdown half way.
  const std::lock_guard lock(impl_->changing);
  if (impl_->stopped.exchange(true)) return;
  rocksdb::CancelAllBackgroundWork(impl_->rocks.get(), true);
}

Status Db::background_status() const {
  if (auto error = impl_->listener->error()) return std::unexpected(*std::move(error));
  return {};
}

const DbOptions& Db::options() const noexcept { return impl_->options; }

}  // namespace flatkv::rocks
