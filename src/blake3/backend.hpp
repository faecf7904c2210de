#pragma once

#include <cstddef>
#include <cstdint>

// What one instruction set has to offer. This header is included by the files that are compiled
// with instruction-set flags, so it holds data only: an inline function here could be emitted there
// and picked by the linker for the whole program.

namespace flatkv::blake3 {

/// The instruction sets there is code for, slowest first within an architecture.
enum class Kernel : std::uint8_t { portable, sse41, avx2, avx512, neon };

constexpr std::size_t kKernels = 5;

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kChunkBytes = 1024;
/// Words of an accumulator: the 2048 bytes of extended output that make one element.
constexpr std::size_t kElementWords = 512;
constexpr std::size_t kElementBlocks = 32;
/// Most inputs that `Backend::hash_many` works on side by side.
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
  /// 64 bytes, zero behind the input's last; borrowed.
  const std::uint8_t* block;
  std::uint32_t block_bytes;
  /// Without `kRoot`, which every use adds.
  std::uint32_t flags;
};

/// An element to be added to, or taken from, an accumulator.
struct Term {
  Root root;
  bool subtract;
};

/// The operations of one kernel. All are pure functions of their arguments, callable from any
/// thread, and give the same results in every kernel (except for the order within an accumulator).
struct Backend {
  Kernel kernel;
  /// Inputs that `hash_many` handles in one go; batches are best made of multiples of it.
  std::size_t lanes;

  /// One block into a chaining value.
  void (*compress)(std::uint32_t* cv, const std::uint8_t* block, std::uint32_t block_bytes,
                   std::uint64_t counter, std::uint32_t flags);

  /// One 64-byte block of output number `counter` from a root.
  void (*output)(const Root& root, std::uint64_t counter, std::uint8_t* out);

  /// Chaining values of `count` inputs of `blocks` whole blocks each, every one starting from the
  /// initial value. `first` and `last` are flags added for the first and last block; with
  /// `increment` the counter grows by one from input to input (chunks), else it stays (parents).
  void (*hash_many)(const std::uint8_t* const* inputs, std::size_t count, std::size_t blocks,
                    std::uint64_t counter, bool increment, std::uint32_t flags, std::uint32_t first,
                    std::uint32_t last, std::uint32_t (*cvs)[8]);

  /// Adds the 2048-byte outputs of `count` terms, as 16-bit limbs, to `plus` or, of those to be
  /// subtracted, to `minus`: kElementWords words each, 64-byte aligned, in an order of the kernel's
  /// own. Apart, because then both take the same code; `minus` is touched only if a term needs it.
  void (*add_terms)(const Term* terms, std::size_t count, std::uint32_t* plus,
                    std::uint32_t* minus);

  /// Puts such a sum into the natural order and adds it to, or subtracts it from, 1024 limbs
  /// (64-byte aligned).
  void (*settle)(const std::uint32_t* sum, bool subtract, std::uint16_t* limbs);
};

/// Single blocks have no lanes to fill: kernels without a better way share these.
void compress_portable(std::uint32_t* cv, const std::uint8_t* block, std::uint32_t block_bytes,
                       std::uint64_t counter, std::uint32_t flags);
void output_portable(const Root& root, std::uint64_t counter, std::uint8_t* out);

/// Each defined in the file of its instruction set; which of them exist is known to kernel.cpp.
extern const Backend kPortable;
extern const Backend kSse41;
extern const Backend kAvx2;
extern const Backend kAvx512;
extern const Backend kNeon;

}  // namespace flatkv::blake3
