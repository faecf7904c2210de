// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include "base/error.hpp"

namespace flatkv {

/// The error for the exception that is being handled. For a failed allocation it allocates nothing
/// itself: its text fits into the string object.
inline Error error_of_exception() noexcept {
  Error error;
  error.code = ErrorCode::out_of_memory;
  try {
    throw;
  } catch (const std::bad_alloc&) {
    error.message = "out of memory";
  } catch (const std::exception& thrown) {
    try {
      error.message = std::string("unexpected: ") + thrown.what();
      error.code = ErrorCode::io;
    } catch (...) {
      error.message = "out of memory";
    }
  } catch (...) {
    error.code = ErrorCode::io;
    error.message = "unknown";
  }
  return error;
}

/// Runs `step`, which returns a Result, and turns whatever it throws into an error. Every public
/// function goes through here: no exception leaves the library. If the step throws, `thrown` is
/// called while the exception is being handled.
template <class Step, class Thrown>
auto guarded(Step&& step, Thrown&& thrown) noexcept -> decltype(step()) {
  try {
    return std::forward<Step>(step)();
  } catch (...) {
    std::forward<Thrown>(thrown)();
    return std::unexpected(error_of_exception());
  }
}
template <class Step>
auto guarded(Step&& step) noexcept -> decltype(step()) {
  return guarded(std::forward<Step>(step), [] {});
}

}  // namespace flatkv
