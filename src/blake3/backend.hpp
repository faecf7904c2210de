// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// What one instruction set provides. Files compiled with instruction-set flags include this header,
// so it holds data only: an inline function here could be emitted there, and the linker could pick
// that copy for the whole program.

namespace flatkv::blake3 {

/// The instruction sets that have code, slowest first within an architecture.
enum class Kernel : std::uint8_t { portable, sse41, avx2, avx512, neon };

constexpr std::size_t kKernels = 5;

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kChunkBytes = 1024;
/// Words of an accumulator: the 2048 bytes of extended output that make one element.
constexpr std::size_t kElementWords = 512;
constexpr std::size_t kElementBlocks = 32;
/// The most inputs that `Backend::hash_many` hashes side by side.
constexpr std::size_t kMaxLanes = 32;

enum Flag : std::uint32_t {
  kNone = 0,
  kChunkStart = 1,
  kChunkEnd = 2,
  kParent = 4,
  kRoot = 8,
};

/// The last compression of an input, from which any amount of output can be drawn.
struct Root {
  std::uint32_t cv[8];
  /// 64 bytes, zero after the end of the input; borrowed.
  const std::uint8_t* block;
  std::uint32_t block_bytes;
  /// Without `kRoot`, which every use adds.
  std::uint32_t flags;
};

/// An element to be added to an accumulator, or subtracted.
struct Term {
  Root root;
  bool subtract;
};

/// The operations of one kernel: pure functions, thread-safe, with the same results in every kernel
/// (except for the order within an accumulator).
struct Backend {
  Kernel kernel;
  /// Inputs that `hash_many` hashes at once; make batches multiples of it.
  std::size_t lanes;

  /// Compresses one block into a chaining value.
  void (*compress)(std::uint32_t* cv, const std::uint8_t* block, std::uint32_t block_bytes,
                   std::uint64_t counter, std::uint32_t flags);

  /// The 64-byte output block number `counter` of a root.
  void (*output)(const Root& root, std::uint64_t counter, std::uint8_t* out);

  /// Chaining values of `count` inputs of `blocks` whole blocks each, all starting from the initial
  /// value. The flags `first` and `last` go to the first and last block. With `increment` the
  /// counter grows by one from input to input (chunks), otherwise it stays the same (parents).
  void (*hash_many)(const std::uint8_t* const* inputs, std::size_t count, std::size_t blocks,
                    std::uint64_t counter, bool increment, std::uint32_t flags, std::uint32_t first,
                    std::uint32_t last, std::uint32_t (*cvs)[8]);

  /// Adds the 2048-byte outputs of `count` terms, as 16-bit limbs, to `plus`, or to `minus` if they
  /// are to be subtracted: two sums so that both take the same code. Each has kElementWords words,
  /// 64-byte aligned, in the kernel's own order. `minus` is touched only if a term needs it.
  void (*add_terms)(const Term* terms, std::size_t count, std::uint32_t* plus,
                    std::uint32_t* minus);

  /// Puts such a sum into natural order and adds it to, or subtracts it from, 1024 limbs (64-byte
  /// aligned).
  void (*settle)(const std::uint32_t* sum, bool subtract, std::uint16_t* limbs);
};

/// Single blocks have no lanes to fill: kernels without a faster way share these.
void compress_portable(std::uint32_t* cv, const std::uint8_t* block, std::uint32_t block_bytes,
                       std::uint64_t counter, std::uint32_t flags);
void output_portable(const Root& root, std::uint64_t counter, std::uint8_t* out);

/// Each is defined in the file of its instruction set; kernel.cpp knows which of them exist.
extern const Backend kPortable;
extern const Backend kSse41;
extern const Backend kAvx2;
extern const Backend kAvx512;
extern const Backend kNeon;

}  // namespace flatkv::blake3
