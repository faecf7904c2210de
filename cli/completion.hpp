// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "description.hpp"

namespace flatkv::cli {

// A script that makes the shell complete verbs, options, choices and paths. It is complete in
// itself: it calls neither the program nor helpers that the shell may lack.
std::string bash_completion(const ProgramDescription& program);
std::string zsh_completion(const ProgramDescription& program);
std::string fish_completion(const ProgramDescription& program);

}  // namespace flatkv::cli
