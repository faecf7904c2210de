// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/tools/spread.hpp"
#include "verb.hpp"

namespace flatkv::cli {

/// `--part I/N`, `--merge FILE...` and `--out FILE` of the verbs whose work can be spread.
struct SpreadArguments {
  std::string part;
  std::vector<std::string> merge;
  std::string out;
};
/// Declares the first two. STORE, which `verb` has, is left out where parts are merged.
void spread_options(CLI::App& verb, SpreadArguments& arguments);

/// The part that was asked for, if any; wrong use for anything that is none, and for a store where
/// parts are merged, or neither.
Outcome<std::optional<PartOf>> part_of(const SpreadArguments& arguments, const std::string& store);

/// The scans to merge, from files or standard input ("-").
Outcome<std::vector<PartScan>> parts_from(const SpreadArguments& arguments, Context& context);

/// Writes the scan of a part, and says what is in it.
Outcome<ExitCode> write_part(const PartScan& scan, const std::string& out, double seconds,
                             Context& context);

/// Data goes to the file `out`, or to standard output if that is not a terminal. Only data in a
/// file leaves standard output to the report: `json`, or `text` for people.
Outcome<void> write_data(ByteView bytes, const std::string& out, const nlohmann::ordered_json& json,
                         const std::string& text, Context& context);

}  // namespace flatkv::cli
