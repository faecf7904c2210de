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

}  // namespace flatkv::lthash
