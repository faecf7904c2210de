// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verb.hpp"

namespace flatkv::cli {

/// `--cache BYTES`: the row cache of a store that is opened for writing.
void cache_option(CLI::App& verb, std::uint64_t& into);

}  // namespace flatkv::cli
