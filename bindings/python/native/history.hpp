// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "errors.hpp"

namespace flatkv::python {

/// The log of a store, and the roots in it.
void bind_history(nb::module_& module);

/// What two states have different.
void bind_differences(nb::module_& module);

}  // namespace flatkv::python
