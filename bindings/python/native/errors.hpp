// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "flatkv/error.hpp"

// Failures of the library as exceptions of Python. All of these need the interpreter's lock.
namespace flatkv::python {

namespace nb = nanobind;

/// What is no UTF-8 is replaced.
nb::str text_of(std::string_view text);

/// An instance of flatkv.Error, of the subclass for its code.
nb::object exception_of(const Error& error);

[[noreturn]] void raise(const Error& error);
/// Raises `invalid_argument`.
[[noreturn]] void refuse(std::string message);
/// Raises TypeError.
[[noreturn]] void refuse_type(const std::string& message);

/// What a call returned, or its error as an exception.
template <class T>
T unwrap(Result<T> result) {
  if (!result) raise(result.error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// The result of a call on a handle that was closed before.
inline Error closed(const char* what) {
  Error error;
  error.code = ErrorCode::store_failed;
  error.message = std::string(what) + " is closed";
  return error;
}

}  // namespace flatkv::python
