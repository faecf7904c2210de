// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace flatkv {

/// Prints the condition and its place to standard error and aborts the process.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace flatkv

/// Active in every build: for invariants of our own code that, once broken, could produce a wrong
/// root. What the environment can cause (files, input, lack of memory) is an Error instead.
#define FLATKV_ASSERT(condition)                       \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::flatkv::assertion_failed(#condition, __FILE__, __LINE__))
