// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "parts/part_codec.hpp"
#include "store/test_store.hpp"

namespace flatkv::parts {

/// A part of legacy rows 99 00 … 99 (n − 1), of which one has an empty value.
inline EncodedPart small_part(const PartContext& context, unsigned rows = 5,
                              std::uint8_t first = 0) {
  scan::RowBuffer buffer;
  for (unsigned i = 0; i < rows; ++i) {
    const Bytes key = {0x99, static_cast<std::uint8_t>(first + i)};
    buffer.add(key, i == 2 ? Bytes{} : Bytes(3, static_cast<std::uint8_t>(i)));
  }
  return encode_part(context, Database::legacy, buffer).value();
}

}  // namespace flatkv::parts
