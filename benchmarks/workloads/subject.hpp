// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "flatkv/options.hpp"
#include "flatkv/store.hpp"
#include "fs/file_system.hpp"
#include "lthash/batch.hpp"
#include "workloads/workload.hpp"

namespace flatkv::bench {

/// Where a block's time goes; `lookup`: the workload's own reads; `other`: the rest.
enum class Phase : std::uint8_t {
  lookup,
  route,
  read,
  hash,
  log,
  buffer,
  publish,
  wait,
  other,
};
inline constexpr std::size_t kPhases = 9;
inline constexpr std::array<std::string_view, kPhases> kPhaseNames = {
    "lookup", "route", "read", "hash", "log", "buffer", "publish", "wait", "other"};

/// Nanoseconds by phase.
struct PhaseTimes : std::array<std::uint64_t, kPhases> {
  std::uint64_t& of(Phase phase) { return (*this)[static_cast<std::size_t>(phase)]; }
  std::uint64_t of(Phase phase) const { return (*this)[static_cast<std::size_t>(phase)]; }
  std::uint64_t total() const;
};

/// Background work during the commits.
struct Background {
  bool flushing = false;
  bool compacting = false;
};

/// Something that takes blocks: the store, or a floor to compare it with.
class Subject {
 public:
  virtual ~Subject() = default;
  /// Runs a block and returns its cost, without the cost of making the block.
  virtual Result<PhaseTimes> run(const Block& block) = 0;
  /// Flushes everything into the databases.
  virtual Status flush() = 0;
  virtual Background background() const = 0;
  virtual Status close() = 0;
};

/// The store itself.
class StoreSubject : public Subject {
 public:
  /// On `files`, which must outlive it.
  static Result<std::unique_ptr<StoreSubject>> open(const std::string& path, Options options,
                                                    fs::FileSystem& files = fs::posix());

  Result<PhaseTimes> run(const Block& block) override;
  Status flush() override { return store_.flush(); }
  Background background() const override;
  Status close() override { return store_.close(); }

  /// Tells the store which rows the block is going to touch.
  Status prefetch(const Block& block);

  CommitStore& store() noexcept { return store_; }

 private:
  explicit StoreSubject(CommitStore store) : store_(std::move(store)) {}
  CommitStore store_;
};

/// The floor *raw*: the store's databases, write buffer, flush and row cache with their reads and
/// writes, but no hash and no changelog. Does not count routing. Keeps the last block's row
/// changes.
class RawSubject : public Subject {
 public:
  /// Uses a store made for it; `options.cache.row_cache_bytes` in bytes.
  static Result<std::unique_ptr<RawSubject>> create(const std::string& path,
                                                    const Options& options);
  ~RawSubject() override;

  Result<PhaseTimes> run(const Block& block) override;
  Status flush() override;
  Background background() const override;
  Status close() override;

  /// The floor *hash*: the kernel alone on the elements of the last block; nanoseconds.
  std::uint64_t hash_last();

  struct Impl;

 private:
  explicit RawSubject(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// RocksDB with default options, for scale: one database, a sorted MultiGet of the old values and
/// one batch a block; its log is off, as the other floor has none.
Result<std::unique_ptr<Subject>> make_rocksdb_subject(const std::string& path);

}  // namespace flatkv::bench
