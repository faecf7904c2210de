// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "verb.hpp"

namespace flatkv::cli {

/// For verbs that answer from the log alone: warns on standard error if, without a writer, the
/// databases are above the end of the log. The log has lost its end then.
void warn_of_lost_log(const std::string& store, Context& context);

}  // namespace flatkv::cli
