// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "flatkv/error.hpp"

namespace flatkv {

/// Builds an Error step by step:
///   return fail(ErrorCode::corruption, "bad magic").path(path).offset(0);
class [[nodiscard]] Failure {
 public:
  Failure(ErrorCode code, std::string message) {
    error_.code = code;
    error_.message = std::move(message);
  }
  Failure&& path(std::string path) && {
    error_.path = std::move(path);
    return std::move(*this);
  }
  Failure&& database(Database database) && {
    error_.database = database;
    return std::move(*this);
  }
  Failure&& version(std::int64_t version) && {
    error_.version = version;
    return std::move(*this);
  }
  Failure&& offset(std::uint64_t offset) && {
    error_.offset = offset;
    return std::move(*this);
  }

  template <class T>
  operator Result<T>() && {  // NOLINT(google-explicit-constructor): implicit so that it can be
                             // returned
    return std::unexpected(std::move(error_));
  }
  Error error() && { return std::move(error_); }

 private:
  Error error_;
};

inline Failure fail(ErrorCode code, std::string message) { return {code, std::move(message)}; }

/// An Error from `errno`, with the code that fits: no_space, permission, not_found or io.
Failure fail_errno(int error_number, std::string doing, std::string path);

}  // namespace flatkv

#define FLATKV_CONCAT_INNER(a, b) a##b
#define FLATKV_CONCAT(a, b) FLATKV_CONCAT_INNER(a, b)

/// Returns from the enclosing function if `expression` holds an error.
#define FLATKV_TRY(expression)                                       \
  do {                                                               \
    if (auto flatkv_try_result = (expression); !flatkv_try_result) { \
      return std::unexpected(std::move(flatkv_try_result).error());  \
    }                                                                \
  } while (false)

/// `FLATKV_ASSIGN(auto x, f());` declares or assigns the value, or returns the error. Expands to
/// several statements.
#define FLATKV_ASSIGN(target, expression)                                               \
  auto FLATKV_CONCAT(flatkv_result_, __LINE__) = (expression);                          \
  if (!FLATKV_CONCAT(flatkv_result_, __LINE__)) {                                       \
    return std::unexpected(std::move(FLATKV_CONCAT(flatkv_result_, __LINE__)).error()); \
  }                                                                                     \
  target = *std::move(FLATKV_CONCAT(flatkv_result_, __LINE__))
