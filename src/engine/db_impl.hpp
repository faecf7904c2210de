#pragma once

// Inside this room only.

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <mutex>
#include <optional>

#include "engine/open_tables.hpp"
#include "engine/rocks.hpp"

namespace flatkv::engine {

/// What RocksDB's threads tell us. Shared with the instance, so it may outlive the Db object.
class Listener : public rocksdb::EventListener {
 public:
  explicit Listener(const DbOptions& options) : options_(options) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override;
  /// Answers no: RocksDB would otherwise recover from a full disk on its own, whatever
  /// `max_bgerror_resume_count` says, and go on beside a store that has failed.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status status,
                            bool* recover) override {
    status.PermitUncheckedError();
    *recover = false;
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) override {
    written_.fetch_add(job.stats.total_output_bytes, std::memory_order_relaxed);
  }

  /// Keeps the first error; reports it if it comes from the background.
  void latch(const Error& error, bool report);
  std::optional<Error> error() const;
  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }

 private:
  const DbOptions options_;
  std::atomic<std::uint64_t> written_ = 0;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

struct Db::Impl {
  DbOptions options;
  Mode mode = Mode::read_only;
  std::shared_ptr<Listener> listener;
  std::shared_ptr<OpenTables> open_tables;
  std::unique_ptr<rocksdb::DB> rocks;
  int most_open = -1;   // RocksDB's max_open_files
  std::mutex changing;  // held by whoever changes the set of files: ingest, checkpoint
  std::atomic<bool> stopped = false;
  std::atomic<bool> ingest_failed = false;

  Error error(const rocksdb::Status& status, std::string_view doing) const {
    return rocks_error(status, doing, options);
  }
  Failure failure(ErrorCode code, std::string message) const {
    return fail(code, std::move(message)).path(options.name()).database(options.which);
  }
  std::uint64_t level_files(int level) const;
  /// Before so many tables come: those that stay open must remain within the process's descriptors.
  void make_room_for(std::size_t tables);
  /// Refuses what would change a database that is read-only, stopped or failed.
  Status writable() const;
};

}  // namespace flatkv::engine
