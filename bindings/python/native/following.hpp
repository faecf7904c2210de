// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store.hpp"

// What a store committed, and what it commits and undoes from now on.
namespace flatkv::python {

void bind_changes(nb::module_& module);
/// The functions of a store for that.
void bind_following(nb::class_<Store>& type);

}  // namespace flatkv::python
