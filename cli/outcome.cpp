// SPDX-License-Identifier: Apache-2.0
#include "outcome.hpp"

namespace flatkv::cli {

ExitCode exit_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return ExitCode::usage;
    case ErrorCode::not_found:  // of a store or file: a row that is absent is not an error
    case ErrorCode::locked:
    case ErrorCode::corruption:
    case ErrorCode::log_gap:
    case ErrorCode::log_behind:
    case ErrorCode::version_mismatch:
    case ErrorCode::format_too_new:
    case ErrorCode::foreign_store:
    case ErrorCode::import_incomplete:
    case ErrorCode::unsupported:
      return ExitCode::refused;
    case ErrorCode::cancelled:
      return ExitCode::interrupted;
    case ErrorCode::store_failed:
    case ErrorCode::io:
    case ErrorCode::no_space:
    case ErrorCode::out_of_memory:
    case ErrorCode::permission:
    case ErrorCode::stale:
      break;
  }
  return ExitCode::failed;
}

std::string advice(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "see the --help of this verb";
    case ErrorCode::not_found:
      return "check the path";
    case ErrorCode::locked:
      return "wait for the process that has the store open, or stop it; reading verbs work beside "
             "it";
    case ErrorCode::corruption:
    case ErrorCode::log_gap:
    case ErrorCode::log_behind:
      return "`flatkv info STORE` says what was found and which commands could help; keep a copy "
             "of the store before you try them";
    case ErrorCode::version_mismatch:
      return "`flatkv info STORE` shows the versions that snapshots and log reach";
    case ErrorCode::format_too_new:
      return "use the newer FlatKV that wrote this store";
    case ErrorCode::foreign_store:
      return "check that these files belong together: a part of another store is among them";
    case ErrorCode::import_incomplete:
      return "run the import again, or remove the directory";
    case ErrorCode::store_failed:
      return "look for the first error, remove its cause (often the disk), and run this again: the "
             "store recovers when it is opened";
    case ErrorCode::io:
      return "check the disk and the system's log, then run this again";
    case ErrorCode::no_space:
      return "free some space on that file system, then run this again";
    case ErrorCode::out_of_memory:
      return "give the process more memory or smaller caches, then run this again";
    case ErrorCode::permission:
      return "run this as a user who has access: to files as their owner, to object storage and "
             "brokers with the keys of one";
    case ErrorCode::cancelled:
      return kBeginsAnew;
    case ErrorCode::unsupported:
    case ErrorCode::stale:
      break;
  }
  return {};
}

Trouble::Trouble(const Error& error)
    : exit(exit_code(error.code)),
      message(error.to_string()),
      advice(flatkv::cli::advice(error.code)),
      cause(error) {}

Trouble& Trouble::at(const std::string& place, std::int64_t of_version) {
  version = of_version;
  if (cause) {
    cause->version.reset();  // the place says it
    message = place + ": " + cause->to_string();
    cause->message = place + ": " + cause->message;
    cause->version = of_version;
  } else {
    message = place + ": " + message;
  }
  return *this;
}

std::string_view code_name(const Trouble& trouble) noexcept {
  if (trouble.cause) return to_string(trouble.cause->code);
  switch (trouble.exit) {
    case ExitCode::no:
      return "no";
    case ExitCode::usage:
      return to_string(ErrorCode::invalid_argument);
    case ExitCode::refused:
      return to_string(ErrorCode::version_mismatch);
    case ExitCode::interrupted:
    case ExitCode::terminated:
      return to_string(ErrorCode::cancelled);
    case ExitCode::done:
    case ExitCode::failed:
    case ExitCode::broken_pipe:
      break;
  }
  return to_string(ErrorCode::io);
}

}  // namespace flatkv::cli
