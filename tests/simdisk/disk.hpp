// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"

/// The medium under SimDisk: one tree of inodes with what the running system sees and, beside it,
/// what a power cut would leave. Errors are `errno` values, 0 for none.
namespace flatkv::simdisk {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kSector = 512;

/// Those up to `sync_directory` change the medium or what is durable; crash points count them.
enum class Operation : std::uint8_t {
  create,
  append,
  truncate,
  sync,
  make_directory,
  remove_directory,
  rename,
  link,
  unlink,
  sync_directory,
  open,
  read,
  list,
  stat,
  lock,
};
inline constexpr std::size_t kOperations = 15;
constexpr bool changes(Operation operation) { return operation <= Operation::sync_directory; }

enum class CrashMode : std::uint8_t {
  process,        ///< only the process dies: everything stays visible, unsynced data stays volatile
  keep_all,       ///< the power goes after everything has reached the medium
  drop_unsynced,  ///< the power goes, and everything unsynced is lost
  random,         ///< the power goes; pages, sizes and directory entries are kept or lost by seed
  lose_one,       ///< as drop_unsynced, but all names are kept, except one by seed, or none
  keep_one,       ///< as drop_unsynced, but one change of names by seed is kept, or none
};

/// What a crash did, for tests that must know that something could be lost.
struct CrashReport {
  CrashMode mode = CrashMode::process;
  unsigned files_changed = 0;  ///< files with unsynced content
  unsigned pages_old = 0;
  unsigned pages_new = 0;
  unsigned pages_mixed = 0;
  unsigned entries_kept = 0;
  unsigned entries_lost = 0;
};

/// Makes operations of one kind (or any that changes something) fail on matching paths.
struct Fault {
  std::optional<Operation> operation = {};  ///< nullopt: any for which `changes` holds
  std::string contains = {};  ///< part of the path (of rename and link: of the new one)
  std::string suffix = {};    ///< end of the path
  int error = 5;              ///< errno (EIO); 0: a sync that reports success and does nothing
  unsigned nth = 1;           ///< the first to fail, 1 for the next
  unsigned times = 1;         ///< how many fail; 0: all from then on
  bool partial = false;       ///< a failing append first writes half
};

struct Inode;
using InodePtr = std::shared_ptr<Inode>;
using Entries = std::map<std::string, InodePtr, std::less<>>;
/// Counts the crashes; handles of an earlier epoch are dead.
using Epoch = std::uint64_t;

/// An unsynced change of one name. The changes of one rename share a sequence number.
struct Change {
  std::uint64_t sequence = 0;
  std::string name;
  InodePtr target;  ///< null: removed
};

struct Inode {
  std::uint64_t id = 0;
  bool directory = false;
  unsigned links = 0;
  std::uint64_t modified = 0;
  // A file.
  Bytes now;
  Bytes durable;
  std::set<std::uint64_t> dirty;  ///< pages that the next sync would write
  // A directory.
  Entries entries;
  Entries durable_entries;
  std::vector<Change> pending;
};

struct Handle {
  InodePtr inode;
  std::string path;
  Epoch epoch = 0;
};

struct Attributes {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  std::uint64_t modified = 0;
  unsigned links = 0;
  bool directory = false;
};

/// Thread-safe. Paths are absolute, without "..".
class Disk {
 public:
  Disk();
  Disk(const Disk& other);
  Disk& operator=(const Disk&) = delete;

  // Operations of the running system; EIO once their epoch has ended.
  int create(Epoch epoch, const std::string& path, bool exclusive, Handle& out);
  int open(Epoch epoch, const std::string& path, Handle& out);
  int append(const Handle& file, std::span<const ByteView> parts);
  int truncate(const Handle& file, std::uint64_t size);
  int sync(const Handle& file);
  int read(const Handle& file, std::uint64_t offset, std::span<std::uint8_t> into,
           std::size_t& got);
  int make_directory(Epoch epoch, const std::string& path);
  int remove_directory(Epoch epoch, const std::string& path);
  int rename(Epoch epoch, const std::string& from, const std::string& to);
  int link(Epoch epoch, const std::string& from, const std::string& to);
  int unlink(Epoch epoch, const std::string& path);
  int open_directory(Epoch epoch, const std::string& path, Handle& out);
  int sync_directory(const Handle& directory);
  int list(Epoch epoch, const std::string& path, std::vector<std::pair<std::string, bool>>& out);
  int stat(Epoch epoch, const std::string& path, Attributes& out);
  /// EWOULDBLOCK if the inode is locked already.
  int lock(const Handle& handle);
  void unlock(const Handle& handle);
  std::uint64_t size(const Handle& file);

  // For the test.
  Epoch epoch();
  void crash(CrashMode mode, std::uint64_t seed);
  void crash_at(std::uint64_t nth, CrashMode mode, std::uint64_t seed);
  CrashReport last_crash();
  void inject(Fault fault);
  void clear_faults();
  /// Sets what is called before every operation that changes something, on the operation's thread
  /// while the disk stands still; it may look at this disk, copy it, fail or crash it. Not copied.
  void watch(std::function<void(Operation, const std::string&)> watcher);
  std::uint64_t injected();
  std::uint64_t changes_made();
  std::uint64_t count(Operation operation);
  void set_capacity(std::uint64_t bytes);
  std::uint64_t used();
  std::uint64_t capacity();
  /// Every file below `path` with its content, as visible or as after `drop_unsynced`.
  std::map<std::string, Bytes> tree(const std::string& path, bool durable);
  bool overwrite(const std::string& path, Bytes content);

 private:
  struct Verdict {
    int error = 0;
    bool lie = false;
    bool partial = false;
    bool stop() const { return error != 0 || lie; }
  };
  struct Place {
    InodePtr directory;
    std::string name;  ///< empty: the root itself
    InodePtr inode;    ///< null: does not exist
  };

  Verdict enter(Epoch epoch, Operation operation, std::string_view path);
  int find(const std::string& path, Place& out) const;
  InodePtr make_inode(bool directory);
  void set_entry(const InodePtr& directory, const std::string& name, InodePtr target,
                 std::uint64_t sequence);
  void settle(Inode& directory, std::uint64_t sequence);
  void release(const InodePtr& inode);
  void write(Inode& inode, ByteView content);
  std::uint64_t room() const { return capacity_ > used_ ? capacity_ - used_ : 0; }

  void crash_now(CrashMode mode, std::uint64_t seed);
  void decide_entries(CrashMode mode, std::uint64_t seed);
  void recount();
  std::vector<InodePtr> inodes() const;

  mutable std::recursive_mutex mutex_;  ///< recursive, because a watcher calls back
  Epoch epoch_ = 1;
  InodePtr root_;
  std::vector<std::weak_ptr<Inode>> all_;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t clock_ = 1'600'000'000;  ///< seconds; advances with every change, not with time
  std::map<std::uint64_t, std::array<InodePtr, 2>>
      moves_;  ///< unsynced renames between directories
  std::set<std::uint64_t> locked_;
  std::vector<Fault> faults_;
  std::function<void(Operation, const std::string&)> watcher_;
  std::uint64_t injected_ = 0;
  std::array<std::uint64_t, kOperations> counts_{};
  std::uint64_t crash_in_ = 0;
  CrashMode crash_mode_ = CrashMode::process;
  std::uint64_t crash_seed_ = 0;
  CrashReport report_;
  std::uint64_t capacity_ = ~std::uint64_t{0};
  std::uint64_t used_ = 0;
};

}  // namespace flatkv::simdisk
