// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "errors.hpp"
#include "flatkv/view.hpp"

// Exported states, in files and in Python's streams.
namespace flatkv::python {

/// `target` is a path or has `write`. Stops at Ctrl-C.
void export_to(const ReadView& view, nb::handle target, const nb::object& progress);

void bind_streams(nb::module_& module);

}  // namespace flatkv::python
