// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "description.hpp"

namespace flatkv::cli {

/// flatkv(1): the program, its verbs and its exit statuses.
std::string man_page(const ProgramDescription& program);
/// flatkv-VERB(1)
std::string man_page(const ProgramDescription& program, const VerbDescription& verb);

/// "flatkv-apply"; "flatkv" for an empty verb.
std::string page_name(const ProgramDescription& program, const std::string& verb);

}  // namespace flatkv::cli
