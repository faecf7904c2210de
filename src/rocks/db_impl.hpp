// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to this room.

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <set>

#include "rocks/open_tables.hpp"
#include "rocks/own_directory.hpp"
#include "rocks/rocks.hpp"

namespace flatkv::rocks {

/// Receives RocksDB's events. Shared with the instance, so it may outlive the Db object.
class Listener : public rocksdb::EventListener {
 public:
  explicit Listener(const DbOptions& options) : options_(options) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override;
  /// Refuses: otherwise RocksDB recovers from a full disk by itself, whatever
  /// `max_bgerror_resume_count` says, and goes on beside a store that has failed.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status status,
                            bool* recover) override {
    status.PermitUncheckedError();
    *recover = false;
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) override {
    written_.fetch_add(job.stats.total_output_bytes, std::memory_order_relaxed);
  }

  /// Keeps the first error; `report` passes it on as a background error.
  void latch(const Error& error, bool report);
  std::optional<Error> error() const;
  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }

 private:
  const DbOptions options_;
  std::atomic<std::uint64_t> written_ = 0;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

/// Counts what was ingested, and which part of it before each pin that is alive. Thread-safe.
class Pins {
 public:
  void ingested(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    ingested_ += bytes;
  }
  /// The count at this pin, for `unpin`.
  std::uint64_t pin() {
    const std::lock_guard lock(mutex_);
    return *pins_.insert(ingested_);
  }
  void unpin(std::uint64_t at) noexcept {
    const std::lock_guard lock(mutex_);
    pins_.erase(pins_.find(at));
  }
  std::uint64_t since_oldest() const {
    const std::lock_guard lock(mutex_);
    return pins_.empty() ? 0 : ingested_ - *pins_.begin();
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t ingested_ = 0;
  std::multiset<std::uint64_t> pins_;
};

struct Db::Impl {
  DbOptions options;
  Mode mode = Mode::read_only;
  std::shared_ptr<Listener> listener;
  std::shared_ptr<OpenTables> open_tables;
  std::optional<OwnDirectory> directory;  // of a database that may be written to
  std::unique_ptr<rocksdb::DB> rocks;
  int most_open = -1;  // RocksDB's max_open_files
  Pins pins;
  std::mutex changing;  // held by ingest and checkpoint, which need the set of files
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
  /// Ingests, and looks that RocksDB could read what it looked at.
  Status take_in(const std::vector<std::string>& tables,
                 const rocksdb::IngestExternalFileOptions& how);
  /// An error if the database is read-only, stopped or failed and must not change.
  Status writable() const;
};

}  // namespace flatkv::rocks
