// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flatkv::cli {

/// The whole program; returns its exit status.
int run_program(int argc, char** argv);

}  // namespace flatkv::cli
