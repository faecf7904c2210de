// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "verb.hpp"

namespace flatkv::cli {

/// For verbs that answer from the log alone: where nobody writes, the databases may know of more,
/// and then the log has lost its end. Says so on standard error.
void warn_of_lost_log(const std::string& store, Context& context);

}  // namespace flatkv::cli
