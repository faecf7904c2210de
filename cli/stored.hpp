// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "clone.hpp"
#include "flatkv/cluster/snapshots.hpp"
#include "verb.hpp"

// What export, check and import do with a snapshot in object storage.
namespace flatkv::cli {

/// `--parallel N` and `--timeout SECONDS`, which need `location`.
struct PartsArguments {
  std::uint32_t parallel = 0;
  std::uint32_t timeout = 30;
};
void parts_arguments(CLI::App& verb, CLI::Option* location, PartsArguments& arguments);

/// `--from LOCATION`, `--at N` and those above.
struct StoredArguments {
  std::string from;
  std::optional<std::int64_t> at;
  PartsArguments parts;
};
CLI::Option* stored_arguments(CLI::App& verb, StoredArguments& arguments);

Outcome<ExitCode> export_stored(const ReadFrom& from, const std::string& to, std::uint32_t keep,
                                const PartsArguments& parts, Context& context);
Outcome<ExitCode> check_stored(const StoredArguments& stored, std::optional<std::uint64_t> part,
                               const std::string& root, Context& context);
Outcome<ExitCode> import_stored(const StoredArguments& stored, const std::string& store,
                                const std::string& root, bool force, Context& context);

}  // namespace flatkv::cli
