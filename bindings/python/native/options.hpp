// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "errors.hpp"
#include "flatkv/options.hpp"

// What an open takes by name.
namespace flatkv::python {

CreateOptions create_options(const std::string& account_rows, std::int64_t initial_version);

/// Raises TypeError for a name that there is not, and for a value of another kind.
Options options_of(const nb::kwargs& named);

/// The signature of `open`.
extern const char* const kOpen;

}  // namespace flatkv::python
