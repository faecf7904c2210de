// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store.hpp"

// What keeps a store right: what an open did, the scrub, repair, and going back offline.
namespace flatkv::python {

void bind_upkeep(nb::module_& module);
/// The functions of a store for that.
void bind_upkeep(nb::class_<Store>& type);

}  // namespace flatkv::python
