// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flatkv/change_set.hpp"
#include "memory/arena.hpp"

namespace flatkv::bench {

/// A block: what it reads first, and its writes, by external keys. Owns its bytes.
class Block {
 public:
  std::vector<ByteView> reads;
  std::vector<KVPair> writes;

  /// Space for bytes that live as long as the block.
  std::span<std::uint8_t> bytes(std::size_t count) { return {arena_.allocate(count), count}; }
  void clear() {
    reads.clear();
    writes.clear();
    arena_.clear();
  }

 private:
  memory::Arena arena_;
};

/// Size and kind of a workload; 0 is the workload's own default.
struct Shape {
  std::uint64_t rows = 0;       ///< loaded before the measurement
  std::uint64_t writes = 0;     ///< per block (`erc20`: transactions)
  unsigned update_percent = 0;  ///< of the writes that update existing rows (`slots`)
  std::uint64_t seed = 1;
  /// Runs on one loaded state with different numbers write different values, and add different rows
  /// (but for `erc20`).
  std::uint64_t stream = 0;
};

/// A stream of blocks, determined by its shape to the byte: first those that load the state, then
/// an endless number to measure.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual std::uint64_t rows() const = 0;
  /// Fills the next block of the load, false when all is loaded.
  virtual bool load(Block& block) = 0;
  /// Skips the load: the state is loaded already.
  virtual void skip_load() = 0;
  /// Fills the next block to measure.
  virtual void next(Block& block) = 0;
};

/// A workload and its defaults.
struct Description {
  std::string_view name;
  std::string_view what;
  Shape defaults;
};
std::vector<Description> workloads();
/// Fills in the defaults; the name is one of `workloads()` or "mainnet".
Shape complete(std::string_view name, Shape shape);

/// One of `slots`, `transfer`, `constantinople`, `erc20`; null for any other name.
std::unique_ptr<Workload> make_workload(std::string_view name, const Shape& shape);

/// Recorded blocks, of which the first is the state that they start from. Replays `copies` chains
/// one after another, distinguished by their addresses, and then again, so that a short recording
/// makes a long run.
std::unique_ptr<Workload> replay(std::vector<Block> recorded, std::uint64_t copies);

}  // namespace flatkv::bench
