// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store.hpp"

// What a store counts and times.
namespace flatkv::python {

void bind_metrics(nb::module_& module);
/// The functions of a store for that.
void bind_figures(nb::class_<Store>& type);

}  // namespace flatkv::python
