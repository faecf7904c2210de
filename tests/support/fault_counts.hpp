#pragma once

#include <string_view>

// What became of the faults that a test program made, for the published table (docs/recovery.md):
// scripts/fault-counts adds up what all of them counted.
namespace flatkv::test {

/// What a fault came to (fault matrix): recovered, refused and nothing changed, derived data
/// rebuilt and then recovered, the running store failed until reopened.
enum class Came : char { recovered = 'R', refused = 'X', rebuilt = 'D', failed = 'F' };

/// Counts one fault of a row of the matrix ("C2"). When the program ends it prints a line for each
/// row and outcome, `FAULT C2 R 12`, and writes them to the file that FLATKV_FAULT_COUNTS names (a
/// new one each time: ctest gives every test its own). Thread-safe.
void count_fault(std::string_view row, Came came, unsigned times = 1);

}  // namespace flatkv::test
