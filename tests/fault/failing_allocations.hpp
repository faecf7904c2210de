// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Replaces operator new of this program by one that fails on demand.
namespace flatkv::test {

/// Whose allocations count.
enum class Whose : std::uint8_t {
  callers,  ///< those of the thread that arms
  others    ///< those of all other threads but RocksDB's
};

/// Makes the nth allocation from now on throw std::bad_alloc; 0: none.
void fail_allocation(Whose whose, std::uint64_t nth);
/// Disarms. Returns whether an allocation has failed.
bool allocation_failed();
/// How many allocations inside RocksDB, from the nth on, were let through before one failed: with
/// each of them as the nth the same one would fail.
std::uint64_t allocations_passed_over();

}  // namespace flatkv::test
