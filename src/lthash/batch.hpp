// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "flatkv/bytes.hpp"
#include "flatkv/lthash.hpp"

namespace flatkv::lthash {

/// The net change of one row: adds element(key, new_value) and subtracts element(key, old_value).
/// An empty value also stands for an absent row: neither has an element. Borrows its bytes for the
/// call.
struct RowChange {
  ByteView key;
  ByteView old_value;
  ByteView new_value;
};

/// The element of a row (docs/specification.md#lattice-hash); zero for an empty key or value.
LtHash element(ByteView key, ByteView value);

/// Adds the net change of all rows to `accumulator`, on the calling thread. Skips rows whose old
/// and new values are equal.
void accumulate(std::span<const RowChange> rows, LtHash& accumulator);

}  // namespace flatkv::lthash
