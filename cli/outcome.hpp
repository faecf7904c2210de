// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
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
  broken_pipe = 141,  ///< the reader of standard output went away; not reported
  terminated = 143,
};

/// Why a verb could not do what it was asked, and what to do next.
struct [[nodiscard]] Trouble {
  ExitCode exit = ExitCode::failed;
  std::string message;  ///< one line for people
  std::string advice;
  std::optional<Error> cause;           ///< the library's error, for machines
  std::optional<std::int64_t> version;  ///< that the message is about, where the cause names none
  bool answered = false;  ///< standard output says it already: with --json nothing is added

  /// Says at which block of an input it happened: "line 3, version 7".
  Trouble& at(const std::string& place, std::int64_t of_version);

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

/// For interrupted work of which nothing is kept.
inline constexpr const char* kBeginsAnew = "run this again: it begins anew";
/// For interrupted work that resumes from the store's version.
inline constexpr const char* kGoesOn = "run this again to go on";

/// What a person can do about an error of this kind; empty where nothing general can be said.
std::string advice(ErrorCode code);

/// The name of the failure in JSON: an ErrorCode's, also where the program itself has the trouble;
/// "no" where the answer is no.
std::string_view code_name(const Trouble& trouble) noexcept;

inline std::unexpected<Trouble> trouble(ExitCode code, std::string text, std::string next = {}) {
  return std::unexpected(Trouble(code, std::move(text), std::move(next)));
}

}  // namespace flatkv::cli
