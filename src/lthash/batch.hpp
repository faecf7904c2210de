#pragma once

#include <cstdint>
#include <span>

#include "flatkv/bytes.hpp"
#include "flatkv/lthash.hpp"

namespace flatkv::lthash {

/// The net change of one row: `element(key, old_value)` out, `element(key, new_value)` in. An empty
/// value stands for an absent row too: both give no element. Borrows its bytes for the call.
struct RowChange {
  ByteView key;
  ByteView old_value;
  ByteView new_value;
};

/// element(key, value) of spec §3; the zero vector for an empty key or value.
LtHash element(ByteView key, ByteView value);

/// Adds the net change of all rows to `accumulator`, on the calling thread. Rows whose old and new
/// values are equal are skipped.
void accumulate(std::span<const RowChange> rows, LtHash& accumulator);

/// One accumulator and what goes into it.
struct Job {
  std::span<const RowChange> rows;
  LtHash* accumulator = nullptr;
};

/// All jobs, on the calling thread and the shared pool, balanced over their rows whatever their
/// sizes; small totals stay on the calling thread. The result does not depend on the split.
void accumulate_parallel(std::span<const Job> jobs);

/// Says that `accumulate_parallel` of a block's rows follows within a millisecond: the pool's
/// threads sleep between blocks, and waking takes up to a fifth of a millisecond.
void wake_pool();

/// Threads that `accumulate_parallel` uses, the calling one included; 0 is one per core, as at the
/// start. Calls under way keep what they started with.
void set_threads(std::size_t count);

}  // namespace flatkv::lthash
