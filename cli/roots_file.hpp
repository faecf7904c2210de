// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "flatkv/roots.hpp"
#include "input.hpp"
#include "json_lines.hpp"

namespace flatkv::cli {

/// The roots line of a version, with '\n'.
std::string roots_line(std::int64_t version, const Roots& roots);

/// "storage" or "root, account": the checksums that differ, for messages.
std::string differing(const Roots& expected, const Roots& found);

/// A file of roots lines with ascending versions, read as far as it is asked for.
class RootsFile {
 public:
  static Outcome<std::unique_ptr<RootsFile>> open(const std::string& path,
                                                  const Interrupts* interrupts);
  /// Roots of a version, nothing if the file has no line for it. Versions asked for must ascend.
  Outcome<std::optional<Roots>> find(std::int64_t version);

 private:
  explicit RootsFile(std::string path, std::unique_ptr<Input> input);
  Outcome<void> read();

  std::string path_;
  std::unique_ptr<Input> input_;
  LineReader lines_;
  JsonParser parser_;
  std::optional<JsonParser::RootsLine> line_;
  bool ended_ = false;
};

}  // namespace flatkv::cli
