// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "flatkv/progress.hpp"
#include "workloads/device.hpp"
#include "workloads/machine.hpp"
#include "workloads/memory_group.hpp"
#include "workloads/series.hpp"
#include "workloads/workload.hpp"

namespace flatkv::bench {

struct RunOptions {
  std::string directory{};  ///< an empty directory of our own
  Options store{};
  std::uint64_t blocks = 0;   ///< measured; 0: as many as `seconds` allow
  double seconds = 10;        ///< of the store's own time
  std::uint64_t warm_up = 0;  ///< blocks before that
  bool floors = true;         ///< measure raw and hash beside the store
  bool rocksdb = false;       ///< measure RocksDB with default options, too
  /// Lifted while rows are loaded: what is measured is a state, not how it came to be.
  const MemoryGroup* memory = nullptr;
  double device_seconds = 0;  ///< of reading the device alone, at each depth; 0: not
  /// The store is told of a block's rows so long before it gets the block.
  std::optional<std::chrono::milliseconds> prefetch{};
  std::stop_token stop;
  /// Rows loaded of all, then blocks measured of all (0: unknown).
  ProgressCallback progress{};
};

/// The measurements of one subject.
struct Measured {
  double load_seconds = 0;
  Series blocks;
};

struct RunReport {
  std::uint64_t loaded_rows = 0;
  std::uint64_t writes = 0;  ///< of the measured blocks
  std::uint64_t reads = 0;
  std::uint64_t payload_bytes = 0;  ///< keys and values of those writes
  Measured store;
  std::optional<Measured> raw;
  std::optional<Measured> rocksdb;
  std::optional<Series> hash;  ///< each block's kernel time, as Phase::hash
  StoreMetrics before;         ///< the store's counters before the measured blocks
  StoreMetrics after;
  Usage begin;  ///< of the process before them; all subjects together
  Usage end;
  std::uint64_t bytes_read = 0;  ///< from devices, in the measured blocks of the store
  std::uint64_t rows = 0;        ///< at the end, and their keys and values
  std::uint64_t row_bytes = 0;
  std::uint64_t table_bytes = 0;      ///< on disk once background work is done
  std::optional<DeviceReads> device;  ///< beside nothing else, after the blocks
  std::string device_trouble;         ///< why there is none, if it was asked for
  Roots roots;                        ///< at the end; determined by the seed
};

/// Loads the workload's rows into each subject, waits until background work is done, then runs the
/// blocks: a slice through one subject after the other, in changing order. `cancelled` between
/// blocks; everything is closed on return.
Result<RunReport> run(Workload& workload, const RunOptions& options);

}  // namespace flatkv::bench
