// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

// Counts how the faults of a test program ended, for the table of docs/recovery.md:
// scripts/fault-counts adds up the counts of all programs.
namespace flatkv::test {

/// How a fault ended: recovered, refused with nothing changed, derived data rebuilt and then
/// recovered, or the running store failed until reopened.
enum class Came : char { recovered = 'R', refused = 'X', rebuilt = 'D', failed = 'F' };

/// Counts one fault of a row of docs/recovery.md ("C2"). At the end the program prints a line for
/// each row and outcome, `FAULT C2 R 12`, and writes them to the file named by FLATKV_FAULT_COUNTS
/// (overwritten: ctest gives every test its own). Thread-safe.
void count_fault(std::string_view row, Came came, unsigned times = 1);

}  // namespace flatkv::test
