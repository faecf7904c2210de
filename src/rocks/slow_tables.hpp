// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests only.

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "rocks/read_pace.hpp"

namespace flatkv::rocks {

/// An environment in which reads of tables take their time or fail, in any order.
class SlowTables {
 public:
  /// Called for every read of a table, on the thread that reads; may wait.
  using BeforeRead = std::function<rocksdb::IOStatus(std::uint64_t offset, std::size_t bytes)>;

  /// `under`: null for RocksDB's own; borrowed.
  explicit SlowTables(rocksdb::Env* under = nullptr)
      : env_(rocksdb::NewCompositeEnv(std::make_shared<Files>(
            *this, (under != nullptr ? under : rocksdb::Env::Default())->GetFileSystem()))) {}

  rocksdb::Env* env() noexcept { return env_.get(); }
  /// Set it while nobody reads.
  void before_read(BeforeRead call) { before_read_ = std::move(call); }
  std::uint64_t reads() const noexcept { return reads_; }
  /// The most reads that were under way at the same time, since the last call.
  std::size_t most_at_once() noexcept { return most_.exchange(0); }

  /// Waits like a device: a read takes between half and three halves of the time.
  static BeforeRead like_a_device(std::chrono::microseconds time) {
    return
        [time, turn = std::make_shared<std::atomic<std::uint64_t>>(0)](std::uint64_t, std::size_t) {
          const std::uint64_t random = ((*turn)++ * 0x9e37'79b9'7f4a'7c15U) >> 48;
          std::this_thread::sleep_for(time / 2 + time * random / 65536);
          return rocksdb::IOStatus::OK();
        };
  }

 private:
  class File : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    File(SlowTables& tables, std::unique_ptr<rocksdb::FSRandomAccessFile>&& target)
        : FSRandomAccessFileOwnerWrapper(std::move(target)), tables_(tables) {}
    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t bytes,
                           const rocksdb::IOOptions& options, rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* debug) const override {
      rocksdb::IOStatus ready = DeviceWaits::timed(1, [&] { return tables_.read(offset, bytes); });
      if (!ready.ok()) return ready;
      return target()->Read(offset, bytes, options, result, scratch, debug);
    }
    /// One after the other, as RocksDB's own without io_uring.
    rocksdb::IOStatus MultiRead(rocksdb::FSReadRequest* requests, std::size_t count,
                                const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* debug) override {
      for (std::size_t i = 0; i < count; ++i) {
        rocksdb::FSReadRequest& one = requests[i];
        one.status = Read(one.offset, one.len, options, &one.result, one.scratch, debug);
      }
      return rocksdb::IOStatus::OK();
    }

   private:
    SlowTables& tables_;
  };

  class Files : public rocksdb::FileSystemWrapper {
   public:
    Files(SlowTables& tables, const std::shared_ptr<rocksdb::FileSystem>& target)
        : FileSystemWrapper(target), tables_(tables) {}
    const char* Name() const override { return "flatkv-slow"; }
    rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                          rocksdb::IODebugContext* debug) override {
      rocksdb::IOStatus opened = target()->NewRandomAccessFile(name, options, result, debug);
      if (opened.ok() && name.ends_with(".sst")) {
        *result = std::make_unique<File>(tables_, std::move(*result));
      }
      return opened;
    }

   private:
    SlowTables& tables_;
  };

  rocksdb::IOStatus read(std::uint64_t offset, std::size_t bytes) {
    ++reads_;
    const std::size_t now = ++under_way_;
    for (std::size_t most = most_; most < now && !most_.compare_exchange_weak(most, now);) {
    }
    rocksdb::IOStatus ready = before_read_ ? before_read_(offset, bytes) : rocksdb::IOStatus::OK();
    --under_way_;
    return ready;
  }

  std::unique_ptr<rocksdb::Env> env_;
  BeforeRead before_read_;
  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::size_t> under_way_ = 0;
  std::atomic<std::size_t> most_ = 0;
};

}  // namespace flatkv::rocks
