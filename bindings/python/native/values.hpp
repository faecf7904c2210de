// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"

// What the library hands out, as Python takes it. All of these copy and need the interpreter's
// lock.
namespace flatkv::python {

inline nb::bytes to_bytes(ByteView bytes) { return nb::bytes(bytes.data(), bytes.size()); }

inline nb::object to_object(const std::optional<Bytes>& bytes) {
  return bytes ? nb::object(to_bytes(*bytes)) : nb::object(nb::none());
}

/// A 256-bit value as an int.
nb::object to_int(ByteView big_endian);

/// As Store.apply takes them.
nb::list to_list(std::span<const NamedChangeSet> change_sets);

void bind_values(nb::module_& module);

}  // namespace flatkv::python
