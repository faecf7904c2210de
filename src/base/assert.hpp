#pragma once

namespace flatkv {

/// Prints where and what to standard error and aborts the process.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace flatkv

/// Always on, in every build: for invariants of our own code that, once broken, could make a wrong
/// root. What the world can do (files, input, memory limits) is an Error, never this.
#define FLATKV_ASSERT(condition)                       \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::flatkv::assertion_failed(#condition, __FILE__, __LINE__))
