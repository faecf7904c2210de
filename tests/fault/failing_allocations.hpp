// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// operator new of this program, which fails when it is told to.
namespace flatkv::test {

/// Whose allocations count.
enum class Whose : std::uint8_t {
  callers,  ///< those of the thread that arms
  ours      ///< those of the threads that the library named "flatkv..."
};

/// The nth allocation from now on throws std::bad_alloc; with 0 none does.
void fail_allocation(Whose whose, std::uint64_t nth);
/// No allocation fails any more; whether one has.
bool allocation_failed();

}  // namespace flatkv::test
