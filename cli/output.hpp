// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <zstd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.hpp"

namespace flatkv::cli {

/// Refuses (`usage`) a file that lies in a store's directory: verbs that look must not change one.
Outcome<void> outside_of_stores(const std::string& path);

/// A file or standard output ("-") written in order, compressed where the name ends in ".zst".
/// Errors come from `write` or at the latest from `close`; if standard output loses its reader, the
/// error has the exit status broken_pipe. One thread.
class Output {
 public:
  /// Creates or truncates the file.
  static Outcome<std::unique_ptr<Output>> open(const std::string& path);
  static std::unique_ptr<Output> standard();
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  Outcome<void> write(std::string_view text);
  /// Passes all buffered data to the system, so that others can read it.
  Outcome<void> flush();
  Outcome<void> close();
  /// Whether a write failed: nothing more will arrive there.
  bool failed() const noexcept { return failed_; }

 private:
  Output(int descriptor, std::string name, bool compressed);
  Outcome<void> put(std::string_view text);
  Outcome<void> compress(ZSTD_EndDirective how);

  int descriptor_;
  std::string name_;
  bool failed_ = false;
  ZSTD_CCtx* context_ = nullptr;
  std::string buffer_;
  std::vector<char> compressed_;
};

}  // namespace flatkv::cli
