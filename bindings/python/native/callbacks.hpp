// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "errors.hpp"
#include "flatkv/options.hpp"

// Functions of Python that threads of the library call, as long as a store or what was taken from
// it is there. What such a function raises goes where Python's unraisable exceptions go.
namespace flatkv::python {

/// TypeError for what cannot be called.
LogCallback log_callback(nb::object function);
std::function<void(std::int64_t)> durable_callback(nb::object function);

}  // namespace flatkv::python
