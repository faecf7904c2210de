#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "flatkv/error.hpp"

namespace flatkv::cli {

/// What the program ends with; scripts branch on these.
enum class ExitCode : std::uint8_t {
  done = 0,
  no = 1,       ///< not found, differs, does not verify
  usage = 2,    ///< wrong use, or input that cannot be parsed
  refused = 3,  ///< corrupt, incomplete, locked, wrong version
  failed = 4,   ///< the system failed: I/O, no space, no permission
  interrupted = 130,
  terminated = 143,
};

/// Why a verb could not do what it was asked, and what to do next.
struct [[nodiscard]] Trouble {
  ExitCode exit = ExitCode::failed;
  std::string message;
  std::string advice;

  Trouble() = default;
  Trouble(ExitCode code, std::string text, std::string next = {})
      : exit(code), message(std::move(text)), advice(std::move(next)) {}
  /// An error of the library: exit code and advice by its code, the message with path, database,
  /// version and offset. Implicit, so that FLATKV_TRY carries errors into outcomes.
  Trouble(const Error& error);  // NOLINT(google-explicit-constructor)
};

template <class T>
using Outcome = std::expected<T, Trouble>;

ExitCode exit_code(ErrorCode code) noexcept;

/// What a person can do about an error of this kind; empty where nothing general can be said.
std::string advice(ErrorCode code);

inline std::unexpected<Trouble> trouble(ExitCode code, std::string text, std::string next = {}) {
  return std::unexpected(Trouble(code, std::move(text), std::move(next)));
}

}  // namespace flatkv::cli
