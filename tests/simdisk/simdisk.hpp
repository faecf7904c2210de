// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/env.h>

#include <memory>
#include <vector>

#include "fs/file_system.hpp"
#include "simdisk/disk.hpp"

/// A disk in memory, under our own file layer and under RocksDB at once, that can lose power.
///
///   SimDisk disk;
///   auto store = open("/store", disk.files(), disk.env());   // "/" is there and durable
///   ... work ...
///   disk.crash(CrashMode::random, seed);   // from here on every operation of the old store fails
///   store.reset();                         // cannot reach the disk any more
///   store = open("/store", disk.files(), disk.env());        // on the restarted machine
///
/// `files()` and `env()` belong to one life of the machine and live as long as the SimDisk; get
/// them again after a crash. A crash loses what is not synced: a file's content by its own sync,
/// names (create, link, rename, unlink, also of directories) only by the sync of their directory.
/// Paths are absolute; there are no symbolic links.
///
/// RocksDB's threads make the order of operations, and with it a seed, repeatable only with
/// `max_background_jobs = 1`, `disable_auto_compactions` and flushes that are waited for.
namespace flatkv::simdisk {

class SimDisk {
 public:
  SimDisk();
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  /// Another machine with a copy of this disk, unsynced state included, to crash the same moment in
  /// several ways. Nothing is open or locked there.
  std::unique_ptr<SimDisk> clone() const;

  /// Of the machine's current life.
  fs::FileSystem& files();
  rocksdb::Env* env();

  // Crashing.
  void crash(CrashMode mode, std::uint64_t seed = 0) { disk_.crash(mode, seed); }
  /// Crashes instead of the nth changing operation from now (1: the next).
  void crash_at(std::uint64_t nth, CrashMode mode, std::uint64_t seed = 0) {
    disk_.crash_at(nth, mode, seed);
  }
  /// The number of crashes so far.
  std::uint64_t crashes() { return disk_.epoch() - 1; }
  CrashReport last_crash() { return disk_.last_crash(); }

  // Failing. A crash clears the faults.
  void inject(Fault fault) { disk_.inject(std::move(fault)); }
  /// From now on syncs of files (and, if asked, of directories) do nothing and report success.
  void lie_about_syncs(bool also_directories = true);
  void clear_faults() { disk_.clear_faults(); }
  /// The number of operations that a fault made fail (or lie).
  std::uint64_t injected() { return disk_.injected(); }
  /// Bytes of file content that fit; more is ENOSPC.
  void set_capacity(std::uint64_t bytes) { disk_.set_capacity(bytes); }
  std::uint64_t used() { return disk_.used(); }

  /// Sets what is called before every operation that changes something, while nothing else can
  /// reach the disk: to clone, fill, fail or crash it there. An empty function ends it.
  void watch(std::function<void(Operation, const std::string& path)> watcher) {
    disk_.watch(std::move(watcher));
  }

  // Counting.
  /// Operations for which `changes` holds, since the disk was made.
  std::uint64_t changes_made() { return disk_.changes_made(); }
  std::uint64_t count(Operation operation) { return disk_.count(operation); }

  // Looking and damaging, bypassing the machine and its counters.
  /// Every file whose path begins with `prefix`, with its content.
  std::map<std::string, Bytes> tree(const std::string& prefix = "/") {
    return disk_.tree(prefix, false);
  }
  /// The same as after `drop_unsynced`.
  std::map<std::string, Bytes> durable_tree(const std::string& prefix = "/") {
    return disk_.tree(prefix, true);
  }
  /// Changes the content of a file durably; all its hard links see it. False if there is none.
  bool overwrite(const std::string& path, Bytes content) {
    return disk_.overwrite(path, std::move(content));
  }

 private:
  struct Machine;
  explicit SimDisk(const Disk& disk);
  Machine& machine();

  Disk disk_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Machine>> machines_;  ///< dead ones too: stores may still hold them
};

}  // namespace flatkv::simdisk
