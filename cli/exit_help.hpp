// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

namespace flatkv::cli {

struct ExitHelp {
  const char* status;
  const char* meaning;
};

/// What the statuses of ExitCode mean, for the help and the manual page.
inline constexpr std::array<ExitHelp, 8> kExitHelp = {{
    {"0", "done"},
    {"1", "the answer is no: not found, differs, does not verify"},
    {"2", "wrong use, or input that cannot be parsed"},
    {"3", "refused: corrupt, incomplete, locked, wrong version"},
    {"4", "the system failed: I/O, no space, no permission"},
    {"130", "interrupted at a safe point"},
    {"141", "the reader of standard output went away, as after `| head`"},
    {"143", "terminated at a safe point"},
}};

inline constexpr const char* kJsonFailures =
    "With --json every failure is an object {\"error\":{code, message, …}} on standard output.";

}  // namespace flatkv::cli
