// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "flatkv/options.hpp"
#include "read_ahead.hpp"

namespace flatkv::cli {

struct StrictArguments {
  bool strict = false;
  bool allow_legacy = false;
  std::vector<std::string> modules;

  StrictExceptions exceptions() const { return {.legacy_keys = allow_legacy, .modules = modules}; }
};

/// Opens FILE with the strictness of the options.
Outcome<std::unique_ptr<ChangeInput>> open_changes(const std::string& path,
                                                   const std::string& format,
                                                   const StrictArguments& strict,
                                                   const Interrupts& interrupts);

/// `--format`.
void format_option(CLI::App& verb, std::string& format);

/// `--strict`, `--allow-legacy` and `--allow-module`.
void strict_options(CLI::App& verb, StrictArguments& arguments);

}  // namespace flatkv::cli
